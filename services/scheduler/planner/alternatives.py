"""What to offer when a wish cannot be kept: other series, other starts.

A suggestion that fails when it is taken is worse than none, so nothing is offered that was not placed whole
and then held against every rule by `why`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services.kit.language import Text
from services.scheduler.planner.cadences import CADENCES, Cadence
from services.scheduler.planner.calendar import minute_of, moment_of
from services.scheduler.planner.free import free_starts
from services.scheduler.planner.place import NORMAL, place, possible
from services.scheduler.planner.problem import Effort, Placed, Plan, Problem, Request, Wishes
from services.scheduler.planner.why import against
from services.scheduler.planner.wishing import WISHES

LATER_WEEKS: Final = (1, 2, 4, 8)
WIDER_MIN: Final = 60


@dataclass(frozen=True, slots=True)
class Alternative:
    """A series that works, and what is different about it."""

    id: str
    text: Text
    request: Request
    plan: Plan


def alternatives(
    problem: Problem, request: Request, effort: Effort = NORMAL, most: int = 3
) -> tuple[Alternative, ...]:
    """Up to so many whole series that are as near to the request as can be, in the order of ``_changes``."""
    found: list[Alternative] = []
    for name, text, changed in _changes(request, problem.today(request.site)):
        if len(found) == most:
            break
        if changed in (one.request for one in found) or not possible(problem, changed):
            continue
        plan = place(problem, changed, effort)
        if isinstance(plan, Plan) and not against(problem, changed, plan.appointments):
            found.append(Alternative(name, text, changed, plan))
    return tuple(found)


def _changes(request: Request, today: date) -> Iterator[tuple[str, Text, Request]]:
    """The request itself (somebody may have been quicker), one thing changed, then no wish at all."""
    yield "same", {"de": "Mit denselben Wünschen", "en": "With the same wishes"}, request
    text: Text
    if request.wishes.times:
        wider = tuple((max(a - WIDER_MIN, 0), b + WIDER_MIN) for a, b in request.wishes.times)
        text = {"de": "Bis zu eine Stunde früher oder später", "en": "Up to an hour earlier or later"}
        yield "wider", text, replace(request, wishes=replace(request.wishes, times=wider))
    for wish in WISHES:
        if wish.is_made(request):
            yield wish.id, wish.without, wish.dropped(request)
    first = max(request.earliest, today)
    for weeks in LATER_WEEKS if first == request.earliest else (0, *LATER_WEEKS):
        earliest = first + timedelta(weeks=weeks)
        text = {"de": f"Mit Beginn ab {earliest:%d.%m.%Y}", "en": f"Starting from {earliest:%Y-%m-%d}"}
        yield "later", text, replace(request, earliest=earliest)
    for cadence in _gentler(request):
        yield "cadence", cadence.text, replace(request, cadence=cadence)
    if sum(wish.is_made(request) for wish in WISHES) > 1:
        yield "free", {"de": "Ohne jeden Wunsch", "en": "Without any wish"}, replace(request, wishes=Wishes())


def _gentler(request: Request) -> list[Cadence]:
    """Cadences with fewer sessions in their fullest week."""
    most = _fullest(request.cadence)
    return [cadence for cadence in CADENCES.values() if _fullest(cadence) < most]


def _fullest(cadence: Cadence) -> int:
    return max(step.per_week for step in cadence.steps)


def starts_near(
    problem: Problem, request: Request, near: datetime, most: int = 5, within_days: int = 14
) -> tuple[Placed, ...]:
    """Free starts for one appointment of the request, nearest first, each held against every rule."""
    site = problem.sites[request.site]
    day = near.astimezone(ZoneInfo(site.zone)).date()
    free = free_starts(problem, request, day - timedelta(days=within_days), day + timedelta(days=within_days))
    wanted = minute_of(near)
    starts = sorted(
        (start for rows in free.days.values() for start in rows), key=lambda one: abs(one.minute - wanted)
    )
    single = replace(request, sessions=1, fixed=(), start_within_days=10_000)
    found: list[Placed] = []
    for start in starts:
        if len(found) == most:
            break
        begins, ends = (moment_of(start.minute + m, site.zone) for m in (0, site.appointment_min))
        one = Placed(1, begins, ends, start.devices[0], start.therapists[0])
        if not against(problem, single, [one]):
            found.append(one)
    return tuple(found)
