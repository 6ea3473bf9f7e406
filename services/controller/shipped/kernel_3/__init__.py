"""Kernel version 3, frozen: written by shipped/freeze.py, never edited."""
