"""What screening adds to the `spondyl` command."""

import typer

from services.screening.exchange import commands as exchange
from services.screening.rules import commands as rules


def register(root: typer.Typer) -> None:
    """Add this room's commands."""
    rules.register(root)
    exchange.register(root)
