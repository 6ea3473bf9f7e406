"""The CP-SAT models of one cure: which of the days and starts that are free."""

from collections import defaultdict
from math import ceil
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ortools.sat.python import cp_model

from services.scheduler.planner.calendar import DAY_MIN
from services.scheduler.planner.free import Start
from services.scheduler.planner.series import Graph, Node
from services.scheduler.planner.solving import Chosen, Outline, Question

if TYPE_CHECKING:
    from services.scheduler.planner.place import Task

Starts = dict[int, tuple[Start, ...]]

MORNING_MIN: Final = 6 * 60  # the night ends at six (ArbZG section 2): a time before it comes last in the day


def late_min(time: int) -> int:
    """How late a time of day is, in minutes from the morning on: at 06:00 none, last of all at 05:45."""
    return (time - MORNING_MIN) % DAY_MIN


class DaysModel:
    """Days of the best cadences and the times of day they need; which time on which day is left open."""

    def __init__(self, starts: Starts, graph: Graph, only_start: int | None = None) -> None:
        self.model = cp_model.CpModel()
        self.starts = starts
        self.node: dict[Node, cp_model.IntVar] = {}
        self.on_day: dict[int, list[cp_model.IntVar]] = defaultdict(list)
        self.time: dict[int, cp_model.IntVar] = {}
        self.sessions = len(graph.layers)
        self._nodes(graph, only_start)
        self._join(graph)
        self.first = {node[1]: var for node, var in self.node.items() if node[0] == 0}
        if only_start is None:
            self._floors(graph)

    def few_times_early(self) -> Question[Outline]:
        """Fewest times of day, then the earliest start."""
        self.times_allow_days()
        most = max(self.first) + 1
        times, start = sum(self.time.values()), sum(day * var for day, var in self.first.items())
        self.model.minimize(most * times + start)

        def read(solver: cp_model.CpSolver) -> Outline:
            return Outline(
                sum(solver.boolean_value(var) for var in self.time.values()),
                next(day for day, var in self.first.items() if solver.boolean_value(var)),
            )

        return Question(self.model, read)

    def times_allow_days(self) -> None:
        """A day may be used when one of its times is."""
        for day, nodes in self.on_day.items():
            times = [self.time[start.time] for start in self.starts[day]]
            for var in nodes:
                self.model.add_bool_or([var.negated(), *times])

    def _nodes(self, graph: Graph, only_start: int | None) -> None:
        for layer in graph.layers:
            row = [n for n in sorted(layer) if only_start is None or only_start in graph.starts[n]]
            for n in row:
                self.node[n] = var = self.model.new_bool_var("")
                self.on_day[n[1]].append(var)
            self.model.add_exactly_one(self.node[n] for n in row)
        for day in sorted(self.on_day):
            for start in self.starts[day]:
                if start.time not in self.time:
                    self.time[start.time] = self.model.new_bool_var("")

    def _join(self, graph: Graph) -> None:
        """Whoever is at one day is next at one of those that the graph joins to it."""
        before: dict[Node, list[cp_model.IntVar]] = defaultdict(list)
        for n, here in self.node.items():
            after = [m for m in sorted(graph.after.get(n, ())) if m in self.node]
            if n[0] < self.sessions - 1:
                self.model.add_bool_or([here.negated(), *(self.node[m] for m in after)])
            for m in after:
                before[m].append(here)
        for n, here in self.node.items():
            if n[0]:
                self.model.add_bool_or([here.negated(), *before[n]])

    def _floors(self, graph: Graph) -> None:
        """Each session waits for its week, counted from the first session's day."""
        for n, here in self.node.items():
            if n[0] and not graph.starts[n] >= self.first.keys():
                self.model.add_bool_or([here.negated(), *(self.first[s] for s in sorted(graph.starts[n]))])


class StartsModel(DaysModel):
    """Days with the start of each, the rest between them, and which devices and therapists serve them."""

    def __init__(self, task: "Task", graph: Graph, only_start: int | None = None) -> None:
        super().__init__(task.starts, graph, only_start)
        self.task = task
        self.at: dict[int, list[cp_model.IntVar]] = {}
        self.people: dict[str | UUID, cp_model.IntVar] = {}
        for day in sorted(self.on_day):
            self._day(day)
        self._rest()

    def few_people(self, times: int) -> Question[Chosen]:
        """Fewest devices and therapists with so many times of day."""
        self.model.add(sum(self.time.values()) <= times)
        self.model.minimize(sum(self.people.values()))
        return Question(self.model, self._read)

    def few_gaps(self, found: Chosen) -> Question[Chosen]:
        """Fewest gap minutes on devices with no more people than were found; among equals, earlier times."""
        self.model.add(sum(self.people.values()) <= len(found.people))
        self._hint(found)
        terms = [
            term
            for day, row in self.at.items()
            for k, var in enumerate(row)
            for term in self._gap(day, k, var)
        ]
        late = [late_min(time) for time in self.time]
        gap = self.sessions * DAY_MIN  # more than all lateness that there can be
        self.model.minimize(
            cp_model.LinearExpr.weighted_sum([*terms, *self.time.values()], [*(gap for _ in terms), *late])
        )
        return Question(self.model, self._read)

    def _day(self, day: int) -> None:
        model, starts = self.model, self.starts[day]
        self.at[day] = row = [model.new_bool_var("") for _ in starts]
        model.add(sum(row) == sum(self.on_day[day]))
        for start, var in zip(starts, row, strict=True):
            model.add_implication(var, self.time[start.time])
            for keys in (start.devices, start.therapists):
                used = [self._person(key) for key in keys]
                model.add_bool_or([var.negated(), *used])

    def _person(self, key: str | UUID) -> cp_model.IntVar:
        if key not in self.people:
            self.people[key] = self.model.new_bool_var("")
        return self.people[key]

    def _gap(self, day: int, k: int, var: cp_model.IntVar) -> list[cp_model.LinearExprT]:
        start = self.starts[day][k]
        gaps = {key: self.task.gap_minutes(day, start, key) for key in start.devices}
        if len(set(gaps.values())) == 1:
            return [gaps[start.devices[0]] * var]
        on = {key: self.model.new_bool_var("") for key in gaps}
        self.model.add(sum(on.values()) == var)
        for key, there in on.items():
            self.model.add_implication(there, self.people[key])
        return [gaps[key] * there for key, there in on.items()]

    def _rest(self) -> None:
        """Starts of two days that leave the patient too little rest exclude each other."""
        site = self.task.problem.sites[self.task.request.site]
        apart = site.appointment_min + ceil(site.rest_h * 60)
        for day in self.at:
            for later in range(day + 1, day + apart // DAY_MIN + 2):
                if later in self.at and not {day, later} <= self.task.fixed_days:
                    self._apart(apart, day, later)

    def _apart(self, apart: int, day: int, later: int) -> None:
        covered = 0
        for n, start in enumerate(self.starts[day]):
            near = sum(other.minute < start.minute + apart for other in self.starts[later])
            if near > covered:  # this start and all after it exclude all those that are near
                self.model.add_at_most_one([*self.at[day][n:], *self.at[later][:near]])
                covered = near

    def _hint(self, found: Chosen) -> None:
        chosen = dict(zip(found.days, found.starts, strict=True))
        used = {start.time for start in found.starts}
        for day, row in self.at.items():
            for start, var in zip(self.starts[day], row, strict=True):
                self.model.add_hint(var, chosen.get(day) is start)
        for minutes, var in self.time.items():
            self.model.add_hint(var, minutes in used)
        for key, var in self.people.items():
            self.model.add_hint(var, key in found.people)

    def _read(self, solver: cp_model.CpSolver) -> Chosen:
        days = [node[1] for node, var in sorted(self.node.items()) if solver.boolean_value(var)]
        starts = []
        for day in days:
            k = next(k for k, var in enumerate(self.at[day]) if solver.boolean_value(var))
            starts.append(self.starts[day][k])
        people = frozenset(key for key, var in self.people.items() if solver.boolean_value(var))
        return Chosen(tuple(days), tuple(starts), people)
