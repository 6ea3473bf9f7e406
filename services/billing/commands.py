"""What billing adds to the `spondyl` command."""

import typer

from services.billing.goae import commands as goae


def register(root: typer.Typer) -> None:
    """Add billing's commands: a group or a command a row, from the room that owns it."""
    goae.register(root)
