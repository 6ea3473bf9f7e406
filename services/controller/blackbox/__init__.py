"""Recordings as files, and a recorded session through the kernel that made it."""
