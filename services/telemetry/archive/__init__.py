"""Telemetry for ten years: immutable objects in a store, an SQL index of what lies where."""
