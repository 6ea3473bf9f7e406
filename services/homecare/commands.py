"""What homecare adds to the `spondyl` command."""

import typer


def register(root: typer.Typer) -> None:
    """Add homecare's commands: a command a row, from the room that owns it."""
    del root
