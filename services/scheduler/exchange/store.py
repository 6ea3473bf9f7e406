"""What FHIR asks of appointments, in the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, and_, false, func, or_, select

from services.kit.auth.principal import Sites
from services.scheduler.booking import care
from services.scheduler.booking import store as bookings
from services.scheduler.booking.models import Appointment
from services.scheduler.booking.tables import APPOINTMENTS, HISTORY
from services.scheduler.exchange.days import When
from services.scheduler.notices import store as notices
from services.scheduler.resources.store import site_of, sites

FIRST_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Asked:
    """What appointments are searched by; None: it does not matter."""

    patient: UUID | None
    when: Sequence[When]
    states: frozenset[str] | None
    count: int
    offset: int


@dataclass(frozen=True, slots=True)
class Version:
    """Which version of an appointment is the newest, since when, and why it was made."""

    number: int
    at_us: int
    reason: str


def search(connection: Connection, allowed: Sites, asked: Asked) -> tuple[int, list[Appointment]]:
    """How many there are at these sites for whom all that is asked holds, and one page of them."""
    chosen = [site for site in sites(connection) if allowed is None or site in allowed]
    where: list[ColumnElement[bool]] = [APPOINTMENTS.c.site.in_(chosen)]
    if asked.patient is not None:
        ids = care.same(connection, care.current(connection, asked.patient))
        where.append(APPOINTMENTS.c.patient.in_([str(one) for one in ids]))
    if asked.states is not None:
        where.append(APPOINTMENTS.c.state.in_(asked.states))
    zones = {site: site_of(connection, site).clock for site in chosen} if asked.when else {}
    where += [_held(when, zones) for when in asked.when]
    total = connection.execute(select(func.count()).select_from(APPOINTMENTS).where(*where)).scalar_one()
    query = select(APPOINTMENTS).where(*where).order_by(APPOINTMENTS.c.starts_us, APPOINTMENTS.c.appointment)
    rows = connection.execute(query.limit(asked.count).offset(asked.offset)).mappings()
    found = [Appointment.of(dict(row)) for row in rows]
    return int(total), bookings.with_prescriptions(connection, found)


def _held(when: When, zones: Mapping[str, ZoneInfo]) -> ColumnElement[bool]:
    """A day is that of each site's own clock."""
    by_zone: dict[ZoneInfo, list[str]] = {}
    for site, zone in zones.items():
        by_zone.setdefault(zone, []).append(site)
    parts = [
        and_(APPOINTMENTS.c.site.in_(names), when.holds(APPOINTMENTS.c.starts_us, zone))
        for zone, names in by_zone.items()
    ]
    return or_(*parts) if parts else false()


def versions(connection: Connection, found: Sequence[Appointment]) -> dict[UUID, Version]:
    """Of each its newest version."""
    changed = notices.changes(connection, found)
    reasons = _last_reasons(connection, [str(one.appointment) for one in found])
    made = {}
    for one in found:
        count, at_us = changed[str(one.appointment)]
        made[one.appointment] = Version(FIRST_VERSION + count, at_us, reasons[str(one.appointment)])
    return made


def _last_reasons(connection: Connection, names: Sequence[str]) -> dict[str, str]:
    newest = select(func.max(HISTORY.c.row)).where(HISTORY.c.appointment.in_(names))
    query = select(HISTORY.c.appointment, HISTORY.c.reason).where(
        HISTORY.c.row.in_(newest.group_by(HISTORY.c.appointment))
    )
    return {row.appointment: row.reason for row in connection.execute(query)}
