"""Payments in the database, and what they leave open."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, func, insert, select

from services.billing.errors import Conflict, NotFound, said
from services.billing.invoices import store as invoices
from services.billing.invoices.models import Issued
from services.billing.invoices.tables import INVOICES
from services.billing.models import cents, euro
from services.billing.payments.models import Item, NewPayment, Payment
from services.billing.payments.tables import LETTERS, PAYMENT_REVERSALS, PAYMENTS

OWED: Final = invoices.LIVING & (
    INVOICES.c.total_ct
    > select(func.coalesce(func.sum(PAYMENTS.c.amount_ct), 0))
    .join(PAYMENT_REVERSALS, PAYMENT_REVERSALS.c.payment == PAYMENTS.c.id, isouter=True)
    .where(PAYMENTS.c.invoice == INVOICES.c.id, PAYMENT_REVERSALS.c.payment.is_(None))
    .correlate(INVOICES)
    .scalar_subquery()
)  # invoices that are not cancelled, and of which something is still to come


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
    connection: Connection, invoice: Issued, body: NewPayment, by: str, at_us: int, entry: UUID | None = None
) -> Payment:
    """Book a payment."""
    made = uuid4()
    connection.execute(
        insert(PAYMENTS).values(
            id=str(made), request=str(body.request), site=invoice.site, invoice=str(invoice.id),
            amount_ct=cents(body.amount), received_on=body.received_on, method=body.method,
            entry=entry and str(entry), note=body.note, by=by[:80], at_us=at_us,
        )
    )  # fmt: skip
    return one(connection, made)[1]


def reverse(connection: Connection, payment: Payment, reason: str, by: str, at_us: int) -> None:
    """Take a payment back. Raises Conflict for one that was."""
    if payment.reversed is not None:
        raise said(
            Conflict,
            {
                "de": f"Die Zahlung ist schon zurückgenommen: {payment.reversed}",
                "en": f"the payment was reversed already: {payment.reversed}",
            },
        )
    connection.execute(
        insert(PAYMENT_REVERSALS).values(payment=str(payment.id), reason=reason, by=by[:80], at_us=at_us)
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


def _item(invoice: Issued, paid_ct: int, letters: list[Any]) -> Item:
    last = max(letters, key=lambda row: row["step"], default=None)
    return Item(
        invoice=invoice,
        paid=euro(paid_ct),
        reminded=last["step"] if last else 0,
        reminded_on=last["sent_on"] if last else None,
        due_on=last["due_on"] if last else invoice.due_on,
        fees=euro(sum(row["fee_ct"] for row in letters)),
    )


def _paid(connection: Connection, keys: list[str]) -> defaultdict[str, int]:
    found: defaultdict[str, int] = defaultdict(int)
    wanted = select(PAYMENTS.c.invoice, PAYMENTS.c.amount_ct).join(
        PAYMENT_REVERSALS, PAYMENT_REVERSALS.c.payment == PAYMENTS.c.id, isouter=True
    )
    living = wanted.where(PAYMENTS.c.invoice.in_(keys), PAYMENT_REVERSALS.c.payment.is_(None))
    for row in connection.execute(living):
        found[row.invoice] += row.amount_ct
    return found


def _letters(connection: Connection, keys: list[str]) -> defaultdict[str, list[Any]]:
    found: defaultdict[str, list[Any]] = defaultdict(list)
    columns = (LETTERS.c.invoice, LETTERS.c.step, LETTERS.c.sent_on, LETTERS.c.due_on, LETTERS.c.fee_ct)
    for row in connection.execute(select(*columns).where(LETTERS.c.invoice.in_(keys))).mappings():
        found[row["invoice"]].append(row)
    return found


def _all() -> Any:
    return (
        select(PAYMENTS, PAYMENT_REVERSALS.c.reason)
        .join(PAYMENT_REVERSALS, PAYMENT_REVERSALS.c.payment == PAYMENTS.c.id, isouter=True)
        .order_by(PAYMENTS.c.seq)
    )


def _payment(row: Any) -> Payment:
    entry = row["entry"]
    return Payment(
        UUID(row["id"]), UUID(row["invoice"]), euro(row["amount_ct"]), row["received_on"], row["method"],
        entry and UUID(entry), row["note"], row["by"], row["reason"], UUID(row["request"]),
    )  # fmt: skip
