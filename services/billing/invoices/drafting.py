"""Drafts that come by themselves: after a session, at a cure's end, at a month's end. A person checks them.

What is due is read from the charges each time: whatever was told late, twice or in another order, a charge
waits on one draft.
"""

from collections.abc import Callable
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from services.billing.charges import cases, charging
from services.billing.charges import store as charges
from services.billing.charges.models import Case, Charge
from services.billing.charges.tables import BILLED, CASES, CHARGES, CURES, REVERSALS
from services.billing.invoices import drafts
from services.billing.invoices.models import Draft, Why
from services.billing.invoices.tables import DRAFTED, DRAFTS
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.moments import Now, us_of, utc_now

BY: Final = "billing"


class Drafting:
    """Puts on drafts what is due; ``turn`` is called again and again."""

    def __init__(self, office: Office, now: Now = utc_now) -> None:
        self._office, self._now = office, now

    def turn(self) -> int:
        """Put what is due on drafts; how many charges were."""
        with reading(self._office.engine) as connection:
            waiting = _cases_with_open_charges(connection)
        return sum(self._draft(case) for case in waiting)

    def _draft(self, case: UUID) -> int:
        try:
            with writing(self._office.engine) as connection:
                return draft_due(connection, cases.one(connection, case, lock=True), self._now)
        except IntegrityError:
            return 0  # a hand put one of them on a draft just now


def draft_due(connection: Connection, case: Case, now: Now) -> int:
    """Put this case's due charges on its draft, or on a new one; how many."""
    today = now().astimezone(charging.zone_of(connection, case.site)).date()
    found = charges.open_of(connection, case.site, case=case.id)
    on_draft = drafts.drafted(connection, [charge.id for charge in found])
    held = _own_draft(connection, case.id)
    settled = on_draft | set(held.left_out if held else ())
    due = [charge for charge in _due(connection, case, found, today) if charge.id not in settled]
    if due and held is None:
        drafts.make(connection, case, due, case.mode, BY, us_of(now()))
    elif due and held is not None:
        drafts.grow(connection, held, due)
    return len(due)


def _due(connection: Connection, case: Case, found: list[Charge], today: date) -> list[Charge]:
    """Which of them are to be invoiced by now: a row a mode."""
    ended = _ended_cures(connection, found)
    first_of_month = today.replace(day=1)
    every_cure = {charge.cure for charge in found if charge.cure is not None}
    is_over = bool(every_cure) and every_cure <= ended
    rules: dict[Why, Callable[[Charge], bool]] = {
        "session": lambda _charge: True,
        "cure": lambda charge: charge.cure in ended or (charge.cure is None and is_over),
        "month": lambda charge: charge.line.date < first_of_month,
    }
    return [charge for charge in found if rules[case.mode](charge)]


def _ended_cures(connection: Connection, found: list[Charge]) -> set[UUID]:
    wanted = {str(charge.cure) for charge in found if charge.cure is not None}
    rows = connection.execute(
        select(CURES.c.cure).where(CURES.c.cure.in_(wanted), CURES.c.ended_us.is_not(None))
    )
    return {UUID(cure) for cure in rows.scalars()}


def _own_draft(connection: Connection, case: UUID) -> Draft | None:
    """The case's draft that came by itself, if it waits still."""
    wanted = select(DRAFTS.c.id).where(DRAFTS.c.case == str(case), DRAFTS.c.why != "hand").limit(1)
    found = connection.execute(wanted).scalar()
    return None if found is None else drafts.one(connection, UUID(found), lock=True)


def _cases_with_open_charges(connection: Connection) -> list[UUID]:
    wanted = (
        select(CHARGES.c.case)
        .distinct()
        .join(CASES, CASES.c.id == CHARGES.c.case)
        .join(BILLED, BILLED.c.charge == CHARGES.c.id, isouter=True)
        .join(REVERSALS, REVERSALS.c.charge == CHARGES.c.id, isouter=True)
        .join(DRAFTED, DRAFTED.c.charge == CHARGES.c.id, isouter=True)
        .where(BILLED.c.invoice.is_(None), REVERSALS.c.charge.is_(None), DRAFTED.c.draft.is_(None))
    )
    return [UUID(case) for case in connection.execute(wanted).scalars()]
