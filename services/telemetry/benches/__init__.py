"""Telemetry's benchmarks, each beside a named peer in the same run."""
