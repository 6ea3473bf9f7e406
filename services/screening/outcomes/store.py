"""All the SQL of outcomes and adverse events."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, RowMapping, Select, insert, select

from services.kit.auth.principal import Principal, Sites
from services.kit.moments import instant_of
from services.screening.clearance import store as clearances
from services.screening.clearance.models import Held, us_of
from services.screening.clearance.tables import SESSION
from services.screening.outcomes.models import Adverse, Outcome
from services.screening.outcomes.tables import ADVERSE, OUTCOME

_CORRECTION: Final = OUTCOME.alias("correction")
_OUTCOMES: Final = select(OUTCOME, _CORRECTION.c.outcome.label("corrected_by")).outerjoin(
    _CORRECTION, _CORRECTION.c.corrects == OUTCOME.c.outcome
)
TENTHS: Final = 10  # a score is kept in tenths of a per cent


def outcomes(connection: Connection, patients: Sequence[UUID]) -> list[Outcome]:
    """Everything of these, corrected rows too, oldest first."""
    return _read(connection, _OUTCOMES.where(OUTCOME.c.patient.in_(clearances.texts(patients))))


def outcome_of(connection: Connection, outcome: UUID) -> Outcome | None:
    """One row."""
    found = _read(connection, _OUTCOMES.where(OUTCOME.c.outcome == str(outcome)))
    return found[0] if found else None


def outcomes_between(connection: Connection, sites: Sites, since: datetime, until: datetime) -> list[Outcome]:
    """What stands (no corrected rows), of these sites and this time, oldest first."""
    query = _OUTCOMES.where(
        OUTCOME.c.measured_at_us >= us_of(since), OUTCOME.c.measured_at_us < us_of(until),
        _CORRECTION.c.outcome.is_(None),
    )  # fmt: skip
    return _read(connection, query if sites is None else query.where(OUTCOME.c.site.in_(sorted(sites))))


def add_outcome(connection: Connection, made: Outcome, by: Principal) -> None:
    """Keep one."""
    row = {
        "outcome": str(made.id), "site": made.site, "patient": str(made.patient), "region": made.region,
        "kind": made.kind, "session": made.session and str(made.session),
        "cure": made.cure and str(made.cure), "value": json.dumps(made.value, ensure_ascii=False),
        "score": None if made.score is None else round(made.score * TENTHS),
        "corrects": made.corrects and str(made.corrects), "why": made.why,
        "measured_at_us": us_of(made.measured_at), "account": by.account, "name": made.by,
        "at_us": us_of(made.at),
    }  # fmt: skip
    connection.execute(insert(OUTCOME), row)


def adverse(connection: Connection, patients: Sequence[UUID]) -> list[Adverse]:
    """Every adverse event of these, newest first."""
    query = select(ADVERSE).where(ADVERSE.c.patient.in_(clearances.texts(patients)))
    query = query.order_by(ADVERSE.c.happened_at_us.desc(), ADVERSE.c.event)
    return [_adverse(row) for row in connection.execute(query).mappings()]


def adverse_of(connection: Connection, event: UUID) -> Adverse | None:
    """One report."""
    row = connection.execute(select(ADVERSE).where(ADVERSE.c.event == str(event))).mappings().first()
    return _adverse(row) if row else None


def adverse_between(connection: Connection, sites: Sites, since: datetime, until: datetime) -> list[Adverse]:
    """Of these sites and this time."""
    query = select(ADVERSE).where(
        ADVERSE.c.happened_at_us >= us_of(since), ADVERSE.c.happened_at_us < us_of(until)
    )
    if sites is not None:
        query = query.where(ADVERSE.c.site.in_(sorted(sites)))
    return [_adverse(row) for row in connection.execute(query).mappings()]


def add_adverse(connection: Connection, made: Adverse, by: Principal) -> None:
    """Keep one."""
    row = {
        "event": str(made.id), "site": made.site, "patient": str(made.patient), "region": made.region,
        "kind": made.kind, "grade": made.grade, "session": made.session and str(made.session),
        "cure": made.cure and str(made.cure), "suspended": made.suspended, "detail": made.detail,
        "happened_at_us": us_of(made.happened_at), "account": by.account, "name": made.by,
        "at_us": us_of(made.at),
    }  # fmt: skip
    connection.execute(insert(ADVERSE), row)


def sessions_between(
    connection: Connection, sites: Sites, since: datetime, until: datetime
) -> list[tuple[UUID, Held]]:
    """Whose sessions ended at these sites in this time, oldest first."""
    query = select(SESSION).where(SESSION.c.ended_at_us >= us_of(since), SESSION.c.ended_at_us < us_of(until))
    if sites is not None:
        query = query.where(SESSION.c.site.in_(sorted(sites)))
    rows = connection.execute(query.order_by(SESSION.c.ended_at_us, SESSION.c.session)).mappings()
    return [(UUID(row["patient"]), clearances.held(row)) for row in rows]


def _read(connection: Connection, query: Select[Any]) -> list[Outcome]:
    ordered = query.order_by(OUTCOME.c.measured_at_us, OUTCOME.c.at_us, OUTCOME.c.outcome)
    return [_outcome(row) for row in connection.execute(ordered).mappings()]


def _outcome(row: RowMapping) -> Outcome:
    return Outcome(
        UUID(row["outcome"]), row["site"], UUID(row["patient"]), row["region"], row["kind"],
        row["session"] and UUID(row["session"]), row["cure"] and UUID(row["cure"]),
        json.loads(row["value"]), None if row["score"] is None else row["score"] / TENTHS,
        row["corrects"] and UUID(row["corrects"]), row["why"], instant_of(row["measured_at_us"]),
        row["name"], instant_of(row["at_us"]), row["corrected_by"] and UUID(row["corrected_by"]),
    )  # fmt: skip


def _adverse(row: RowMapping) -> Adverse:
    return Adverse(
        UUID(row["event"]), row["site"], UUID(row["patient"]), row["region"], row["kind"], row["grade"],
        row["session"] and UUID(row["session"]), row["cure"] and UUID(row["cure"]), bool(row["suspended"]),
        row["detail"], instant_of(row["happened_at_us"]), row["name"], instant_of(row["at_us"]),
    )  # fmt: skip
