"""Keeping a system: its backup, its restoring, and what may be told of it to a stranger."""
