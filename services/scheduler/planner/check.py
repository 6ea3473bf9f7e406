"""An independent look at what was planned: shares no code with the planner, only its input and output.

It counts conflicts as somebody with the calendar on paper would: every two bookings of a device, a therapist
or a patient side by side, and every appointment against clock, calendar and roster. `spondyl bench plan` and
the tests hold every placement against it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

from services.scheduler.planner.problem import Booked, Placed, Problem, Request, Site, Week

Series = tuple[Request, Sequence[Placed]]


def conflicts(problem: Problem, placed: Iterable[Series]) -> list[str]:
    """What is wrong with what is booked and placed together, a line each; empty when all is well."""
    series = list(placed)
    cures = {request.cure for request, _ in series if request.cure is not None}
    booked = [one for one in problem.booked if one.cure is None or one.cure not in cures]
    booked += [_as_booked(request, one) for request, rows in series for one in rows]
    return [
        *(line for request, rows in series for line in _series(problem, request, rows)),
        *_double(problem, booked),
    ]


def _as_booked(request: Request, one: Placed) -> Booked:
    return Booked(
        UUID(int=0), request.patient, request.site, one.device, one.therapist, one.starts_at, one.ends_at,
        request.cure, one.number,
    )  # fmt: skip


def _double(problem: Problem, booked: list[Booked]) -> Iterator[str]:
    """Bookings that overlap: a device with its clean-up, a therapist, a patient with the rest between."""
    kept: dict[tuple[str, str, str], list[tuple[datetime, datetime]]] = defaultdict(list)
    for one in booked:
        site = problem.sites[one.site]
        start, end = one.starts_at.astimezone(ZoneInfo("UTC")), one.ends_at.astimezone(ZoneInfo("UTC"))
        kept["device", one.site, one.device or ""].append((start, end + timedelta(minutes=site.clean_up_min)))
        kept["therapist", "", str(one.therapist)].append((start, end))
        kept["patient", "", str(one.patient)].append((start, end + timedelta(hours=site.rest_h)))
    for (kind, site_id, name), spans in kept.items():
        for before, after in pairwise(sorted(spans)):
            if name not in {"", "None"} and after[0] < before[1]:
                yield f"{kind} {site_id} {name}: {before[0]} to {before[1]} and {after[0]}"


def _series(problem: Problem, request: Request, rows: Sequence[Placed]) -> Iterator[str]:
    site = problem.sites[request.site]
    fixed = {one.number for one in request.fixed}
    if [one.number for one in rows] != list(range(1, request.sessions + 1)):
        yield f"not a whole series of {request.sessions}: {[one.number for one in rows]}"
    days = [one.starts_at.astimezone(ZoneInfo(site.zone)).date() for one in rows]
    if any(later <= earlier for earlier, later in pairwise(days)):
        yield f"two sessions on one day, or out of order: {days}"
    for one in rows:
        if one.number not in fixed:
            yield from _appointment(problem, request, site, one)


def _appointment(problem: Problem, request: Request, site: Site, one: Placed) -> Iterator[str]:
    zone = ZoneInfo(site.zone)
    local = one.starts_at.astimezone(zone)
    minutes = local.hour * 60 + local.minute
    device = next((d for d in problem.devices if (d.site, d.id) == (site.id, one.device)), None)
    therapist = next((t for t in problem.therapists if (t.site, t.id) == (site.id, one.therapist)), None)
    wishes = request.wishes
    length = one.ends_at.astimezone(ZoneInfo("UTC")) - one.starts_at.astimezone(ZoneInfo("UTC"))
    wrong = {
        "in the past": one.starts_at <= problem.now,
        "too early": local.date() < request.earliest,
        "of the wrong length": length != timedelta(minutes=site.appointment_min),
        "off the grid": minutes % site.grid_min != 0,
        "closed": not _inside(site, _open(site, local.date()), one),
        "on no such device": device is None or request.region not in device.regions,
        "during an outage": device is not None
        and any(_meets(one, o.starts_at, o.ends_at) for o in device.outages),
        "with nobody": therapist is None,
        "off shift": therapist is not None and not _inside(site, _on(therapist.shifts, local.date()), one),
        "during an absence": therapist is not None
        and any(_meets(one, o.starts_at, o.ends_at) for o in therapist.away),
        "at no wished time": bool(wishes.times)
        and not any(a <= minutes and minutes + site.appointment_min <= b for a, b in wishes.times),
        "on no wished weekday": local.weekday() not in wishes.weekdays,
        "on another device": wishes.device not in {None, one.device},
        "with somebody else": wishes.therapist not in {None, one.therapist},
    }
    yield from (f"appointment {one.number} at {local} is {what}" for what, true in wrong.items() if true)


def _meets(one: Placed, start: datetime, end: datetime) -> bool:
    return one.starts_at < end and start < one.ends_at


Hours = list[tuple[date, int, int]]


def _open(site: Site, day: date) -> Hours:
    near = [day + timedelta(days=n) for n in (-1, 0, 1)]
    free = [d for d in near if d not in site.closed and d not in _public_holidays(site.state, d.year)]
    return [(d, a, b) for d in free for a, b in site.opening[d.weekday()]]


def _on(week: Week, day: date) -> Hours:
    near = [day + timedelta(days=n) for n in (-1, 0, 1)]
    return [(d, a, b) for d in near for a, b in week[d.weekday()]]


def _inside(site: Site, hours: Hours, one: Placed) -> bool:
    """Whether every quarter of an hour of an appointment, and its last minute, lies in one of the hours."""
    zone = ZoneInfo(site.zone)
    utc = one.starts_at.astimezone(ZoneInfo("UTC"))
    moments = [
        utc + timedelta(minutes=m) for m in (*range(0, site.appointment_min, 5), site.appointment_min - 1)
    ]
    spans = [(_wall(zone, day, start), _wall(zone, day, end)) for day, start, end in hours]
    return all(any(start <= moment < end for start, end in spans) for moment in moments)


def _wall(zone: ZoneInfo, day: date, minutes: int) -> datetime:
    naive = datetime(day.year, day.month, day.day) + timedelta(minutes=minutes)  # noqa: DTZ001  (wall clock)
    return naive.replace(tzinfo=zone).astimezone(ZoneInfo("UTC"))


@cache
def _public_holidays(state: str, year: int) -> frozenset[date]:
    import holidays

    if not state:
        return frozenset()
    country, _, subdivision = state.partition("-")
    return frozenset(
        holidays.country_holidays(country, subdiv=subdivision or None, years=year, observed=False)
    )
