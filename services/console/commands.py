"""`spondyl users`, from the console's machine."""

import typer

from services.console.accounts import commands as users


def register(root: typer.Typer) -> None:
    """Add `users`."""
    users.register(root)
