"""The planner's problem from the database: one query a kind, however many appointments there are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from services.kit.moments import instant_of
from services.scheduler.booking import care, store
from services.scheduler.booking.models import Appointment
from services.scheduler.clock import us_of
from services.scheduler.planner import problem as planner
from services.scheduler.resources import store as resources
from services.scheduler.resources.models import WEEKDAYS, Hours, Site

BEFORE: Final = timedelta(days=2)  # what lies before now and may still touch it: rest, the running session
BEYOND: Final = timedelta(days=3 * 365)  # nobody plans farther


@dataclass(frozen=True, slots=True)
class Places:
    """What a site has to plan with; the same as before means that a plan is still good."""

    site: planner.Site
    devices: tuple[planner.Device, ...]
    therapists: tuple[planner.Therapist, ...]


def minutes_of(clock: str) -> int:
    """`08:30` as minutes after midnight."""
    hour, _, minute = clock.partition(":")
    return int(hour) * 60 + int(minute)


def windows_of(parts: Iterable[Sequence[str]]) -> tuple[planner.Window, ...]:
    """Parts of a day as minutes after midnight."""
    return tuple((minutes_of(start), minutes_of(end)) for start, end in parts)


def week_of(hours: Hours | Mapping[str, Any]) -> planner.Week:
    """Seven days, Monday first."""
    table: Mapping[str, Any] = hours  # type: ignore[assignment]
    return tuple(windows_of(table.get(day, ())) for day in WEEKDAYS)


def planned_site(name: str, site: Site) -> planner.Site:
    """A site as the planner is told."""
    return planner.Site(
        id=name, zone=site.zone, state=site.state, opening=week_of(site.hours),
        closed=dict.fromkeys(site.closed, "geschlossen / closed"), appointment_min=site.appointment_min,
        clean_up_min=site.clean_up_min, rest_h=float(site.rest_h),
    )  # fmt: skip


def places(connection: Connection, site: str, now: datetime, *, lock: bool = False) -> Places:
    """A site with the beds and people that may be planned with. Raises NotFound."""
    found = resources.site_of(connection, site, lock=lock)
    rows = resources.outages(connection, site, us_of(now - BEFORE), us_of(now + BEYOND))
    beds = [bed for bed in resources.devices(connection, site) if bed.usable]
    people = [row for row in resources.therapists(connection, site) if row["active"]]
    return Places(
        planned_site(site, found),
        tuple(
            planner.Device(bed.device, site, frozenset(bed.regions), _out(rows, "device", bed.device))
            for bed in beds
        ),
        tuple(
            planner.Therapist(
                UUID(row["therapist"]), site, week_of(row["shifts"]), row["name"],
                _out(rows, "therapist", row["therapist"]),
            )
            for row in people
        ),
    )  # fmt: skip


def _out(rows: Iterable[Mapping[str, Any]], kind: str, name: str) -> tuple[planner.Outage, ...]:
    return tuple(
        planner.Outage(instant_of(row["from_us"]), instant_of(row["to_us"]), row["reason"])
        for row in rows
        if row[kind] == name
    )


def problem(
    connection: Connection, site: str, now: datetime, patients: Iterable[UUID] = ()
) -> planner.Problem:
    """The site with everything booked there, and what these patients have elsewhere."""
    here = places(connection, site, now)
    booked = store.of_site(connection, site, us_of(now - BEFORE), us_of(now + BEYOND))
    known = {one.appointment for one in booked}
    people = care.same_people(connection, patients)  # whose files were merged is one person
    booked += [
        one
        for one in store.of_patients(connection, people, us_of(now - BEFORE))
        if one.appointment not in known
    ]
    booked = [replace(one, patient=people.get(one.patient, one.patient)) for one in booked]
    return planner.Problem(
        now, {site: here.site}, here.devices, here.therapists, tuple(booked_of(one) for one in booked)
    )


def places_of(whole: planner.Problem, site: str) -> Places:
    """What a problem was planned with."""
    return Places(whole.sites[site], whole.devices, whole.therapists)


def booked_of(one: Appointment) -> planner.Booked:
    """An appointment as the planner is told; what has taken place or is confirmed stays."""
    return planner.Booked(
        id=one.appointment, patient=one.patient, site=one.site, device=one.device, therapist=one.therapist,
        starts_at=one.starts_at, ends_at=one.ends_at, cure=one.cure, number=one.number,
        confirmed=one.confirmed or one.state != "booked", region=one.region,
    )  # fmt: skip


def placed_of(one: Appointment, number: int) -> planner.Placed:
    """An appointment that stays where it is, as part of a request."""
    return planner.Placed(number, one.starts_at, one.ends_at, one.device, one.therapist)
