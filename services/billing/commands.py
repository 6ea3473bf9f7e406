"""What billing adds to the `spondyl` command."""

import typer

from services.billing.checking import commands as checking
from services.billing.estimates import commands as estimates
from services.billing.goae import commands as goae
from services.billing.papers import commands as papers


def register(root: typer.Typer) -> None:
    """Add billing's commands: a group or a command a row, from the room that owns it."""
    goae.register(root)
    estimates.register(root)
    invoice = typer.Typer(
        help="Invoices of a German practice: docs/billing.md.", no_args_is_help=True, rich_markup_mode=None
    )
    checking.register(invoice)
    papers.register(invoice)
    root.add_typer(invoice, name="invoice")
