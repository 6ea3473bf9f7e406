"""Worklists: what each bed must know of today, so that it works with its network down."""
