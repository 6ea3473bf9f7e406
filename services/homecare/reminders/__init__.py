"""Reminders by e-mail: on days when something was open and nothing was heard of until the evening."""
