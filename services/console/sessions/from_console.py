"""What was done to a session from the console: alarms acknowledged, stop and pause; who, when, which."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine, Select, Table, select

from services.console.remote import ANSWER_S
from services.console.sessions.models import Session
from services.console.tables import ACKNOWLEDGEMENTS, TRAIL
from services.console.texts import TEXTS
from services.console.trail import COLUMNS
from services.kit.database import reading
from services.kit.language import Language
from services.kit.moments import instant_of
from services.kit.trail import Entry, Trail

MOST: Final = 200  # of either kind
# A command's row follows its answer, which may follow the session's end; clocks may differ a little.
LATE: Final = timedelta(seconds=ANSWER_S + 5)
COMMANDS: Final = {"bed.stop": "past_remote_stop", "bed.pause": "past_remote_pause"}


@dataclass(frozen=True, slots=True)
class Done:
    """A line: what it was about, when, and who did what."""

    at: datetime
    what: str
    by: str


def during(engine: Engine, trail: Trail, session: Session, language: Language) -> list[Done]:
    """Acknowledgements and commands for the session's bed while it lasted, oldest first."""
    found = [*_acknowledged(engine, session, language), *_commanded(trail, session, language)]
    return sorted(found, key=lambda line: line.at)


def _acknowledged(engine: Engine, session: Session, language: Language) -> list[Done]:
    table = ACKNOWLEDGEMENTS
    query = select(table.c.condition, table.c.name, table.c.at_us).where(table.c.device == session.device)
    words = TEXTS["past_acknowledged_by"][language]
    with reading(engine) as connection:
        return [
            Done(instant_of(row.at_us), row.condition.replace("_", " "), words.format(name=row.name))
            for row in connection.execute(_within(query, table, session))
        ]


def _commanded(trail: Trail, session: Session, language: Language) -> list[Done]:
    """The trail alone knows who it was: the gateway's own record says that it was from remote."""
    bed = f"{session.site}/{session.device}"
    query = select(*COLUMNS).where(TRAIL.c.record == bed, TRAIL.c.action.in_(COMMANDS))
    return [_command(row, language) for row in trail.rows(_within(query, TRAIL, session, LATE))]


def _command(row: Entry, language: Language) -> Done:
    words = "past_remote_by" if row.detail.get("done") is True else "past_remote_unconfirmed"
    return Done(
        instant_of(row.at_us),
        TEXTS[COMMANDS[row.action]][language],
        TEXTS[words][language].format(name=row.name),
    )


def _within(query: Select[Any], table: Table, session: Session, late: timedelta = timedelta()) -> Select[Any]:
    """Of the session's site and between its start and its end, the oldest first."""
    ended = (session.ended_at or datetime.now(UTC)) + late
    lasted = table.c.at_us.between(_us(session.started_at), _us(ended))
    return query.where(table.c.site == session.site, lasted).order_by(table.c.at_us).limit(MOST)


def _us(at: datetime) -> int:
    return round(at.timestamp() * 1e6)
