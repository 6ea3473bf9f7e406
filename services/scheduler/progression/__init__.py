"""The next session's prescription from what the last ones came to."""
