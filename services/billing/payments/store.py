"""Payments in the database, and what they leave open."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, and_, case, func, insert, select

from services.billing.errors import Conflict, NotFound, said
from services.billing.invoices import store as invoices
from services.billing.invoices.models import Issued
from services.billing.invoices.tables import INVOICES
from services.billing.models import cents, euro
from services.billing.payments.models import Item, NewPayment, Payment, Reversal, State
from services.billing.payments.tables import (
    LETTERS,
    PAYMENT_REVERSALS,
    PAYMENTS,
    REPORTED,
    WAIVERS,
)


def _sum_of(column: Any) -> Any:
    """Of an invoice's payments that count."""
    return (
        select(func.coalesce(func.sum(column), 0))
        .join(PAYMENT_REVERSALS, PAYMENT_REVERSALS.c.payment == PAYMENTS.c.id, isouter=True)
        .where(PAYMENTS.c.invoice == INVOICES.c.id, PAYMENT_REVERSALS.c.payment.is_(None))
        .correlate(INVOICES)
        .scalar_subquery()
    )


_FEES: Final = (
    select(func.coalesce(func.sum(LETTERS.c.fee_ct), 0))
    .join(WAIVERS, WAIVERS.c.letter == LETTERS.c.id, isouter=True)
    .where(LETTERS.c.invoice == INVOICES.c.id, WAIVERS.c.letter.is_(None))
    .correlate(INVOICES)
    .scalar_subquery()
)
_IS_CANCELLED: Final = invoices.CANCELLATION.c.id.is_not(None)
_PAID, _PAID_FEES = _sum_of(PAYMENTS.c.amount_ct), _sum_of(PAYMENTS.c.fees_ct)
_OWED: Final = case((_IS_CANCELLED, 0), else_=INVOICES.c.total_ct)
_OPEN: Final = _OWED + _FEES - _PAID
_OWN: Final = _OWED - _PAID + _PAID_FEES
_OPEN_INVOICE: Final = case(  # as Item has it
    (_FEES < _PAID_FEES, _OPEN), (and_(_OWN < 0, _OPEN < 0), _OPEN), (_OWN < 0, 0), else_=_OWN
)
_DUE_ON: Final = func.coalesce(
    select(LETTERS.c.due_on)
    .where(LETTERS.c.invoice == INVOICES.c.id)
    .order_by(LETTERS.c.step.desc())
    .limit(1)
    .correlate(INVOICES)
    .scalar_subquery(),
    INVOICES.c.due_on,
)
OWED: Final = invoices.LIVING & (_OPEN > 0)  # of which, or of whose fees, something is still to come


def in_state(state: State, on: date) -> ColumnElement[bool]:
    """Invoices that are in a state on a day, as ``Item.state`` says it."""
    owing = invoices.LIVING & (_OPEN_INVOICE > 0)
    states: dict[State, ColumnElement[bool]] = {
        "overpaid": (INVOICES.c.kind == "invoice") & (_OPEN_INVOICE < 0),
        "cancelled": (INVOICES.c.kind == "invoice") & _IS_CANCELLED & (_OPEN_INVOICE >= 0),
        "paid": invoices.LIVING & (_OPEN_INVOICE == 0),
        "overdue": owing & (on > _DUE_ON),
        "part-paid": owing & (on <= _DUE_ON) & (_PAID > 0),
        "open": owing & (on <= _DUE_ON) & (_PAID <= 0),
    }
    return states[state]


def by_request(connection: Connection, request: UUID) -> Payment | None:
    """What this request booked already."""
    row = connection.execute(_all().where(PAYMENTS.c.request == str(request))).mappings().first()
    return None if row is None else _payment(row)


def one(connection: Connection, payment: UUID) -> tuple[str, Payment]:
    """Its site and the payment. Raises NotFound."""
    row = connection.execute(_all().where(PAYMENTS.c.id == str(payment))).mappings().first()
    if row is None:
        raise said(
            NotFound, {"de": f"Zahlung {payment} gibt es nicht.", "en": f"there is no payment {payment}"}
        )
    return row["site"], _payment(row)


def of_invoice(connection: Connection, invoice: UUID) -> list[Payment]:
    """Every payment of an invoice, reversed ones too."""
    rows = connection.execute(_all().where(PAYMENTS.c.invoice == str(invoice))).mappings()
    return [_payment(row) for row in rows]


def of_entries(connection: Connection, entries: Iterable[str]) -> dict[str, list[Payment]]:
    """The payments that came of these entries of a bank's files, reversed ones too."""
    found: dict[str, list[Payment]] = {entry: [] for entry in entries}
    for row in connection.execute(_all().where(PAYMENTS.c.entry.in_(list(found)))).mappings():
        found[row["entry"]].append(_payment(row))
    return found


def add(
    connection: Connection,
    invoice: Issued,
    body: NewPayment,
    fees: Decimal,
    by: str,
    at_us: int,
    entry: UUID | None = None,
) -> Payment:
    """Book a payment, and how much of it is for fees of reminders."""
    made = uuid4()
    connection.execute(
        insert(PAYMENTS).values(
            id=str(made), request=str(body.request), site=invoice.site, invoice=str(invoice.id),
            amount_ct=cents(body.amount), fees_ct=cents(fees),
            received_on=body.received_on, method=body.method,
            entry=entry and str(entry), note=body.note, by=by[:80], at_us=at_us,
        )
    )  # fmt: skip
    return one(connection, made)[1]


def reverse(connection: Connection, payment: Payment, made: Reversal) -> None:
    """Take a payment back. Raises Conflict for one that was."""
    if payment.reversal is not None:
        raise said(
            Conflict,
            {
                "de": f"Die Zahlung ist schon zurückgenommen: {payment.reversal.reason}",
                "en": f"the payment was reversed already: {payment.reversal.reason}",
            },
        )
    connection.execute(
        insert(PAYMENT_REVERSALS).values(
            payment=str(payment.id), reason=made.reason, by=made.by[:80], at_us=made.at_us,
            reversed_on=made.on,
        )
    )  # fmt: skip


def reported_until(connection: Connection, site: str) -> date | None:
    """The last day of a site's that was handed to the tax adviser."""
    found: date | None = connection.execute(
        select(func.max(REPORTED.c.until)).where(REPORTED.c.site == site)
    ).scalar()
    return found


def report(connection: Connection, site: str, since: date, until: date, by: str, at_us: int) -> None:
    """That a period was handed to the tax adviser, up to a day that is over."""
    if since <= until:
        connection.execute(
            insert(REPORTED).values(site=site, since=since, until=until, by=by[:80], at_us=at_us)
        )


def items(connection: Connection, wanted: Iterable[Issued]) -> list[Item]:
    """These invoices with what was paid and how often they were reminded of; two statements for all."""
    mine = list(wanted)
    keys = [str(invoice.id) for invoice in mine]
    paid = _paid(connection, keys)
    letters = _letters(connection, keys)
    return [_item(invoice, paid[str(invoice.id)], letters[str(invoice.id)]) for invoice in mine]


def item(connection: Connection, invoice: Issued) -> Item:
    """One of them."""
    return items(connection, [invoice])[0]


def _item(invoice: Issued, paid_ct: tuple[int, int], letters: list[Any]) -> Item:
    last = max(letters, key=lambda row: row["step"], default=None)
    return Item(
        invoice=invoice,
        paid=euro(paid_ct[0]),
        paid_fees=euro(paid_ct[1]),
        reminded=last["step"] if last else 0,
        reminded_on=last["sent_on"] if last else None,
        due_on=last["due_on"] if last else invoice.due_on,
        fees=euro(sum(row["fee_ct"] for row in letters if row["waived"] is None)),
    )


def _paid(connection: Connection, keys: list[str]) -> defaultdict[str, tuple[int, int]]:
    """Of each what was paid, and how much of that for fees."""
    found: defaultdict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    wanted = select(PAYMENTS.c.invoice, PAYMENTS.c.amount_ct, PAYMENTS.c.fees_ct).join(
        PAYMENT_REVERSALS, PAYMENT_REVERSALS.c.payment == PAYMENTS.c.id, isouter=True
    )
    living = wanted.where(PAYMENTS.c.invoice.in_(keys), PAYMENT_REVERSALS.c.payment.is_(None))
    for row in connection.execute(living):
        paid, fees = found[row.invoice]
        found[row.invoice] = (paid + row.amount_ct, fees + row.fees_ct)
    return found


def _letters(connection: Connection, keys: list[str]) -> defaultdict[str, list[Any]]:
    found: defaultdict[str, list[Any]] = defaultdict(list)
    columns = (LETTERS.c.invoice, LETTERS.c.step, LETTERS.c.sent_on, LETTERS.c.due_on, LETTERS.c.fee_ct)
    wanted = select(*columns, WAIVERS.c.letter.label("waived")).join(
        WAIVERS, WAIVERS.c.letter == LETTERS.c.id, isouter=True
    )
    for row in connection.execute(wanted.where(LETTERS.c.invoice.in_(keys))).mappings():
        found[row["invoice"]].append(row)
    return found


def _all() -> Any:
    return (
        select(
            PAYMENTS, PAYMENT_REVERSALS.c.reason, PAYMENT_REVERSALS.c.reversed_on,
            PAYMENT_REVERSALS.c.by.label("reversed_by"), PAYMENT_REVERSALS.c.at_us.label("reversed_at_us"),
        )
        .join(PAYMENT_REVERSALS, PAYMENT_REVERSALS.c.payment == PAYMENTS.c.id, isouter=True)
        .order_by(PAYMENTS.c.seq)
    )  # fmt: skip


def _payment(row: Any) -> Payment:
    entry, reason = row["entry"], row["reason"]
    reversal = reason and Reversal(reason, row["reversed_by"], row["reversed_on"], row["reversed_at_us"])
    return Payment(
        UUID(row["id"]), UUID(row["invoice"]), euro(row["amount_ct"]), row["received_on"], row["method"],
        entry and UUID(entry), row["note"], row["by"], reversal or None, UUID(row["request"]),
        euro(row["fees_ct"]),
    )  # fmt: skip
