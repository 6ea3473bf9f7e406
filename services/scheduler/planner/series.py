"""On which days a cure may fall, and which choices of days keep its cadence best.

Exact, by dynamic programming. The days of the best cadences form a small graph. The solver afterwards
chooses only among its paths, so the first part of the objective is settled before a model is built.
"""

from collections import defaultdict
from collections.abc import Sequence
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
Node = tuple[int, int, int]  # session (0 is the first), day (0 is the horizon's first), cadence cost so far


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

    def best(self) -> Graph | Failed:
        """All series of days with the least cadence cost."""
        weeks = [week for week, _ in self.request.cadence.weeks_of(self.request.sessions)]
        reached = 0
        for perfect in (True, False):  # most cures keep their cadence whole: look for those alone first
            arcs = self._arcs(perfect=perfect)
            runs = {start: self._forward(arcs, weeks, start) for start in self.choices[0]}
            whole = {start: run for start, run in runs.items() if len(run) == self.request.sessions}
            if whole:
                return self._graph(whole, arcs, weeks)
            reached = max((len(run) for run in runs.values()), default=0)
        return Failed(reached)

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

    def _forward(self, arcs: list[Arcs], weeks: list[int], start: int) -> list[Costs]:
        run: list[Costs] = [{start: 0}]
        for session, row in enumerate(arcs):
            floor = 0 if session + 1 in self.fixed else start + 7 * weeks[session + 1]
            costs: Costs = {}
            for day, so_far in run[-1].items():
                for later, cost in row[day]:
                    if later >= floor and so_far + cost < costs.get(later, _NEVER):
                        costs[later] = so_far + cost
            if not costs:
                break
            run.append(costs)
        return run

    def _graph(self, runs: dict[int, list[Costs]], arcs: list[Arcs], weeks: list[int]) -> Graph:
        least = min(min(run[-1].values()) for run in runs.values())
        graph = Graph(least, [set() for _ in range(self.request.sessions)])
        for start, run in runs.items():
            alive = {day for day, cost in run[-1].items() if cost == least}
            self._note(graph, run, self.request.sessions - 1, alive, start)
            for session in range(self.request.sessions - 2, -1, -1):
                floor = 0 if session + 1 in self.fixed else start + 7 * weeks[session + 1]
                before: set[int] = set()
                for day, so_far in run[session].items():
                    for later, cost in arcs[session][day]:
                        if later >= floor and later in alive and so_far + cost == run[session + 1][later]:
                            before.add(day)
                            node = (session, day, so_far)
                            graph.after[node].add((session + 1, later, so_far + cost))
                alive = before
                self._note(graph, run, session, alive, start)
        return graph

    def _note(self, graph: Graph, run: list[Costs], session: int, days: set[int], start: int) -> None:
        for day in days:
            node = (session, day, run[session][day])
            graph.layers[session].add(node)
            graph.starts[node].add(start)

    def within(self, most: int) -> Graph:
        """All series of days that cost no more than ``most``; a node says what it has cost so far."""
        weeks = [week for week, _ in self.request.cadence.weeks_of(self.request.sessions)]
        arcs = self._arcs(perfect=False)
        graph = Graph(most, [set() for _ in range(self.request.sessions)])
        for start in self.choices[0]:
            layer: set[Node] = {(0, start, 0)}
            layers = [layer]
            for session, row in enumerate(arcs):
                floor = 0 if session + 1 in self.fixed else start + 7 * weeks[session + 1]
                for node in layer:
                    graph.after[node] |= {
                        (session + 1, later, node[2] + cost)
                        for later, cost in row[node[1]]
                        if later >= floor and node[2] + cost <= most
                    }
                layer = {node for before in layer for node in graph.after[before] if node[1] >= floor}
                layers.append(layer)
            alive = layers[-1]
            for session in range(self.request.sessions - 1, -1, -1):
                if session < self.request.sessions - 1:
                    alive = {node for node in layers[session] if graph.after[node] & alive}
                graph.layers[session] |= alive
                for node in alive:
                    graph.starts[node].add(start)
        return graph
