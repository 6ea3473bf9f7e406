"""Place one new cure exactly: the whole series or nothing, and proven best.

The objective is lexicographic: cadence, few distinct times of day, early start, few devices and
therapists, few gaps on devices. Each part is settled before the next and never touched again: the cadence
by dynamic programming over days (`series`), the others by CP-SAT models (`models`) that grow smaller with
every answer. The second and third part are asked of a model that leaves the rest between sessions out,
because it is much smaller; where its answer cannot be kept with the rest, they are asked again of the whole.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from math import ceil
from typing import Final
from zoneinfo import ZoneInfo

from services.scheduler.planner.calendar import minute_of, moment_of
from services.scheduler.planner.figures import figures_of
from services.scheduler.planner.free import Free, Start, free_starts
from services.scheduler.planner.greedy import first_fit
from services.scheduler.planner.problem import Effort, Placed, Plan, Problem, Reason, Refused, Request, Wishes
from services.scheduler.planner.rules import reason
from services.scheduler.planner.series import Failed, Graph, Horizon, Search, horizon_of
from services.scheduler.planner.solving import Budget, Chosen, Outline
from services.scheduler.planner.sound import unsound
from services.scheduler.planner.wishing import WISHES

NORMAL: Final = Effort()


def place(problem: Problem, request: Request, effort: Effort = NORMAL) -> Plan | Refused:
    """The best series there is for the request around everything that is booked, or why there is none."""
    refused = unsound(problem, request)
    if refused:
        return Refused(tuple(refused))
    task = Task.of(problem, request)
    graph = task.search.best()
    if isinstance(graph, Failed):
        return Refused(tuple(_why_none(task, graph.reached)))
    return _solved(task, graph, Budget(effort.place_s, effort.seed))


def warm() -> None:
    """Load the solver, so that the first desk of the day does not wait for it."""
    import services.scheduler.planner.models as _  # noqa: F401  (loading is all that is wanted)


def possible(problem: Problem, request: Request) -> bool:
    """Whether there are days for the whole series at all: quick, and true of all that `place` places."""
    return not unsound(problem, request) and isinstance(Task.of(problem, request).search.best(), Graph)


def blame(problem: Problem, request: Request) -> Iterator[Reason]:
    """Which single wish stands in the way of the whole series; that none does is said as well."""
    found = [
        given for given in WISHES if given.is_made(request) and possible(problem, given.dropped(request))
    ]
    for given in found:
        yield reason(f"series-{given.id}", **given.words(problem, request))
    if not found and not possible(problem, replace(request, wishes=Wishes())):
        yield reason("series-full")


def _why_none(task: "Task", reached: int) -> Iterator[Reason]:
    """A start that is over comes first; where every day of it is, nothing else is at fault."""
    problem, request = task.problem, task.request
    today = problem.today(request.site)
    if request.earliest < today and not request.fixed:
        yield reason("earliest-past", earliest=request.earliest, today=today)
        if task.horizon.latest_start < today:
            return
    yield _series(task, reached)
    yield from blame(problem, request)


def _series(task: "Task", reached: int) -> Reason:
    latest = task.horizon.latest_start
    return reason("series", sessions=task.request.sessions, latest=latest, reached=reached)


@dataclass(frozen=True, slots=True)
class Task:
    """A request with the days and starts it may be placed on."""

    problem: Problem
    request: Request
    horizon: Horizon
    free: Free
    starts: dict[int, tuple[Start, ...]]  # day -> starts, fixed sessions included
    search: Search
    fixed_days: frozenset[int]

    @classmethod
    def of(cls, problem: Problem, request: Request) -> "Task":
        """Look up what is free."""
        site = problem.sites[request.site]
        zone = ZoneInfo(site.zone)
        fixed = {one.number - 1: one for one in request.fixed}
        fixed_day = {n: one.starts_at.astimezone(zone).date() for n, one in fixed.items()}
        horizon = horizon_of(site, request, list(fixed_day.values()))
        free = free_starts(problem, request, horizon.first, horizon.last)
        starts = {horizon.number(day): found for day, found in free.days.items()}
        for n, one in fixed.items():
            starts[horizon.number(fixed_day[n])] = (_start_of(one, zone),)
        held = {horizon.number(day) for day in fixed_day.values()}
        plain = sorted(starts.keys() - held)
        latest = horizon.number(horizon.latest_start)
        choices = [
            [horizon.number(fixed_day[n])] if n in fixed else [d for d in plain if n or d <= latest]
            for n in range(request.sessions)
        ]
        weeks = tuple(week for week, _ in request.cadence.weeks_of(request.sessions))
        search = Search(request, horizon, choices, frozenset(fixed), weeks)
        return cls(problem, request, horizon, free, starts, search, frozenset(held))

    def gap_minutes(self, day: int, start: Start, device: str) -> int:
        """What an appointment adds to the idle minutes of a device's day; a fixed one adds nothing new."""
        date_ = self.horizon.first + timedelta(days=day)
        return self.free.gap_minutes(date_, start, device) if start in self.free.days.get(date_, ()) else 0


def _start_of(one: Placed, zone: ZoneInfo) -> Start:
    local = one.starts_at.astimezone(zone)
    return Start(minute_of(one.starts_at), local.hour * 60 + local.minute, (one.device,), (one.therapist,))


def _solved(task: Task, graph: Graph, budget: Budget) -> Plan | Refused:
    from services.scheduler.planner.models import DaysModel, StartsModel

    outline = budget.solve(DaysModel(task.starts, graph).few_times_early())
    found = _kept(task, graph, outline, budget) if outline else None
    if found is None and not budget.spent:  # the rest between sessions forbids the outline: ask again with it
        graph_with_rest = _with_rest(task)
        if graph_with_rest is not None:
            outline = budget.solve(StartsModel(task, graph_with_rest).few_times_early())
            found = _kept(task, graph_with_rest, outline, budget) if outline else None
    if found is None:
        return _none(task, budget)
    appointments = tuple(_appointments(task, found))
    return Plan(appointments, figures_of(task.problem, task.request, appointments), budget.proven)


def _kept(task: Task, graph: Graph, outline: Outline, budget: Budget) -> Chosen | None:
    """The outline's start and number of times with few people, then few gaps; None when it cannot be kept."""
    from services.scheduler.planner.models import StartsModel

    model = StartsModel(task, graph, outline.start)
    people = budget.solve(model.few_people(outline.times))
    return None if people is None else budget.solve(model.few_gaps(people)) or people


def _with_rest(task: Task) -> Graph | None:
    """The best cadences that leave the rest between sessions; None: there is none."""
    site = task.problem.sites[task.request.site]
    apart = site.appointment_min + ceil(site.rest_h * 60)
    minutes = {day: [start.minute for start in starts] for day, starts in task.starts.items()}
    cost = task.search.cost_with_rest(minutes, apart)
    return None if cost is None else task.search.within(cost).costing(cost)


def _none(task: Task, budget: Budget) -> Plan | Refused:
    if budget.spent and not task.request.fixed:
        simple = first_fit(task.problem, task.request)  # a whole series that is not the best beats none
        if isinstance(simple, Plan):
            return simple
    if budget.spent:
        return Refused((reason("time-limit", seconds=float(budget.limit_s)),), proven=False)
    site = task.problem.sites[task.request.site]
    return Refused((_series(task, task.request.sessions - 1), reason("series-rest", rest=float(site.rest_h))))


def _appointments(task: Task, chosen: Chosen) -> Iterator[Placed]:
    """The appointments; where several of the chosen therapists can, the one of most sessions does."""
    site = task.problem.sites[task.request.site]
    common = Counter(key for start in chosen.starts for key in (*start.devices, *start.therapists))
    fixed = {one.number: one for one in task.request.fixed}
    for number, (day, start) in enumerate(zip(chosen.days, chosen.starts, strict=True), 1):
        if number in fixed:
            yield fixed[number]
            continue
        devices = [key for key in start.devices if key in chosen.people]
        therapists = [key for key in start.therapists if key in chosen.people]
        begins = moment_of(start.minute, site.zone)
        yield Placed(
            number,
            begins,
            moment_of(start.minute + site.appointment_min, site.zone),
            min(devices, key=lambda key: (task.gap_minutes(day, start, key), -common[key])),
            max(therapists, key=lambda key: common[key]),
        )
