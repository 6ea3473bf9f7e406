"""All SQL of appointments and cures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select, update

from services.scheduler.booking import care
from services.scheduler.booking.models import HELD, OPEN, Appointment
from services.scheduler.booking.tables import APPOINTMENTS, CURES, HISTORY, OCCUPANCY
from services.scheduler.clock import SLOT_US, us_of
from services.scheduler.progression.tables import PRESCRIPTIONS
from services.scheduler.resources.calendar import moment
from services.scheduler.resources.store import no_such, site_of

Row = dict[str, Any]
BATCH = 500  # parameters of one IN (...)


def of_day(connection: Connection, site: str, device: str | None, day: date) -> list[Appointment]:
    """What is planned that day of the site's calendar, at one bed or at all, with its prescription.

    A patient whose file was merged into another is that other one. Cancelled ones are left out, missed and
    completed ones are in.
    """
    zone = site_of(connection, site).clock
    first, end = moment(day, "00:00", zone), moment(day + timedelta(1), "00:00", zone)
    where = [APPOINTMENTS.c.site == site, APPOINTMENTS.c.state != "cancelled"]
    if device is not None:
        where.append(APPOINTMENTS.c.device == device)
    return with_prescriptions(connection, find(connection, *where, *during(first, end)))


def during(from_us: int, to_us: int) -> tuple[ColumnElement[bool], ...]:
    """Those that begin in this time."""
    return APPOINTMENTS.c.starts_us >= from_us, APPOINTMENTS.c.starts_us < to_us


def find(connection: Connection, *where: ColumnElement[bool]) -> list[Appointment]:
    """Appointments by conditions, in their order of time; without prescriptions."""
    query = select(APPOINTMENTS).where(*where).order_by(APPOINTMENTS.c.starts_us, APPOINTMENTS.c.device)
    return [Appointment.of(dict(row)) for row in connection.execute(query).mappings()]


def appointment_of(connection: Connection, appointment: UUID, *, lock: bool = False) -> Appointment:
    """One of them. Raises NotFound."""
    query = select(APPOINTMENTS).where(APPOINTMENTS.c.appointment == str(appointment))
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise no_such("appointment", "Termin", appointment)
    return Appointment.of(dict(row))


def of_cure(connection: Connection, cure: UUID) -> list[Appointment]:
    """All appointments of a cure, cancelled ones included."""
    return find(connection, APPOINTMENTS.c.cure == str(cure))


def of_patients(connection: Connection, patients: Iterable[UUID], from_us: int) -> list[Appointment]:
    """Every held appointment of these patients that ends behind a moment, wherever it is."""
    names = [str(patient) for patient in patients]
    return find(
        connection, APPOINTMENTS.c.patient.in_(names), APPOINTMENTS.c.ends_us > from_us,
        APPOINTMENTS.c.state.in_(HELD),
    )  # fmt: skip


def of_site(connection: Connection, site: str, from_us: int, to_us: int) -> list[Appointment]:
    """Every held appointment of a site that touches this time."""
    return find(
        connection, APPOINTMENTS.c.site == site, APPOINTMENTS.c.state.in_(HELD),
        APPOINTMENTS.c.free_us > from_us, APPOINTMENTS.c.starts_us < to_us,
    )  # fmt: skip


def to_come(connection: Connection, site: str, device: str, from_us: int) -> list[Appointment]:
    """What is still to take place at a bed: what to plan anew when it is gone."""
    return find(
        connection, APPOINTMENTS.c.site == site, APPOINTMENTS.c.device == device,
        APPOINTMENTS.c.state.in_(OPEN), APPOINTMENTS.c.starts_us >= from_us,
    )  # fmt: skip


def to_come_at(connection: Connection, site: str, from_us: int) -> list[Appointment]:
    """What is still to take place at a site."""
    return find(
        connection, APPOINTMENTS.c.site == site, APPOINTMENTS.c.state.in_(OPEN),
        APPOINTMENTS.c.starts_us >= from_us,
    )  # fmt: skip


def with_prescriptions(connection: Connection, found: Sequence[Appointment]) -> list[Appointment]:
    """The same with what is prescribed for each number of its cure, in two queries."""
    cures = {str(one.cure) for one in found}
    newest = (
        select(func.max(PRESCRIPTIONS.c.row))
        .where(PRESCRIPTIONS.c.cure.in_(cures))
        .group_by(PRESCRIPTIONS.c.cure, PRESCRIPTIONS.c.number)
    )
    query = select(PRESCRIPTIONS).where(PRESCRIPTIONS.c.row.in_(newest))
    given = {
        (row["cure"], row["number"]): row["prescription"] for row in connection.execute(query).mappings()
    }
    chosen = select(CURES.c.cure, CURES.c.segment, CURES.c.sessions).where(CURES.c.cure.in_(cures))
    known = {row.cure: (row.segment, row.sessions) for row in connection.execute(chosen)}
    merged = care.merged(connection, {one.patient for one in found})
    return [
        replace(
            one, patient=merged.get(one.patient, one.patient), segment=known.get(str(one.cure), ("", 0))[0],
            sessions=known.get(str(one.cure), ("", 0))[1],
            prescription=given.get((str(one.cure), one.number)),
        )
        for one in found
    ]  # fmt: skip


def resources_of(one: Appointment) -> list[tuple[str, int]]:
    """What an appointment takes: each resource with each of its pieces of time, in one order for all.

    The order keeps two transactions that want the same from waiting for each other in a circle.
    """
    start, end, free = us_of(one.starts_at), us_of(one.ends_at), us_of(one.free_at)
    taken = (
        (f"device {one.site}/{one.device}", free),
        (f"patient {one.patient}", end),
        (f"therapist {one.therapist}", end),
    )
    return [
        (name, slot) for name, until in taken for slot in range(start // SLOT_US, -(-until // SLOT_US))
    ]  # fmt: skip


def take(connection: Connection, appointments: Sequence[Appointment]) -> None:
    """Occupy what they need. Raises IntegrityError when anything of it is somebody's already."""
    rows = sorted(
        (name, slot, str(one.appointment)) for one in appointments for name, slot in resources_of(one)
    )
    if rows:
        connection.execute(
            insert(OCCUPANCY),
            [{"resource": name, "slot": slot, "appointment": whose} for name, slot, whose in rows],
        )


def release(connection: Connection, appointments: Iterable[Appointment]) -> None:
    """Give back what they had."""
    names = [str(one.appointment) for one in appointments]
    for first in range(0, len(names), BATCH):
        chosen = OCCUPANCY.c.appointment.in_(names[first : first + BATCH])
        connection.execute(delete(OCCUPANCY).where(chosen))


def add(
    connection: Connection, appointments: Sequence[Appointment], by: str, reason: str, at_us: int
) -> None:
    """New ones, all or none. Raises IntegrityError when anything is taken."""
    connection.execute(insert(APPOINTMENTS), [_row(one, at_us) for one in appointments])
    take(connection, appointments)
    note(connection, "booked", appointments, by, reason, at_us)


def put(
    connection: Connection, action: str, changed: Sequence[Appointment], by: str, reason: str, at_us: int
) -> None:
    """Appointments as they are now: their rows, what they take, their history.

    All are released before any is taken, so that two may change places. Raises IntegrityError.
    """
    release(connection, changed)
    for one in changed:
        row = APPOINTMENTS.c.appointment == str(one.appointment)
        connection.execute(update(APPOINTMENTS).where(row).values(_row(one, at_us)))
    take(connection, [one for one in changed if one.state == "booked"])
    note(connection, action, changed, by, reason, at_us)


def put_state(
    connection: Connection, action: str, one: Appointment, by: str, reason: str, at_us: int
) -> None:
    """An appointment that took place: what it took meanwhile is nobody's business any more."""
    release(connection, [one])
    row = APPOINTMENTS.c.appointment == str(one.appointment)
    connection.execute(update(APPOINTMENTS).where(row).values(_row(one, at_us)))
    note(connection, action, [one], by, reason, at_us)


def _row(one: Appointment, at_us: int) -> Row:
    return {
        "appointment": str(one.appointment), "cure": str(one.cure), "patient": str(one.patient),
        "site": one.site, "device": one.device, "therapist": str(one.therapist), "region": one.region,
        "number": one.number, "starts_us": us_of(one.starts_at), "ends_us": us_of(one.ends_at),
        "free_us": us_of(one.free_at), "state": one.state, "confirmed": one.confirmed,
        "session": str(one.session) if one.session else None, "changed_us": at_us,
    }  # fmt: skip


def note(
    connection: Connection, action: str, changed: Iterable[Appointment], by: str, reason: str, at_us: int
) -> None:
    """A line of history each."""
    rows = [
        {
            "appointment": str(one.appointment), "action": action, "state": one.state,
            "starts_us": us_of(one.starts_at), "device": one.device, "therapist": str(one.therapist),
            "reason": reason, "by": by, "at_us": at_us,
        }
        for one in changed
    ]  # fmt: skip
    if rows:
        connection.execute(insert(HISTORY), rows)


def history_of(connection: Connection, appointment: UUID) -> list[Row]:
    """What became of it, oldest first."""
    query = select(HISTORY).where(HISTORY.c.appointment == str(appointment)).order_by(HISTORY.c.row)
    return [dict(row) for row in connection.execute(query).mappings()]


# --- cures ----------------------------------------------------------------------------------------------
def add_cure(connection: Connection, values: Mapping[str, Any]) -> UUID:
    """A new one. Raises IntegrityError when its request was heard before."""
    cure = uuid4()
    connection.execute(insert(CURES).values(cure=str(cure), **values))
    return cure


def cure_of(connection: Connection, cure: UUID, *, lock: bool = False) -> Row:
    """One. Raises NotFound."""
    query = select(CURES).where(CURES.c.cure == str(cure))
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise no_such("cure", "Kur", cure)
    return dict(row)


def cure_of_request(connection: Connection, request: UUID) -> Row | None:
    """The cure that this request made, if it did."""
    row = connection.execute(select(CURES).where(CURES.c.request == str(request))).mappings().first()
    return dict(row) if row else None


def cures(
    connection: Connection,
    sites: frozenset[str] | None,
    patients: Sequence[UUID] | None,
    *,
    is_open: bool | None,
) -> list[Row]:
    """Cures of these sites and patients (none: all), newest first."""
    where = []
    if sites is not None:
        where.append(CURES.c.site.in_(sites))
    if patients is not None:
        where.append(CURES.c.patient.in_([str(patient) for patient in patients]))
    if is_open is not None:
        where.append(CURES.c.ended_us.is_(None) if is_open else CURES.c.ended_us.is_not(None))
    query = select(CURES).where(*where).order_by(CURES.c.planned_us.desc()).limit(500)
    return [dict(row) for row in connection.execute(query).mappings()]


def change_cure(connection: Connection, cure: UUID, **values: Any) -> None:
    """Set columns of a cure."""
    connection.execute(update(CURES).where(CURES.c.cure == str(cure)).values(values))


def counts(connection: Connection, cures_: Sequence[str]) -> dict[str, dict[str, int]]:
    """How many appointments of each state each cure has."""
    query = (
        select(APPOINTMENTS.c.cure, APPOINTMENTS.c.state, func.count().label("count"))
        .where(APPOINTMENTS.c.cure.in_(cures_))
        .group_by(APPOINTMENTS.c.cure, APPOINTMENTS.c.state)
    )
    found: dict[str, dict[str, int]] = {cure: {} for cure in cures_}
    for row in connection.execute(query).mappings():
        found[row["cure"]][row["state"]] = row["count"]
    return found


def following(connection: Connection, one: Appointment, now: datetime) -> list[Appointment]:
    """This one and every later one of its cure that is still to come."""
    where = and_(
        APPOINTMENTS.c.cure == str(one.cure), APPOINTMENTS.c.state.in_(OPEN),
        APPOINTMENTS.c.starts_us > us_of(now),
        or_(
            APPOINTMENTS.c.starts_us >= us_of(one.starts_at),
            APPOINTMENTS.c.appointment == str(one.appointment),
        ),
    )  # fmt: skip
    return find(connection, where)
