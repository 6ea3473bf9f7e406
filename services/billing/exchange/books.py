"""What a period's books hold: invoices, cancellations and payments, the same that revenue counts."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, select

from services.billing.errors import Conflict, Invalid, said
from services.billing.invoices import store as invoices
from services.billing.invoices.models import Issued
from services.billing.invoices.tables import INVOICES
from services.billing.models import euro
from services.billing.payments import fees, revenue
from services.billing.payments.models import Method
from services.billing.payments.tables import PAYMENT_REVERSALS, PAYMENTS

MOST: Final = 50_000  # of each; DATEV takes 99 999 rows a file
LONGEST_DAYS: Final = 366


@dataclass(frozen=True, slots=True)
class Receipt:
    """Money of a payment with the invoice that it belongs to; a payment taken back has a second one."""

    invoice: UUID
    number: str
    patient: UUID
    received_on: date  # or taken back on
    amount: Decimal  # negative: paid back, or taken back
    method: Method
    is_reversal: bool = False


@dataclass(frozen=True, slots=True)
class Fee:
    """What a reminder asked for beside an invoice, or (negative) what was waived of it."""

    number: str
    patient: UUID
    on: date
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Book:
    """Of one site; both ends of the period belong to it."""

    site: str
    since: date
    until: date
    invoices: tuple[Issued, ...]  # cancellations too, oldest first
    receipts: tuple[Receipt, ...]
    fees: tuple[Fee, ...] = ()

    @property
    def invoiced(self) -> Decimal:
        """What was invoiced less what was cancelled."""
        return sum((one.total for one in self.invoices), Decimal("0.00"))

    @property
    def received(self) -> Decimal:
        """What came in less what was paid back or taken back."""
        return sum((one.amount for one in self.receipts), Decimal("0.00"))

    @property
    def charged(self) -> Decimal:
        """What reminders asked for less what was waived."""
        return sum((one.amount for one in self.fees), Decimal("0.00"))


def of(connection: Connection, site: str, since: date, until: date) -> Book:
    """The period's book. Raises Invalid for a period that is none or too large."""
    require_period(since, until)
    found = invoices.listed(connection, site, since=since, until=until, most=MOST + 1)
    receipts = _receipts(connection, site, since, until)
    book = Book(site, since, until, tuple(reversed(found)), receipts, _fees(connection, site, since, until))
    if max(len(book.invoices), len(book.receipts), len(book.fees)) > MOST:
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
    """Payments on their day, and those that were taken back once more on the day of that."""
    named = select(PAYMENTS, INVOICES.c.number, INVOICES.c.patient)
    wanted = named.join(INVOICES, INVOICES.c.id == PAYMENTS.c.invoice).where(PAYMENTS.c.site == site)
    back = wanted.join(PAYMENT_REVERSALS, PAYMENT_REVERSALS.c.payment == PAYMENTS.c.id)
    found = []
    for rows, on, sign in (
        (wanted, PAYMENTS.c.received_on, 1), (back, PAYMENT_REVERSALS.c.reversed_on, -1),
    ):  # fmt: skip
        inside = rows.add_columns(on.label("on_date")).where(on >= since, on <= until)
        told = connection.execute(inside.order_by(on, PAYMENTS.c.seq).limit(MOST + 1)).mappings()
        found += [_receipt(row, sign) for row in told]
    return tuple(sorted(found, key=lambda one: one.received_on))


def _receipt(row: Any, sign: int) -> Receipt:
    return Receipt(
        UUID(row["invoice"]), row["number"], UUID(row["patient"]), row["on_date"],
        sign * euro(row["amount_ct"]), row["method"], sign < 0,
    )  # fmt: skip


def _fees(connection: Connection, site: str, since: date, until: date) -> tuple[Fee, ...]:
    rows = fees.charged(connection, [site], since, until)
    return tuple(
        Fee(row.number, UUID(row.patient), row.on_date, euro(row.amount_ct))
        for row in sorted(rows, key=lambda row: (row.on_date, row.invoice))
    )


def _require_revenue(connection: Connection, book: Book) -> None:
    """Whoever hands it on can rely on it: the same sums as the page shows. Raises Conflict."""
    told = revenue.table(connection, [book.site], book.since, book.until, "site")
    shown = tuple(Decimal(told[name] or 0) for name in ("invoiced", "received", "fees"))
    if shown != (book.invoiced, book.received, book.charged):
        raise said(
            Conflict,
            {
                "de": f"Die Buchungen ergeben {book.invoiced}, {book.received} und {book.charged} EUR, der "
                f"Umsatz {shown[0]}, {shown[1]} und {shown[2]} EUR: nichts ausgegeben.",
                "en": f"the entries come to {book.invoiced}, {book.received} and {book.charged} EUR, revenue "
                f"says {shown[0]}, {shown[1]} and {shown[2]} EUR: nothing was handed out",
            },
        )
