"""What a telephone is told: a fortnight of its programme, and all that its page needs without a network.

Nobody's name is in it; the site's is its code.
"""

import hashlib
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection

from services.homecare.diary import signs, store
from services.homecare.diary.links import Opened
from services.homecare.exercises.library import library
from services.homecare.models import Programme, Reason
from services.homecare.programmes import course
from services.homecare.progression.today import last_day, plan
from services.homecare.tables import ZONES
from services.kit.moments import instant_of

Row = dict[str, Any]
DAYS: Final = 14  # told ahead
PAST_DAYS: Final = 14  # what was done in them stands there, whichever telephone it was
OURS: Final = {"not_for", "source", "dose_source", "supervised_first_sessions"}  # not the patient's to read


def body(connection: Connection, opened: Opened, at: datetime) -> Row:
    """All of it."""
    programme = opened.programme
    today = ZONES.day(connection, programme.site, at)
    asked = programme.region
    return {
        "link": opened.link, "programme": str(programme.id), "version": programme.version,
        "language": programme.language, "region": programme.region, "note": programme.wanted.note,
        "state": programme.state, "suspended": _told(programme.suspended),
        "starts_on": programme.wanted.starts_on, "last_day": last_day(programme.wanted),
        "days": _days(connection, programme, today),
        "caps": programme.decision.caps.model_dump(mode="json"),
        "pain_limit": programme.wanted.pain_limit_nrs,
        "locks": _locks(connection, programme), "done": _done(connection, programme, today),
        **_library(programme),
        "signs": [{"id": one.id, "urgent": one.urgent, "words": one.words} for one in signs.signs(asked)],
        "places": [{"id": one.id, "words": one.words} for one in signs.places(asked)],
        "clinic": {"site": programme.site}, "server_time": at,
    }  # fmt: skip


@cache
def library_version() -> str:
    """Changes with every word and drawing of the library."""
    found = library()
    told = hashlib.sha256()
    for exercise in found.exercises.values():
        told.update(f"{exercise.model_dump_json()}{found.drawing(exercise.id)}".encode())
    for rule in found.everyday.values():
        told.update(f"{rule.model_dump_json()}{found.drawing(rule.id) if rule.drawing else ''}".encode())
    return told.hexdigest()[:16]


def _days(connection: Connection, programme: Programme, today: date) -> list[Row]:
    now = course.of(connection, programme, today)
    days = (today + timedelta(days=ahead) for ahead in range(DAYS))
    return [plan(programme.wanted, programme.decision, now, day).model_dump(mode="json") for day in days]


def _library(programme: Programme) -> Row:
    """The rows of its exercises and of the things that they need, and the rules for every day."""
    found = library()
    rows = [found.of(one.exercise) for one in programme.decision.exercises]
    things = {code for row in rows for code in row.equipment}
    return {
        "library_version": library_version(),
        "library": {row.id: row.model_dump(mode="json", exclude=OURS) for row in rows},
        "equipment": {code: found.equipment[code].model_dump(mode="json") for code in sorted(things)},
        "everyday": [row.model_dump(mode="json", exclude={"source"}) for row in found.everyday.values()],
    }


def _locks(connection: Connection, programme: Programme) -> list[Row]:
    """Every report with its answer, the newest first; without one it is closed."""
    return [
        {"report": row["entry"], "exercise": row["exercise"], "at": instant_of(row["at_us"]),
         "pain_nrs": row["pain_nrs"], "where": row["where"], "signs": row["signs"],
         "answer": row["answer"] and {"decision": row["answer"]["decision"], "words": row["answer"]["words"],
                                      "at": instant_of(row["answer"]["at_us"])}}
        for row in store.pains(connection, [programme.id])
    ]  # fmt: skip


def _done(connection: Connection, programme: Programme, today: date) -> list[Row]:
    rows = store.entries(connection, programme.id, today - timedelta(days=PAST_DAYS))
    return [
        {"id": row["id"], "day": row["day"], "exercise": row["exercise"], **row["data"]}
        for row in rows if row["kind"] == "exercise"
    ]  # fmt: skip


def _told(reason: Reason | None) -> Row | None:
    return None if reason is None else {"words": reason.words, "instead": reason.instead}
