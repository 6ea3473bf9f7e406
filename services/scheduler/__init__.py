"""Cures, appointments, the planner and worklists."""
