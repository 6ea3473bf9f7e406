"""Alarms of a session that somebody acknowledged at the console: who, when, which."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Engine, select

from services.console.sessions.models import Session
from services.console.tables import ACKNOWLEDGEMENTS as TABLE
from services.kit.database import reading

MOST: Final = 200


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One occurrence."""

    condition: str
    name: str
    at: datetime


def during(engine: Engine, session: Session) -> list[Acknowledged]:
    """Those of the session's bed between its start and its end, oldest first."""
    began_us = round(session.started_at.timestamp() * 1e6)
    ended = session.ended_at or datetime.now(UTC)
    query = (
        select(TABLE.c.condition, TABLE.c.name, TABLE.c.at_us)
        .where(TABLE.c.site == session.site, TABLE.c.device == session.device)
        .where(TABLE.c.at_us.between(began_us, round(ended.timestamp() * 1e6)))
        .order_by(TABLE.c.at_us)
        .limit(MOST)
    )
    with reading(engine) as connection:
        return [
            Acknowledged(condition, name, datetime.fromtimestamp(at_us / 1e6, UTC))
            for condition, name, at_us in connection.execute(query)
        ]
