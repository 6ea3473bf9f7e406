"""Outlays (§ 10 GOÄ) of a cancelled invoice: like its charges they are open again, for the next draft.

No table says so. They wait on the draft that names their invoice; while none does, on none, and the case's
next draft takes them in. Whatever is issued in the case after the cancellation had them before its checker.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, select

from services.billing.charges import cases
from services.billing.charges.models import Case, Charge
from services.billing.invoices import drafts
from services.billing.invoices.models import Draft, Issued, Why
from services.billing.invoices.tables import INVOICES
from services.billing.models import Outlay, Paper

_CANCELLATION = INVOICES.alias("of_this")
Returned = dict[UUID, tuple[Outlay, ...]]  # of which invoice


def make(connection: Connection, case: Case, wanted: Sequence[Charge], why: Why, by: str, at_us: int,
         request: UUID | None = None) -> Draft:  # fmt: skip
    """A draft of these charges, and of the outlays that wait for one."""
    waiting = _waiting(connection, case.id)
    made = drafts.make(connection, case, wanted, why, by, at_us, request)
    return drafts.take_back_in(connection, made, waiting) if waiting else made


def put_back(connection: Connection, cancelled: Issued, by: str, at_us: int) -> None:
    """Onto a draft of its case that waits; of an invoice of outlays alone, onto a new one."""
    if not cancelled.paper.outlays:
        return
    held = drafts.of_case(connection, cancelled.case)
    if held:
        drafts.take_back_in(connection, held[0], {cancelled.id: cancelled.paper.outlays})
    elif not cancelled.paper.lines:
        make(connection, cases.one(connection, cancelled.case), (), "hand", by, at_us)


def hand_on(connection: Connection, dropped: Draft) -> None:
    """What came back onto a draft that is gone waits on another one of its case."""
    held = drafts.of_case(connection, dropped.case) if dropped.outlays_of else []
    if held and (waiting := _waiting(connection, dropped.case)):
        drafts.take_back_in(connection, held[0], waiting)


def _waiting(connection: Connection, case: UUID) -> Returned:
    """Outlays of this case's cancelled invoices after which nothing was issued, and that no draft names."""
    named = {invoice for draft in drafts.of_case(connection, case) for invoice in draft.outlays_of}
    mine = INVOICES.c.case == str(case)
    newest = select(func.max(INVOICES.c.seq)).where(mine, INVOICES.c.kind == "invoice").scalar_subquery()
    wanted = (
        select(INVOICES.c.id, INVOICES.c.paper)
        .join(_CANCELLATION, _CANCELLATION.c.cancels == INVOICES.c.id)
        .where(mine, _CANCELLATION.c.seq > newest)
        .order_by(INVOICES.c.seq)
    )
    rows: list[Any] = list(connection.execute(wanted))
    found = {UUID(row.id): Paper.model_validate(row.paper).outlays for row in rows}
    return {invoice: outlays for invoice, outlays in found.items() if outlays and invoice not in named}
