"""Why not Tuesday at ten? Every rule that an appointment breaks, in words.

It asks the rules one by one, appointment by appointment, and shares nothing with the search but the calendar:
what the planner places, what a hand moves and what is offered instead is held against the same rules here.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from services.scheduler.planner.cadences import CADENCES
from services.scheduler.planner.calendar import (
    covered,
    holiday,
    hours,
    minute_of,
    opening_spans,
    outage_span,
    overlap,
    spans,
    state_name,
)
from services.scheduler.planner.free import span_of
from services.scheduler.planner.problem import (
    Booked,
    Device,
    Outage,
    Placed,
    Problem,
    Reason,
    Request,
    Site,
    Therapist,
    Window,
    Wishes,
)
from services.scheduler.planner.rules import clock, reason, weekday, windows
from services.scheduler.planner.sound import region

NOBODY: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether an appointment may be there: with which device and therapist, or the rules that forbid it."""

    reasons: tuple[Reason, ...]
    device: str | None = None
    therapist: UUID | None = None

    @property
    def ok(self) -> bool:
        """Whether no rule forbids it."""
        return not self.reasons


def single(site: str, region_: str, patient: UUID = NOBODY, wishes: Wishes | None = None) -> Request:
    """A request for one appointment: what a "why not" without a cure is asked of.

    It has no earliest start, for nobody named one: that the past is not planned is a rule by itself.
    """
    return Request(patient, site, region_, 1, CADENCES["daily"], date.min, wishes or Wishes())


def why(
    problem: Problem,
    request: Request,
    starts_at: datetime,
    device: str | None = None,
    therapist: UUID | None = None,
) -> Answer:
    """Whether one appointment of the request may start then; device and therapist are found unless given."""
    if request.site not in problem.sites:
        return Answer((reason("site-unknown", site=request.site),))
    case = Case(problem, request, problem.sites[request.site], starts_at)
    reasons = [found for check in GENERAL for found in check(case)]
    beds, bed_reasons = _free_devices(case, device)
    people, people_reasons = _free_therapists(case, therapist)
    reasons += ([] if beds else bed_reasons) + ([] if people else people_reasons)
    return Answer(tuple(reasons), *((None, None) if reasons else (beds[0], people[0])))


def against(problem: Problem, request: Request, series: Iterable[Placed]) -> list[Reason]:
    """Every rule that a series breaks: each appointment by itself, then one against the next."""
    if request.site not in problem.sites:
        return [reason("site-unknown", site=request.site)]
    ordered = sorted(series, key=lambda one: one.number)
    fixed = {one.number for one in request.fixed}
    found = [
        broken
        for one in ordered
        if one.number not in fixed
        for broken in why(problem, request, one.starts_at, one.device, one.therapist).reasons
    ]
    return _unique([*found, *_between(problem.sites[request.site], request, ordered, fixed)])


@dataclass(frozen=True, slots=True)
class Case:
    """One appointment that is asked about."""

    problem: Problem
    request: Request
    site: Site
    starts_at: datetime

    @property
    def at(self) -> datetime:
        """The start as the site's clock shows it."""
        return self.starts_at.astimezone(ZoneInfo(self.site.zone))

    @property
    def end(self) -> datetime:
        """The end as the site's clock shows it."""
        length = timedelta(minutes=self.site.appointment_min)
        return (self.starts_at.astimezone(ZoneInfo("UTC")) + length).astimezone(ZoneInfo(self.site.zone))

    @property
    def span(self) -> Window:
        """Start and end in epoch minutes."""
        start = minute_of(self.starts_at)
        return start, start + self.site.appointment_min

    def others(self) -> Iterator[Booked]:
        """What is booked besides this cure."""
        cure = self.request.cure
        return (one for one in self.problem.booked if cure is None or one.cure != cure)

    def local(self, moment: datetime) -> datetime:
        """A moment on the site's clock."""
        return moment.astimezone(ZoneInfo(self.site.zone))


def _past(case: Case) -> Iterator[Reason]:
    if case.span[0] <= minute_of(case.problem.now):
        yield reason("past", at=case.at)


def _earliest(case: Case) -> Iterator[Reason]:
    if case.at.date() < case.request.earliest:
        yield reason("earliest", day=case.at.date(), earliest=case.request.earliest)


def _closed(case: Case) -> Iterator[Reason]:
    site, day = case.site, case.at.date()
    near = [day + timedelta(days=n) for n in (-1, 0, 1)]
    if covered(case.span, [span for d in near for span in opening_spans(site, d)]):
        return
    name = {language: holiday(site, day, language) for language in ("de", "en")}
    if day in site.closed:
        yield reason("closed-day", day=day, reason=site.closed[day] or "-")
    elif name["de"]:
        yield reason("holiday", day=day, state=state_name(site.state), name=name)
    else:
        yield reason("closed", at=case.at, end=f"{case.end:%H:%M}", hours=windows(hours(site, day)))


def _grid(case: Case) -> Iterator[Reason]:
    at = case.at
    if (at.hour * 60 + at.minute) % case.site.grid_min or at.second or at.microsecond:
        yield reason("grid", grid=case.site.grid_min, at=f"{at:%H:%M}")


def _patient(case: Case) -> Iterator[Reason]:
    start, end = case.span
    rest = case.site.rest_h * 60
    for one in case.others():
        if one.patient != case.request.patient:
            continue
        a, b = span_of(one)
        said = {"start": case.local(one.starts_at), "end": f"{case.local(one.ends_at):%H:%M}"}
        if a < end and start < b:
            yield reason("patient-busy", **said)
        elif a - end < rest and start - b < rest:
            yield reason("rest", rest=float(case.site.rest_h), **said)


def _wished(case: Case) -> Iterator[Reason]:
    wishes, at = case.request.wishes, case.at
    start = at.hour * 60 + at.minute
    end = start + case.site.appointment_min
    if wishes.times and not any(a <= start and end <= b for a, b in wishes.times):
        yield reason("wish-times", at=clock(start), end=clock(end), times=windows(wishes.times))
    if at.weekday() not in wishes.weekdays:
        yield reason("wish-weekdays", weekday=weekday(at.weekday()))


GENERAL: Final[tuple[Callable[[Case], Iterator[Reason]], ...]] = (
    _past,
    _earliest,
    _closed,
    _grid,
    _patient,
    _wished,
)


def _free_devices(case: Case, wanted: str | None) -> tuple[list[str], list[Reason]]:
    here = [one for one in case.problem.devices if one.site == case.site.id]
    asked = [one for one in here if wanted in {None, one.id}]
    if not asked:
        return [], [reason("device-unknown", device=wanted or "-", site=case.site.id)]
    found = {one.id: list(_device(case, one)) for one in asked}
    return [key for key, broken in found.items() if not broken], [
        r for broken in found.values() for r in broken
    ]


def _device(case: Case, device: Device) -> Iterator[Reason]:
    wished = case.request.wishes.device
    if case.request.region not in device.regions:
        yield reason("device-region", device=device.id, region=region(case.request.region))
        return
    if wished not in {None, device.id}:
        yield reason("wish-device", device=wished)
    for outage in device.outages:
        if overlap(case.span, outage_span(outage)):
            yield reason("device-outage", device=device.id, **_outage(case, outage))
    for one in case.others():
        if one.site == case.site.id and one.device == device.id:
            yield from _taken(case, device, one)


def _taken(case: Case, device: Device, one: Booked) -> Iterator[Reason]:
    clean, span, other = case.site.clean_up_min, case.span, span_of(one)
    if overlap(span, other):
        yield reason(
            "device-busy",
            device=device.id,
            start=f"{case.local(one.starts_at):%H:%M}",
            end=f"{case.local(one.ends_at):%H:%M}",
        )
    elif overlap((span[0], span[1] + clean), (other[0], other[1] + clean)):
        ends = one.ends_at if other[1] <= span[0] else case.end
        until = ends + timedelta(minutes=clean)
        yield reason(
            "clean-up",
            device=device.id,
            start=f"{case.local(ends):%H:%M}",
            end=f"{case.local(until):%H:%M}",
            minutes=clean,
        )


def _free_therapists(case: Case, wanted: UUID | None) -> tuple[list[UUID], list[Reason]]:
    here = [one for one in case.problem.therapists if one.site == case.site.id]
    asked = [one for one in here if wanted in {None, one.id}]
    if not asked:
        return [], [reason("no-therapist" if wanted is None else "therapist-unknown", site=case.site.id)]
    found = {one.id: list(_therapist(case, one)) for one in asked}
    return [key for key, broken in found.items() if not broken], [
        r for broken in found.values() for r in broken
    ]


def _therapist(case: Case, one: Therapist) -> Iterator[Reason]:
    name = {"therapist": one.name or str(one.id)}
    said = {"start": case.at, "end": f"{case.end:%H:%M}"}
    wished = case.request.wishes.therapist
    if wished not in {None, one.id}:
        names = {other.id: other.name for other in case.problem.therapists}
        yield reason("wish-therapist", therapist=names.get(wished) or str(wished))
    days = [case.at.date() + timedelta(days=n) for n in (-1, 0, 1)]
    if not covered(case.span, [span for d in days for span in spans(case.site.zone, one.shifts, d)]):
        yield reason("therapist-shift", **name, **said)
    for away in one.away:
        if overlap(case.span, outage_span(away)):
            yield reason("therapist-away", **name, **_outage(case, away))
    for other in case.others():
        if other.therapist == one.id and overlap(case.span, span_of(other)):
            start, end = case.local(other.starts_at), case.local(other.ends_at)
            yield reason("therapist-busy", **name, start=f"{start:%H:%M}", end=f"{end:%H:%M}")


def _outage(case: Case, outage: Outage) -> dict[str, datetime | str]:
    said = f" ({outage.reason})" if outage.reason else ""
    return {"start": case.local(outage.starts_at), "end": case.local(outage.ends_at), "reason": said}


def _between(site: Site, request: Request, series: Sequence[Placed], fixed: set[int]) -> Iterator[Reason]:
    if not series:
        return
    zone = ZoneInfo(site.zone)
    first = series[0].starts_at.astimezone(zone).date()
    weeks = request.cadence.weeks_of(max(request.sessions, series[-1].number))
    latest = request.earliest + timedelta(days=request.start_within_days)
    if series[0].number == 1 and 1 not in fixed and first > latest:
        yield reason("latest", day=first, latest=latest)
    for one in series:
        week = weeks[one.number - 1][0]
        due = first + timedelta(days=7 * week)
        if one.number not in fixed and series[0].number == 1 and one.starts_at.astimezone(zone).date() < due:
            yield reason("cadence-week", number=one.number, week=week + 1, day=due)
    for earlier, later in pairwise(series):
        if not {earlier.number, later.number} <= fixed:
            yield from _neighbours(site, request, earlier, later)


def _neighbours(site: Site, request: Request, earlier: Placed, later: Placed) -> Iterator[Reason]:
    zone = ZoneInfo(site.zone)
    at, then = earlier.starts_at.astimezone(zone), later.starts_at.astimezone(zone)
    days = (then.date() - at.date()).days
    ends = earlier.ends_at.astimezone(zone)
    if days < 1:
        yield reason("order", number=later.number, other=earlier.number, at=at)
    elif days > request.longest_pause_days:
        most = request.longest_pause_days
        yield reason("pause", other=earlier.number, number=later.number, days=days, most=most)
    elif minute_of(later.starts_at) - minute_of(earlier.ends_at) < site.rest_h * 60:
        yield reason("rest", rest=float(site.rest_h), start=at, end=f"{ends:%H:%M}")


def _unique(reasons: Iterable[Reason]) -> list[Reason]:
    return list({(one.id, one.text["en"]): one for one in reasons}.values())
