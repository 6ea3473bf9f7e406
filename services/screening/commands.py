"""What screening adds to the `spondyl` command."""

import typer


def register(root: typer.Typer) -> None:
    """Add this room's commands."""
    del root
