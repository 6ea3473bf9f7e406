"""Bringing a bed into service: its drive looked at, its parameters identified."""
