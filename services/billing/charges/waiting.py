"""Sessions of patients that no event told us of: kept until screening says whether they have a file.

Simulated beds invent patients; a billing service that was set up later has not heard of the older ones.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select

from broker.messages import SessionSummary
from services.billing.charges.tables import WAITING
from services.kit import correlation


def keep(connection: Connection, site: str, summary: SessionSummary, at_us: int, *, completed: bool) -> None:
    """Keep a session; told again, nothing changes."""
    session = str(summary.session)
    if connection.execute(select(WAITING.c.session).where(WAITING.c.session == session)).first() is None:
        row = {
            "session": session, "patient": str(summary.patient), "site": site, "completed": completed,
            "summary": summary.model_dump(mode="json"), "heard_us": at_us,
            "correlation": correlation.current(),
        }  # fmt: skip
        connection.execute(insert(WAITING).values(row))


def patients(connection: Connection, most: int = 10_000) -> list[UUID]:
    """Whose sessions wait."""
    found = connection.execute(select(WAITING.c.patient).distinct().order_by(WAITING.c.patient).limit(most))
    return [UUID(patient) for patient in found.scalars()]


def taken(connection: Connection, patient: UUID) -> list[dict[str, Any]]:
    """This one's sessions, which wait no more."""
    mine = WAITING.c.patient == str(patient)
    wanted = select(WAITING).where(mine).order_by(WAITING.c.heard_us)
    rows = [dict(row) for row in connection.execute(wanted).mappings()]
    connection.execute(delete(WAITING).where(mine))
    return rows


def give_up(connection: Connection, patient: UUID, before_us: int) -> None:
    """Forget what is older, of somebody without a file."""
    old = (WAITING.c.patient == str(patient)) & (WAITING.c.heard_us < before_us)
    connection.execute(delete(WAITING).where(old))
