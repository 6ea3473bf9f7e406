"""Small clinics for the planner's tests, and a planner that tries everything."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from uuid import UUID
from zoneinfo import ZoneInfo

from services.scheduler.planner.check import conflicts
from services.scheduler.planner.figures import figures_of
from services.scheduler.planner.problem import Booked, Device, Placed, Problem, Site, Therapist

MONDAY = date(2026, 11, 23)
BOTH = frozenset({"lumbar", "cervical"})


def week(*window, days=5):
    """The same hours on the first days of the week."""
    return ((window,),) * days + ((),) * (7 - days)


def uuid(number):
    return UUID(int=number)


def site(**changes):
    given = {"id": "north", "zone": "Europe/Berlin", "state": "DE-BE", "opening": week(480, 1080)}
    return Site(**(given | changes))


def clinic(where=None, *, beds=2, people=2, booked=(), now=None, shifts=None, **device):
    """One site with so many beds that treat everything and so many therapists."""
    where = where or site()
    return Problem(
        now=now or datetime(2026, 11, 22, 12, tzinfo=UTC),
        sites={where.id: where},
        devices=tuple(Device(f"bed-{n + 1}", where.id, BOTH, **device) for n in range(beds)),
        therapists=tuple(
            Therapist(uuid(900 + n), where.id, shifts or where.opening, f"T{n + 1}") for n in range(people)
        ),
        booked=tuple(booked),
    )


def at(day, hour, minute=0, zone="Europe/Berlin"):
    """A time on the wall of that zone."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(zone))


def booked(key, starts_at, *, device="bed-1", therapist=900, patient=None, **more):
    """An appointment of 45 minutes; each of a patient of its own unless given."""
    ends_at = (starts_at.astimezone(UTC) + timedelta(minutes=45)).astimezone(starts_at.tzinfo)
    given = {"site": "north", **more}
    return Booked(
        id=uuid(key), patient=uuid(patient or 5000 + key), device=device, therapist=uuid(therapist),
        starts_at=starts_at, ends_at=ends_at, **given,
    )  # fmt: skip


def exhaustive(problem, request, days):
    """The best figures of all series there are within so many days, tried one by one; None: there is none."""
    where = problem.sites[request.site]
    zone = ZoneInfo(where.zone)
    length = timedelta(minutes=where.appointment_min)
    times = [
        datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=zone)
        for day in (request.earliest + timedelta(days=n) for n in range(days))
        for minute in range(0, 1440, where.grid_min)
    ]
    single = [
        Placed(1, start, start + length, bed.id, person.id)
        for start, bed, person in product(times, problem.devices, problem.therapists)
    ]
    alone = replace(request, sessions=1)
    good = [one for one in single if not conflicts(problem, [(alone, [one])])]
    best, latest = None, request.earliest + timedelta(days=request.start_within_days)
    weeks = request.cadence.weeks_of(request.sessions)

    def grow(series):
        nonlocal best
        if len(series) == request.sessions:
            if not conflicts(problem, [(request, series)]):
                figures = figures_of(problem, request, series)
                best = figures if best is None else min(best, figures)
            return
        number = len(series) + 1
        for one in good:
            day = one.starts_at.date()
            if not series:
                if day > latest:
                    continue
            else:
                gap = (day - series[-1].starts_at.date()).days
                due = series[0].starts_at.date() + timedelta(days=7 * weeks[number - 1][0])
                if not 1 <= gap <= request.longest_pause_days or day < due:
                    continue
                rested = one.starts_at - series[-1].ends_at
                if rested < timedelta(hours=where.rest_h):
                    continue
            grow([*series, replace(one, number=number)])

    grow([])
    return best
