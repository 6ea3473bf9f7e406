"""The web console: every bed of every site."""
