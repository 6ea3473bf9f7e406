"""Drafts that come by themselves: after a session, at a cure's end, at a month's end. A person checks them.

What is due is read from the charges each time: whatever was told late, twice or in another order, a charge
waits on one draft.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from services.billing.charges import cases, charging, following
from services.billing.charges import store as charges
from services.billing.charges.models import Case, Charge
from services.billing.charges.tables import BILLED, CASES, CHARGES, CURES, REVERSALS
from services.billing.invoices import drafts, returning
from services.billing.invoices.models import Draft, Why
from services.billing.invoices.tables import DRAFTED, DRAFTS
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.moments import Now, us_of, utc_now

BY: Final = "billing"
ACTOR: Final = Principal(BY, BY, ())  # who it was, for the trail
REASONS: Final[dict[Why, str]] = {
    "session": "session.completed", "cure": "cure.completed", "month": "month.ended",
}  # fmt: skip


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
                held = cases.one(connection, case, lock=True)
                drafted = draft_due(connection, held, self._now)
        except IntegrityError:
            return 0  # a hand put one of them on a draft just now
        if drafted is not None:
            self._office.seen(
                ACTOR, drafted.action, str(held.patient), held.site, draft=str(drafted.draft),
                lines=drafted.lines, reason=REASONS[held.mode],
            )  # fmt: skip
        return 0 if drafted is None else drafted.lines


@dataclass(frozen=True, slots=True)
class Drafted:
    """What a turn put on a draft."""

    action: str  # of the trail
    draft: UUID
    lines: int


def draft_due(connection: Connection, case: Case, now: Now) -> Drafted | None:
    """Put this case's due charges on its draft, or on a new one; None where nothing is due."""
    today = now().astimezone(charging.zone_of(connection, case.site)).date()
    found = charges.open_of(connection, case.site, case=case.id)
    on_draft = drafts.drafted(connection, [charge.id for charge in found])
    held = _own_draft(connection, case.id)
    settled = on_draft | set(held.left_out if held else ())
    due = [charge for charge in _due(connection, case, found, today) if charge.id not in settled]
    if not due:
        return None
    if held is None:
        made = returning.make(connection, case, due, case.mode, BY, us_of(now()))
        following.follow(connection, "session drafted", [charge.id for charge in due], draft=made.id)
        return Drafted("draft.made", made.id, len(due))
    drafts.grow(connection, held, due)
    following.follow(connection, "session drafted", [charge.id for charge in due], draft=held.id)
    return Drafted("draft.changed", held.id, len(due))


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
