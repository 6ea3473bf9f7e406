"""On which days a cure may fall, and which choices of days keep its cadence best.

Exact, by dynamic programming. The days of the best cadences form a small graph. The solver afterwards
chooses only among its paths, so the first part of the objective is settled before a model is built.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from typing import Final

from services.scheduler.planner.cadences import GAPS
from services.scheduler.planner.calendar import is_special
from services.scheduler.planner.problem import Request, Site

SLACK_DAYS: Final = 28  # how much longer than its cadence says a cure may take
ONE_VIOLATION: Final = 1000  # more than all days by which the pauses of one cure can miss their cadence

_NEVER: Final = 1 << 60
_WEEK_LESS_ONE: Final = 6
# Session (0 is the first), day (0 is the horizon's first), cadence cost so far, and the first session's day:
# -1 where nothing has cost anything, since then it does not matter which.
Node = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Horizon:
    """The days that are looked at, and how many of them are closed although their weekday is open."""

    first: date
    last: date
    latest_start: date
    special_before: tuple[int, ...]  # for every day, how many special ones lie before it

    def number(self, day: date) -> int:
        """A date as a count of days."""
        return (day - self.first).days

    def special_between(self, earlier: int, later: int) -> int:
        """Holidays and closed days strictly between two days."""
        return self.special_before[later] - self.special_before[earlier + 1]


def horizon_of(site: Site, request: Request, fixed_days: Sequence[date]) -> Horizon:
    """From the earliest start (or the first fixed session) to the latest end."""
    first = min((request.earliest, *fixed_days))
    latest_start = request.earliest + timedelta(days=request.start_within_days)
    weeks = request.cadence.weeks_of(request.sessions)[-1][0] + 1
    last = max((latest_start, *fixed_days)) + timedelta(days=7 * weeks + SLACK_DAYS)
    special, count = [0], 0
    for n in range((last - first).days + 1):
        count += is_special(site, first + timedelta(days=n))
        special.append(count)
    return Horizon(first, last, latest_start, tuple(special))


@dataclass(frozen=True, slots=True)
class Pair:
    """What the cadence says about one session and the next."""

    fewest_days: int
    most_days: int


def pairs_of(request: Request) -> list[Pair]:
    """For every two neighbouring sessions, the days that may lie from one to the next."""
    weeks = request.cadence.weeks_of(request.sessions)
    return [
        Pair(min(GAPS[a][0], GAPS[b][0]), max(GAPS[a][1], GAPS[b][1])) for (_, a), (_, b) in pairwise(weeks)
    ]


def miss_days(pair: Pair, earlier: int, later: int, special: int) -> int:
    """By how many days two sessions are too close or too far apart; a closed day is nobody's fault."""
    gap = later - earlier
    return max(pair.fewest_days - gap, gap - special - pair.most_days, 0)


def late_days(week: int, first: int, day: int, special: int) -> int:
    """By how many days a session comes after its week of the series; closed days since the first excuse."""
    return max(day - (first + 7 * week + 6) - special, 0)


@dataclass(slots=True)
class Graph:
    """All paths of days with the least cadence cost."""

    cost: int
    layers: list[set[Node]]
    after: dict[Node, set[Node]] = field(default_factory=lambda: defaultdict(set))
    starts: dict[Node, set[int]] = field(default_factory=lambda: defaultdict(set))  # first days it goes with

    def costing(self, cost: int) -> "Graph":
        """Only the paths that cost this much."""
        layers: list[set[Node]] = [{node for node in self.layers[-1] if node[2] == cost}]
        for layer in reversed(self.layers[:-1]):
            layers.insert(0, {node for node in layer if self.after[node] & layers[0]})
        return Graph(cost, layers, self.after, self.starts)


@dataclass(frozen=True, slots=True)
class Failed:
    """No path: how many sessions the longest beginning of a series has."""

    reached: int


Costs = dict[int, int]  # day -> least cadence cost of a series that has come so far
Arcs = dict[int, list[tuple[int, int]]]  # day -> later days with the cost of going there


@dataclass(frozen=True, slots=True)
class Search:
    """For every session (0 is the first) the days it may lie on; ``fixed`` ones stay where they are."""

    request: Request
    horizon: Horizon
    choices: Sequence[Sequence[int]]
    fixed: frozenset[int]
    weeks: tuple[int, ...]

    def best(self) -> Graph | Failed:
        """All series of days with the least cadence cost."""
        reached = 0
        for perfect in (True, False):  # most cures keep their cadence whole: look for those alone first
            arcs = self._arcs(perfect=perfect)
            runs = {start: self._forward(arcs, start, perfect=perfect) for start in self.choices[0]}
            whole = {start: run for start, run in runs.items() if len(run) == self.request.sessions}
            if whole:
                return self._graph(whole, arcs)
            reached = max((len(run) for run in runs.values()), default=0)
        return Failed(reached)

    def _steps(self, row: Arcs, session: int, day: int, start: int) -> Iterator[tuple[int, int]]:
        """From a session's day to the next one's, with the cost of going there in a cure of that start."""
        after = session + 1
        week = self.weeks[after]
        floor = 0 if after in self.fixed else start + 7 * week
        for later, cost in row[day]:
            if later < floor:
                continue
            over = later - floor > _WEEK_LESS_ONE or after in self.fixed
            late = late_days(week, start, later, self.horizon.special_between(start, later)) if over else 0
            yield later, cost + (ONE_VIOLATION + late if late else 0)

    def _arcs(self, *, perfect: bool) -> list[Arcs]:
        made: dict[Pair, Arcs] = {}  # the same for all sessions that nothing holds in place
        rows: list[Arcs] = []
        for session, pair in enumerate(pairs_of(self.request)):
            plain = session > 0 and not {session, session + 1} & self.fixed
            row = made.get(pair) if plain else None
            if row is None:
                row = {day: self._later(session, pair, day, perfect=perfect) for day in self.choices[session]}
            if plain:
                made[pair] = row
            rows.append(row)
        return rows

    def _later(self, session: int, pair: Pair, day: int, *, perfect: bool) -> list[tuple[int, int]]:
        both_fixed = session in self.fixed and session + 1 in self.fixed
        most = day + self.request.longest_pause_days
        rows = []
        for later in self.choices[session + 1]:
            if later <= day or (later > most and not both_fixed):
                continue
            miss = miss_days(pair, day, later, self.horizon.special_between(day, later))
            if not (miss and perfect and not both_fixed):
                rows.append((later, ONE_VIOLATION + miss if miss else 0))
        return rows

    def _forward(self, arcs: list[Arcs], start: int, *, perfect: bool) -> list[Costs]:
        run: list[Costs] = [{start: 0}]
        for session, row in enumerate(arcs):
            costs: Costs = {}
            held = session + 1 in self.fixed
            for day, so_far in run[-1].items():
                for later, cost in self._steps(row, session, day, start):
                    if not (cost and perfect and not held) and so_far + cost < costs.get(later, _NEVER):
                        costs[later] = so_far + cost
            if not costs:
                break
            run.append(costs)
        return run

    def _graph(self, runs: dict[int, list[Costs]], arcs: list[Arcs]) -> Graph:
        least = min(min(run[-1].values()) for run in runs.values())
        graph = Graph(least, [set() for _ in range(self.request.sessions)])
        for start, run in runs.items():
            mark = start if least else -1
            alive = {day for day, cost in run[-1].items() if cost == least}
            self._note(graph, run, self.request.sessions - 1, alive, start, mark)
            for session in range(self.request.sessions - 2, -1, -1):
                before: set[int] = set()
                for day, so_far in run[session].items():
                    for later, cost in self._steps(arcs[session], session, day, start):
                        if later in alive and so_far + cost == run[session + 1][later]:
                            before.add(day)
                            node = (session, day, so_far, mark)
                            graph.after[node].add((session + 1, later, so_far + cost, mark))
                alive = before
                self._note(graph, run, session, alive, start, mark)
        return graph

    def _note(
        self, graph: Graph, run: list[Costs], session: int, days: set[int], start: int, mark: int
    ) -> None:
        for day in days:
            node = (session, day, run[session][day], mark)
            graph.layers[session].add(node)
            graph.starts[node].add(start)

    def cost_with_rest(self, minutes: Mapping[int, Sequence[int]], apart: int) -> int | None:
        """The least cadence cost where two starts lie ``apart`` or more; ``minutes`` are each day's starts.

        Of two ways to a day that cost the same, the one with the earlier start leaves more open: so a day
        needs to remember no more than the earliest start for each cost.
        """
        arcs = self._arcs(perfect=False)
        best: int | None = None
        for start in self.choices[0]:
            labels = [(start, 0, minutes[start][0])]
            for session, row in enumerate(arcs):
                found: dict[int, dict[int, int]] = {}
                held = {session, session + 1} <= self.fixed  # as they are, whatever the rest between them
                for day, so_far, minute in labels:
                    ready = minute + (0 if held else apart)
                    for later, cost in self._steps(row, session, day, start):
                        total, starts = so_far + cost, minutes[later]
                        first = bisect_left(starts, ready)
                        if first < len(starts) and (best is None or total < best):
                            known = found.setdefault(later, {})
                            known[total] = min(starts[first], known.get(total, _NEVER))
                labels = [(day, cost, minute) for day, row_ in found.items() for cost, minute in _front(row_)]
            best = min((cost for _, cost, _ in labels), default=best)
        return best

    def _left(self, arcs: list[Arcs], start: int, most: int) -> list[Costs]:
        """What the rest of a series costs at least, from every day that can be reached for ``most``."""
        run = self._forward(arcs, start, perfect=False)
        if len(run) < self.request.sessions:
            return [{}]
        left: list[Costs] = [{} for _ in run]
        left[-1] = dict.fromkeys(run[-1], 0)
        for session in range(len(run) - 2, -1, -1):
            for day, so_far in run[session].items():
                steps = self._steps(arcs[session], session, day, start) if so_far <= most else ()
                least = min(
                    (cost + left[session + 1].get(later, _NEVER) for later, cost in steps), default=_NEVER
                )
                if so_far + least <= most:
                    left[session][day] = least
        return left

    def within(self, most: int) -> Graph:
        """All series of days that cost no more than ``most``; a node says what it has cost so far."""
        arcs = self._arcs(perfect=False)
        graph = Graph(most, [set() for _ in range(self.request.sessions)])
        for start in self.choices[0]:
            left = self._left(arcs, start, most)
            if left[0].get(start, _NEVER) > most:
                continue
            layers: list[set[Node]] = [{(0, start, 0, start)}]
            for session, row in enumerate(arcs):
                for node in layers[-1]:
                    graph.after[node] = {
                        (session + 1, later, node[2] + cost, start)
                        for later, cost in self._steps(row, session, node[1], start)
                        if node[2] + cost + left[session + 1].get(later, _NEVER) <= most
                    }
                layers.append({later for node in layers[-1] for later in graph.after[node]})
            alive = layers[-1]
            for session in range(self.request.sessions - 1, -1, -1):
                if session < self.request.sessions - 1:
                    alive = {node for node in layers[session] if graph.after[node] & alive}
                graph.layers[session] |= alive
                for node in alive:
                    graph.starts[node].add(start)
        return graph


def _front(known: dict[int, int]) -> Iterator[tuple[int, int]]:
    """Costs with their earliest starts, without those that a cheaper way reaches as early."""
    earliest = _NEVER
    for cost, minute in sorted(known.items()):
        if minute < earliest:
            yield cost, minute
            earliest = minute
