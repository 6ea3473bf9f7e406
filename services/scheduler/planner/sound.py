"""Whether a request makes sense at all, before anything is searched."""

from collections.abc import Iterator
from itertools import pairwise
from zoneinfo import ZoneInfo

from services.scheduler.planner.calendar import DAY_MIN
from services.scheduler.planner.problem import MOST_SESSIONS, Problem, Reason, Request, Site
from services.scheduler.planner.rules import reason, weekday, windows


def unsound(problem: Problem, request: Request) -> list[Reason]:
    """The rules that no day could heal."""
    site = problem.sites.get(request.site)
    if site is None or not any(site.opening):
        return [reason("site-unknown", site=request.site)]
    if not 1 <= request.sessions <= MOST_SESSIONS:
        return [reason("sessions", sessions=request.sessions, most=MOST_SESSIONS)]
    return [
        *_devices(problem, request),
        *_therapists(problem, request),
        *_cadence(site, request),
        *_times(site, request),
        *_fixed(site, request),
    ]


def _devices(problem: Problem, request: Request) -> Iterator[Reason]:
    here = [device for device in problem.devices if device.site == request.site]
    wished = request.wishes.device
    if wished is None:
        if not any(request.region in device.regions for device in here):
            yield reason("no-device", site=request.site, region=region(request.region))
        return
    found = next((device for device in here if device.id == wished), None)
    if found is None:
        yield reason("device-unknown", device=wished, site=request.site)
    elif request.region not in found.regions:
        yield reason("device-region", device=wished, region=region(request.region))


def _therapists(problem: Problem, request: Request) -> Iterator[Reason]:
    here = {one.id for one in problem.therapists if one.site == request.site and any(one.shifts)}
    if not here:
        yield reason("no-therapist", site=request.site)
    elif request.wishes.therapist is not None and request.wishes.therapist not in here:
        yield reason("therapist-unknown", site=request.site)


def _cadence(site: Site, request: Request) -> Iterator[Reason]:
    wished = sorted(request.wishes.weekdays & set(range(len(site.opening))))
    days = [day for day in wished if _open(site, day)]
    wanted = max(per_week for _, per_week in request.cadence.weeks_of(request.sessions))
    if len(days) < min(wanted, request.sessions):
        names = {
            language: ", ".join(weekday(day)[language] for day in days) or "-" for language in ("de", "en")
        }
        yield reason("cadence", cadence=dict(request.cadence.text), wanted=wanted, open=names)


def _open(site: Site, day: int) -> bool:
    """Whether the site is open on that weekday, if only after midnight of the evening before."""
    return bool(site.opening[day]) or any(end > DAY_MIN for _, end in site.opening[day - 1])


def _times(site: Site, request: Request) -> Iterator[Reason]:
    times = request.wishes.times
    if times and all(end - start < site.appointment_min for start, end in times):
        yield reason("wish-short", times=windows(times), minutes=site.appointment_min)


def _fixed(site: Site, request: Request) -> Iterator[Reason]:
    zone = ZoneInfo(site.zone)
    series = sorted(request.fixed, key=lambda one: one.number)
    for earlier, later in pairwise(series):
        at = earlier.starts_at.astimezone(zone)
        if later.starts_at.astimezone(zone).date() <= at.date():
            yield reason("order", number=later.number, other=earlier.number, at=at)


def region(name: str) -> dict[str, str]:
    """A region in words."""
    words = {"lumbar": {"de": "die Lendenwirbelsäule", "en": "the lumbar spine"},
             "cervical": {"de": "die Halswirbelsäule", "en": "the cervical spine"}}  # fmt: skip
    return words.get(name, {"de": name, "en": name})
