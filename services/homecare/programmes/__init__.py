"""Programmes: set by a clinician in versions, begun under supervision, paused, completed."""
