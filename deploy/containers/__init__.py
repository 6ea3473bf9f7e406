"""Containers: what a demo chain needs before its first start, and the commands that build and run it."""
