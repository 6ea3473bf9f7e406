"""What a period's books hold: invoices, cancellations and payments, the same that revenue counts."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, select

from services.billing.errors import Conflict, Invalid, said
from services.billing.invoices import store as invoices
from services.billing.invoices.models import Issued
from services.billing.invoices.tables import INVOICES
from services.billing.models import euro
from services.billing.payments import revenue
from services.billing.payments.models import Method
from services.billing.payments.tables import PAYMENT_REVERSALS, PAYMENTS

MOST: Final = 50_000  # of each; DATEV takes 99 999 rows a file
LONGEST_DAYS: Final = 366


@dataclass(frozen=True, slots=True)
class Receipt:
    """Money of a payment that counts, with the invoice that it belongs to."""

    invoice: UUID
    number: str
    patient: UUID
    received_on: date
    amount: Decimal  # negative: paid back
    method: Method


@dataclass(frozen=True, slots=True)
class Book:
    """Of one site; both ends of the period belong to it."""

    site: str
    since: date
    until: date
    invoices: tuple[Issued, ...]  # cancellations too, oldest first
    receipts: tuple[Receipt, ...]

    @property
    def invoiced(self) -> Decimal:
        """What was invoiced less what was cancelled."""
        return sum((one.total for one in self.invoices), Decimal("0.00"))

    @property
    def received(self) -> Decimal:
        """What came in less what was paid back."""
        return sum((one.amount for one in self.receipts), Decimal("0.00"))


def of(connection: Connection, site: str, since: date, until: date) -> Book:
    """The period's book. Raises Invalid for a period that is none or too large."""
    require_period(since, until)
    found = invoices.listed(connection, site, since=since, until=until, most=MOST + 1)
    book = Book(site, since, until, tuple(reversed(found)), _receipts(connection, site, since, until))
    if max(len(book.invoices), len(book.receipts)) > MOST:
        raise said(
            Invalid,
            {
                "de": f"Mehr als {MOST} Buchungen zwischen {since:%d.%m.%Y} und {until:%d.%m.%Y}: bitte den "
                "Zeitraum teilen.",
                "en": f"more than {MOST} entries between {since} and {until}: please divide the period",
            },
        )
    _require_revenue(connection, book)
    return book


def require_period(since: date, until: date) -> None:
    """Raises Invalid for an end before the beginning, and for more than a year."""
    if since > until or (until - since).days >= LONGEST_DAYS:
        raise said(
            Invalid,
            {
                "de": f"Zeitraum {since:%d.%m.%Y} bis {until:%d.%m.%Y}: von ... bis, höchstens ein Jahr.",
                "en": f"period {since} to {until}: from ... to, at most a year",
            },
        )


def _receipts(connection: Connection, site: str, since: date, until: date) -> tuple[Receipt, ...]:
    wanted = (
        select(PAYMENTS, INVOICES.c.number, INVOICES.c.patient)
        .join(INVOICES, INVOICES.c.id == PAYMENTS.c.invoice)
        .join(PAYMENT_REVERSALS, PAYMENT_REVERSALS.c.payment == PAYMENTS.c.id, isouter=True)
        .where(
            PAYMENT_REVERSALS.c.payment.is_(None), PAYMENTS.c.site == site,
            PAYMENTS.c.received_on >= since, PAYMENTS.c.received_on <= until,
        )
        .order_by(PAYMENTS.c.received_on, PAYMENTS.c.seq)
        .limit(MOST + 1)
    )  # fmt: skip
    return tuple(
        Receipt(
            UUID(row["invoice"]), row["number"], UUID(row["patient"]), row["received_on"],
            euro(row["amount_ct"]), row["method"],
        )
        for row in connection.execute(wanted).mappings()
    )  # fmt: skip


def _require_revenue(connection: Connection, book: Book) -> None:
    """Whoever hands it on can rely on it: the same sums as the page shows. Raises Conflict."""
    told = revenue.table(connection, [book.site], book.since, book.until, "site")
    shown = (Decimal(told["invoiced"]), Decimal(told["received"] or 0))
    if shown != (book.invoiced, book.received):
        raise said(
            Conflict,
            {
                "de": f"Die Buchungen ergeben {book.invoiced} und {book.received} EUR, der Umsatz {shown[0]} "
                f"und {shown[1]} EUR: nichts ausgegeben.",
                "en": f"the entries come to {book.invoiced} and {book.received} EUR, revenue says {shown[0]} "
                f"and {shown[1]} EUR: nothing was handed out",
            },
        )
