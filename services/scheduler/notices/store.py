"""All SQL of feeds and reminders."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from services.kit.auth.principal import Sites
from services.scheduler.booking import store as bookings
from services.scheduler.booking.models import Appointment
from services.scheduler.booking.tables import APPOINTMENTS, HISTORY, PATIENTS
from services.scheduler.clock import us_of
from services.scheduler.notices.tables import FEEDS, REMINDERS

MOST_LISTED: Final = 500
MOST_DUE: Final = 50  # reminders of one turn
Row = dict[str, Any]


def digest(secret: str) -> str:
    """What is kept of an address."""
    return hashlib.sha256(secret.encode()).hexdigest()


# --- feeds ------------------------------------------------------------------------------------------------
def put_feed(connection: Connection, row: Row) -> None:
    """A new one."""
    connection.execute(insert(FEEDS), {"revoked_us": None, "read_us": None, **row})


def feed_by(connection: Connection, secret: str) -> RowMapping | None:
    """The feed of a secret address that nobody has revoked."""
    query = select(FEEDS).where(FEEDS.c.secret_sha256 == digest(secret), FEEDS.c.revoked_us.is_(None))
    return connection.execute(query).mappings().first()


def feed_of(connection: Connection, feed: UUID) -> RowMapping | None:
    """A feed by its id."""
    return connection.execute(select(FEEDS).where(FEEDS.c.feed == str(feed))).mappings().first()


def feeds(connection: Connection, sites: Sites, site: str | None, subject: str | None) -> list[RowMapping]:
    """Those in force, the newest first."""
    query = select(FEEDS).where(FEEDS.c.revoked_us.is_(None)).order_by(FEEDS.c.at_us.desc())
    if sites is not None:
        query = query.where(FEEDS.c.site.in_(sites))
    if site is not None:
        query = query.where(FEEDS.c.site == site)
    if subject is not None:
        query = query.where(FEEDS.c.subject == subject)
    return list(connection.execute(query.limit(MOST_LISTED)).mappings())


def revoke(connection: Connection, feed: str, at_us: int) -> None:
    """From now on nobody reads it."""
    connection.execute(update(FEEDS).where(FEEDS.c.feed == feed).values(revoked_us=at_us))


def was_read(connection: Connection, feed: str, at_us: int) -> None:
    """When somebody last asked for it."""
    connection.execute(update(FEEDS).where(FEEDS.c.feed == feed).values(read_us=at_us))


def forget_patient(connection: Connection, patient: str) -> None:
    """Of somebody whose file is erased."""
    connection.execute(delete(FEEDS).where(FEEDS.c.kind == "patient", FEEDS.c.subject == patient))


def merged_into(connection: Connection, patient: str) -> list[str]:
    """This one's id and those of files that were merged into it."""
    found = [patient]
    ask = [patient]
    while ask:
        query = select(PATIENTS.c.patient).where(PATIENTS.c.into.in_(ask))
        ask = [one for one in connection.execute(query).scalars() if one not in found]
        found += ask
    return found


def appointments(connection: Connection, feed: RowMapping, from_us: int) -> list[Appointment]:
    """What a feed shows, cancelled ones included."""
    subject = feed["subject"]
    whose: ColumnElement[bool]
    if feed["kind"] == "patient":
        whose = APPOINTMENTS.c.patient.in_(merged_into(connection, subject))
    elif feed["kind"] == "device":
        whose = and_(APPOINTMENTS.c.site == feed["site"], APPOINTMENTS.c.device == subject)
    else:
        whose = and_(APPOINTMENTS.c.site == feed["site"], APPOINTMENTS.c.therapist == subject)
    return bookings.find(connection, whose, APPOINTMENTS.c.starts_us >= from_us)


def changes(connection: Connection, found: Sequence[Appointment]) -> dict[str, tuple[int, int]]:
    """Of each: how often it was changed since it was booked, and when last."""
    names = [str(one.appointment) for one in found]
    result: dict[str, tuple[int, int]] = {}
    for first in range(0, len(names), bookings.BATCH):
        query = (
            select(HISTORY.c.appointment, func.count(), func.max(HISTORY.c.at_us))
            .where(HISTORY.c.appointment.in_(names[first : first + bookings.BATCH]))
            .group_by(HISTORY.c.appointment)
        )
        for name, count, at_us in connection.execute(query):
            result[name] = (int(count) - 1, int(at_us))
    return result


# --- reminders --------------------------------------------------------------------------------------------
def unreminded(connection: Connection, from_us: int, to_us: int) -> list[Appointment]:
    """Booked appointments of this time that nobody has claimed the reminder of."""
    claimed = select(REMINDERS.c.appointment).where(
        REMINDERS.c.appointment == APPOINTMENTS.c.appointment,
        REMINDERS.c.starts_us == APPOINTMENTS.c.starts_us,
    )
    where = (
        APPOINTMENTS.c.state == "booked", APPOINTMENTS.c.starts_us > from_us,
        APPOINTMENTS.c.starts_us <= to_us, ~claimed.exists(),
    )  # fmt: skip
    return bookings.find(connection, *where)[:MOST_DUE]


def claim(connection: Connection, one: Appointment, at_us: int) -> bool:
    """This reminder is ours; False when another process was quicker."""
    row = {
        "appointment": str(one.appointment), "starts_us": us_of(one.starts_at), "site": one.site,
        "state": "claimed", "tries": 0, "claimed_us": at_us, "next_us": None, "why": "",
    }  # fmt: skip
    try:
        with connection.begin_nested():
            connection.execute(insert(REMINDERS), row)
    except IntegrityError:
        return False
    return True


def again(connection: Connection, now_us: int, abandoned_us: int) -> list[RowMapping]:
    """What waits for another try, and what was claimed by a process that is gone before it sent anything."""
    query = select(REMINDERS).where(
        or_(
            and_(REMINDERS.c.state == "waiting", REMINDERS.c.next_us <= now_us),
            and_(REMINDERS.c.state == "claimed", REMINDERS.c.claimed_us <= abandoned_us),
        )
    )
    return list(connection.execute(query.limit(MOST_DUE)).mappings())


def reclaim(connection: Connection, row: RowMapping, at_us: int) -> bool:
    """Take it up again; False when another process did."""
    mine = update(REMINDERS).where(
        REMINDERS.c.appointment == row["appointment"], REMINDERS.c.starts_us == row["starts_us"],
        REMINDERS.c.state == row["state"], REMINDERS.c.claimed_us == row["claimed_us"],
    )  # fmt: skip
    return connection.execute(mine.values(state="claimed", claimed_us=at_us)).rowcount == 1


def set_reminder(connection: Connection, one: Appointment, state: str, **values: Any) -> None:
    """What became of it."""
    mine = (
        REMINDERS.c.appointment == str(one.appointment),
        REMINDERS.c.starts_us == us_of(one.starts_at),
    )
    connection.execute(update(REMINDERS).where(*mine).values(state=state, **values))


def skip(connection: Connection, row: RowMapping, why: str) -> None:
    """Nobody is reminded of this time any more."""
    mine = (REMINDERS.c.appointment == row["appointment"], REMINDERS.c.starts_us == row["starts_us"])
    connection.execute(update(REMINDERS).where(*mine).values(state="skipped", why=why))


def tries_of(connection: Connection, one: Appointment) -> int:
    """How often it was tried."""
    query = select(REMINDERS.c.tries).where(
        REMINDERS.c.appointment == str(one.appointment), REMINDERS.c.starts_us == us_of(one.starts_at)
    )
    return int(connection.execute(query).scalar_one())


def give_up(connection: Connection, sent_before_us: int) -> int:
    """What a process was sending when it ended is not sent again: it may have arrived."""
    stuck = update(REMINDERS).where(REMINDERS.c.state == "sending", REMINDERS.c.claimed_us <= sent_before_us)
    why = "the process ended while it was sending: it may have arrived, and is not sent twice"
    return connection.execute(stuck.values(state="unknown", why=why)).rowcount


def reminders(connection: Connection, sites: Sites, site: str | None) -> list[RowMapping]:
    """The latest first."""
    query = select(REMINDERS).order_by(REMINDERS.c.starts_us.desc()).limit(MOST_LISTED)
    if sites is not None:
        query = query.where(REMINDERS.c.site.in_(sites))
    if site is not None:
        query = query.where(REMINDERS.c.site == site)
    return list(connection.execute(query).mappings())
