"""What screening adds to the `spondyl` command."""

import typer

from services.screening.exchange import commands as exchange


def register(root: typer.Typer) -> None:
    """Add this room's commands."""
    exchange.register(root)
