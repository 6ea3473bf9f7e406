"""All SQL of reminders: at most one of a programme and a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, RowMapping, and_, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from services.homecare.diary.tables import ENTRIES, REMINDERS
from services.homecare.programmes.tables import PROGRAMMES, VERSIONS

MOST: Final = 50  # of one turn
WHY: Final = 500


@dataclass(frozen=True, slots=True)
class Due:
    """A programme's reminder of a day."""

    programme: UUID
    day: date


def wishing(connection: Connection) -> list[tuple[UUID, str]]:
    """Programmes that run at home and for which reminders are switched on, with their sites."""
    query = (
        select(PROGRAMMES.c.id, PROGRAMMES.c.site)
        .join(
            VERSIONS,
            (VERSIONS.c.programme == PROGRAMMES.c.id) & (VERSIONS.c.version == PROGRAMMES.c.version),
        )
        .where(PROGRAMMES.c.state == "running", VERSIONS.c.wanted["reminders"].as_boolean())
        .order_by(PROGRAMMES.c.id)
    )
    return [(UUID(row.id), row.site) for row in connection.execute(query)]


def undecided(connection: Connection, asked: Sequence[Due]) -> list[Due]:
    """Those that nobody has claimed or passed over yet; at most MOST."""
    names = [str(one.programme) for one in asked]
    query = select(REMINDERS.c.programme, REMINDERS.c.day)
    known = {
        (row.programme, row.day)
        for first in range(0, len(names), 400)
        for row in connection.execute(
            query.where(
                REMINDERS.c.programme.in_(names[first : first + 400]),
                REMINDERS.c.day.in_({one.day for one in asked}),
            )
        )
    }
    return [one for one in asked if (str(one.programme), one.day) not in known][:MOST]


def is_heard_of(connection: Connection, one: Due) -> bool:
    """Whether anything was entered for that day: done, or it hurt."""
    wanted = (ENTRIES.c.programme == str(one.programme)) & (ENTRIES.c.day == one.day)
    return connection.execute(select(ENTRIES.c.id).where(wanted).limit(1)).first() is not None


def claim(connection: Connection, one: Due, at_us: int) -> bool:
    """This reminder is ours; False when another process was quicker."""
    row = {
        "programme": str(one.programme), "day": one.day, "state": "claimed", "tries": 0, "claimed_us": at_us,
        "next_us": None, "why": "",
    }  # fmt: skip
    try:
        with connection.begin_nested():
            connection.execute(insert(REMINDERS), row)
    except IntegrityError:
        return False
    return True


def again(connection: Connection, now_us: int, abandoned_us: int) -> list[RowMapping]:
    """What waits for another try, and what a process that is gone had claimed and not begun to send."""
    query = select(REMINDERS).where(
        or_(
            and_(REMINDERS.c.state == "waiting", REMINDERS.c.next_us <= now_us),
            and_(REMINDERS.c.state == "claimed", REMINDERS.c.claimed_us <= abandoned_us),
        )
    )
    return list(connection.execute(query.order_by(REMINDERS.c.claimed_us).limit(MOST)).mappings())


def reclaim(connection: Connection, row: RowMapping, at_us: int) -> bool:
    """Take it up again; False when another process did."""
    mine = update(REMINDERS).where(
        REMINDERS.c.programme == row["programme"], REMINDERS.c.day == row["day"],
        REMINDERS.c.state == row["state"], REMINDERS.c.claimed_us == row["claimed_us"],
    )  # fmt: skip
    return connection.execute(mine.values(state="claimed", claimed_us=at_us)).rowcount == 1


def put(connection: Connection, one: Due, state: str, why: str = "", **values: Any) -> None:
    """What became of it."""
    mine = (REMINDERS.c.programme == str(one.programme)) & (REMINDERS.c.day == one.day)
    connection.execute(update(REMINDERS).where(mine).values(state=state, why=why[:WHY], **values))


def tries_of(connection: Connection, one: Due) -> int:
    """How often it was tried."""
    mine = (REMINDERS.c.programme == str(one.programme)) & (REMINDERS.c.day == one.day)
    return int(connection.execute(select(REMINDERS.c.tries).where(mine)).scalar_one())


def give_up(connection: Connection, sent_before_us: int) -> int:
    """What a process was sending when it ended is not sent again: it may have arrived."""
    stuck = update(REMINDERS).where(REMINDERS.c.state == "sending", REMINDERS.c.claimed_us <= sent_before_us)
    why = "the process ended while it was sending: it may have arrived, and is not sent twice"
    return connection.execute(stuck.values(state="unknown", why=why)).rowcount


def of_programme(connection: Connection, programme: UUID, first: date, last: date) -> list[RowMapping]:
    """What became of a programme's reminders, oldest first."""
    query = select(REMINDERS.c.day, REMINDERS.c.state, REMINDERS.c.why).where(
        REMINDERS.c.programme == str(programme), REMINDERS.c.day.between(first, last)
    )
    return list(connection.execute(query.order_by(REMINDERS.c.day)).mappings())
