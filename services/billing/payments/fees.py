"""Fees of reminders: claims of their own beside the invoice (§ 280 Abs. 1, § 286 BGB), without VAT.

What comes in pays the fees first and the invoice then (§ 367 Abs. 1 BGB), unless it is exactly what is open
of the invoice: then the payer has said what is paid (§ 366 Abs. 1 BGB), and the clinic takes it so
(§ 367 Abs. 2 BGB). Each payment says so once, when it is booked, and never changes.
"""

from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, insert, select

from services.billing.errors import Conflict, Invalid, said
from services.billing.invoices.tables import INVOICES
from services.billing.payments.models import Item
from services.billing.payments.tables import LETTERS, WAIVERS
from services.kit.language import Text

ZERO: Final = Decimal("0.00")
CANCELLED: Final = "Rechnung storniert"


def share(item: Item, amount: Decimal) -> Decimal:
    """How much of a payment goes to fees; of what is paid back, how much is taken from them."""
    if amount < 0:
        return -max(ZERO, -amount - max(ZERO, item.paid - item.paid_fees))
    if amount == item.open_invoice:
        return ZERO
    return min(amount, item.open_fees)


def waive(connection: Connection, letter: Any, on: date, reason: str, by: str, at_us: int) -> None:
    """Ask for a letter's fee no more; the same reason again is the same click.

    Raises Conflict for one that was waived, Invalid where there is none.
    """
    if not letter["fee_ct"]:
        raise said(
            Invalid,
            {
                "de": "Dieses Schreiben fordert keine Mahnkosten: 0,00 EUR.",
                "en": "this letter asks for no fee: 0.00 EUR",
            },
        )
    known = connection.execute(select(WAIVERS).where(WAIVERS.c.letter == letter["id"])).mappings().first()
    if known is None:
        _add(connection, letter, on, reason, by, at_us)
    elif known["reason"] != reason:
        words: Text = {
            "de": f"Die Mahnkosten sind schon erlassen: {known['reason']}",
            "en": f"the fee was waived already: {known['reason']}",
        }
        raise said(Conflict, words)


def waive_all(connection: Connection, invoice: UUID, on: date, by: str, at_us: int) -> None:
    """With a cancelled invoice nobody was late: its fees go with it."""
    wanted = (
        select(LETTERS.c.id, LETTERS.c.site, LETTERS.c.invoice)
        .join(WAIVERS, WAIVERS.c.letter == LETTERS.c.id, isouter=True)
        .where(LETTERS.c.invoice == str(invoice), LETTERS.c.fee_ct > 0, WAIVERS.c.letter.is_(None))
    )
    for letter in connection.execute(wanted).mappings().all():
        _add(connection, letter, on, CANCELLED, by, at_us)


def charged(connection: Connection, sites: list[str], since: date, until: date) -> list[Any]:
    """What was charged and (negative) waived in a period, with the invoice's number and patient."""
    found: list[Any] = []
    waived = LETTERS.join(WAIVERS, WAIVERS.c.letter == LETTERS.c.id)
    for rows, on, amount in (
        (LETTERS, LETTERS.c.sent_on, LETTERS.c.fee_ct), (waived, WAIVERS.c.waived_on, -LETTERS.c.fee_ct),
    ):  # fmt: skip
        wanted = (
            select(
                LETTERS.c.site, LETTERS.c.invoice, INVOICES.c.number, INVOICES.c.patient,
                on.label("on_date"), amount.label("amount_ct"),
            )
            .select_from(rows.join(INVOICES, INVOICES.c.id == LETTERS.c.invoice))
            .where(LETTERS.c.site.in_(sites), LETTERS.c.fee_ct > 0, on >= since, on <= until)
        )  # fmt: skip
        found += connection.execute(wanted)
    return found


def _add(connection: Connection, letter: Any, on: date, reason: str, by: str, at_us: int) -> None:
    connection.execute(
        insert(WAIVERS).values(
            letter=letter["id"], site=letter["site"], invoice=letter["invoice"], waived_on=on, reason=reason,
            by=by[:80], at_us=at_us,
        )
    )  # fmt: skip
