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
from services.kit import formats
from services.kit.database import reading
from services.kit.language import Language
from services.kit.moments import instant_of
from services.kit.trail import Entry, Trail

MOST: Final = 200  # of either kind
# A command's row follows its answer, which may follow the session's end; clocks may differ a little.
LATE: Final = timedelta(seconds=ANSWER_S + 5)
HUNG: Final = timedelta(hours=1)  # so much later an answer may come that was asked for in time
COMMANDS: Final = {"bed.stop": "past_remote_stop", "bed.pause": "past_remote_pause"}
WORDS: Final = {  # was it done, and was the answer late
    (True, False): "past_remote_by",
    (True, True): "past_remote_late",
    (False, False): "past_remote_unconfirmed",
    (False, True): "past_remote_late_refused",
}


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
    rows = trail.rows(_within(query, TRAIL, session, LATE + HUNG))
    latest_us = _us((session.ended_at or datetime.now(UTC)) + LATE)
    return [_command(row, language) for row in rows if row.at_us - _late_s(row) * 1e6 <= latest_us]


def _command(row: Entry, language: Language) -> Done:
    done, late_s = row.detail.get("done") is True, _late_s(row)
    words = WORDS[done, late_s > 0]
    late = formats.duration(late_s, language)
    return Done(
        instant_of(row.at_us),
        TEXTS[COMMANDS[row.action]][language],
        TEXTS[words][language].format(name=row.name, late=late),
    )


def _late_s(row: Entry) -> float:
    """How long after its time the answer of this row came; 0 of one that came in time, or never."""
    late_s = row.detail.get("late_s")
    return max(float(late_s), 0.05) if isinstance(late_s, int | float) else 0.0


def _within(query: Select[Any], table: Table, session: Session, late: timedelta = timedelta()) -> Select[Any]:
    """Of the session's site and between its start and its end, the oldest first."""
    ended = (session.ended_at or datetime.now(UTC)) + late
    lasted = table.c.at_us.between(_us(session.started_at), _us(ended))
    return query.where(table.c.site == session.site, lasted).order_by(table.c.at_us).limit(MOST)


def _us(at: datetime) -> int:
    return round(at.timestamp() * 1e6)
