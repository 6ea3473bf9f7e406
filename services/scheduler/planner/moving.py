"""The CP-SAT model of re-planning: which of its places each appointment takes, on which device, with whom."""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import combinations
from math import ceil, gcd
from uuid import UUID

from ortools.sat.python import cp_model

from services.scheduler.planner.calendar import DAY_MIN, minute_of
from services.scheduler.planner.problem import Booked, Effort, Problem, Site
from services.scheduler.planner.replan import Candidate, Movable, Move, Replan, is_kept, placed_at
from services.scheduler.planner.solving import solver_of

DAY_COST = 100  # a day's shift costs as much as being moved by 25 hours within a day
ELSEWHERE_COST = 1  # beside one left without a place, which costs more than all that are sent elsewhere


Terms = list[tuple[int, cp_model.IntVar]]


@dataclass(slots=True)
class Row:
    """One appointment's variables."""

    movable: Movable
    at: list[cp_model.IntVar]
    left: cp_model.IntVar  # no place at all
    device: list[dict[str, cp_model.IntVar]] = field(default_factory=list)
    therapist: list[dict[UUID, cp_model.IntVar]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Found:
    """An answer of one stage: every variable's value, what it is worth, and what none can be below."""

    solution: list[int]
    value: int
    bound: int
    proven: bool


class Moving:
    """All appointments that may be moved, with their places."""

    def __init__(
        self, movables: tuple[Movable, ...], problem: Problem, bound: int = 0, *, all_may_leave: bool = False
    ) -> None:
        self.problem, self.bound, self.all_may_leave = problem, bound, all_may_leave
        self.model = cp_model.CpModel()
        self.cell_min = gcd(*(part for site in problem.sites.values() for part in _parts(site)))
        self.cells: dict[tuple[str, str, int], list[cp_model.IntVar]] = defaultdict(list)
        self.rows = [self._row(one) for one in movables]
        for sharing in self.cells.values():
            if len(sharing) > 1:
                self.model.add_at_most_one(sharing)
        self._patients()
        self.moved = self._moved()

    def _row(self, movable: Movable) -> Row:
        model = self.model
        row = Row(movable, [model.new_bool_var("") for _ in movable.places], model.new_bool_var(""))
        model.add_exactly_one([*row.at, row.left])
        if not movable.hit and not self.all_may_leave:
            model.add(row.left == 0)  # what nothing has hit is not given up
        for place, var in zip(movable.places, row.at, strict=True):
            site = self.problem.sites[place.site]
            row.device.append({key: model.new_bool_var("") for key in place.start.devices})
            row.therapist.append({key: model.new_bool_var("") for key in place.start.therapists})
            model.add(sum(row.device[-1].values()) == var)
            model.add(sum(row.therapist[-1].values()) == var)
            length = site.appointment_min
            for bed, there in row.device[-1].items():
                self._take("device " + place.site, bed, place, length + site.clean_up_min, there)
            for key, there in row.therapist[-1].items():
                self._take("therapist", str(key), place, length, there)
        return row

    def _take(self, kind: str, key: str, place: Candidate, length: int, var: cp_model.IntVar) -> None:
        size = self.cell_min
        for cell in range(place.start.minute // size, -(-(place.start.minute + length) // size)):
            self.cells[kind, key, cell].append(var)

    def _patients(self) -> None:
        """Several appointments of one patient keep their order, a day each within a cure, and the rest."""
        of_patient: dict[UUID, list[Row]] = defaultdict(list)
        for row in self.rows:
            of_patient[row.movable.booked.patient].append(row)
        for rows in of_patient.values():
            ordered = sorted(rows, key=lambda row: row.movable.booked.starts_at)
            for earlier, later in combinations(ordered, 2):
                self._in_order(earlier, later)

    def _in_order(self, earlier: Row, later: Row) -> None:
        first, then = earlier.movable.booked, later.movable.booked
        site = self.problem.sites[then.site]
        apart = site.appointment_min + ceil(site.rest_h * 60)
        for a, here in zip(earlier.movable.places, earlier.at, strict=True):
            clash = [
                there
                for b, there in zip(later.movable.places, later.at, strict=True)
                if b.start.minute - a.start.minute < apart or (first.cure == then.cure and a.day >= b.day)
            ]
            if clash:
                self.model.add(sum(clash) + here <= 1)

    def _moved(self) -> dict[UUID, cp_model.IntVar]:
        moved: dict[UUID, cp_model.IntVar] = {}
        for row in self.rows:
            patient = row.movable.booked.patient
            if patient not in moved:
                moved[patient] = self.model.new_bool_var("")
            self.model.add_implication(row.left, moved[patient])
            for place, var in zip(row.movable.places, row.at, strict=True):
                if not is_kept(row.movable.booked, place):
                    self.model.add_implication(var, moved[patient])
        return moved

    def fewest_moved(self, effort: Effort) -> int:
        """How many patients no answer can spare."""
        moved = [(1, var) for var in self.moved.values()]
        return self._ask(moved, effort.replan_s, effort.seed, self._begin(None)).bound

    def solve(self, effort: Effort, known: Replan | None = None) -> Replan:
        """None left over, then few patients moved, then little shift: each kept while the next is sought.

        ``known`` is a proposal that moves only what was hit; this one is never worse.
        """
        weight = len(self.rows) + 1
        left = [(weight, row.left) for row in self.rows]
        left += [
            (ELSEWHERE_COST, var)
            for row in self.rows
            for place, var in zip(row.movable.places, row.at, strict=True)
            if place.site != row.movable.booked.site
        ]
        limit_s = effort.replan_s / 3
        first = self._ask(left, limit_s, effort.seed, self._begin(known))
        moved = [(1, var) for var in self.moved.values()]
        second = self._ask(moved, limit_s, effort.seed, first.solution, self.bound)
        if second.value == 0:
            self._keep_times()
        third = self._ask(self._shift(), limit_s / 2, effort.seed, second.solution)
        moves, unplaced = self._read(third.solution)
        return Replan(
            moves,
            unplaced,
            second.value,
            second.bound,
            unplaced_lower_bound=first.bound // weight,
            proven=first.proven and second.proven,
        )

    def _keep_times(self) -> None:
        """Nobody need be moved: then only beds and therapists are left to be chosen."""
        for row in self.rows:
            for place, var in zip(row.movable.places, row.at, strict=True):
                if not is_kept(row.movable.booked, place):
                    self.model.add(var == 0)

    def _begin(self, known: Replan | None) -> list[int]:
        """An answer to begin with: what is known; else what is hit is left over and the rest stays."""
        solution = [0] * len(self.model.proto.variables)
        moves = {move.was.id: move for move in known.moves} if known else {}
        for row in self.rows:
            one, move = row.movable.booked, moves.get(row.movable.booked.id)
            k = row.movable.stays if move is None else row.movable.place_of(move)
            if k is None or (row.movable.hit and move is None):
                solution[row.left.index] = solution[self.moved[one.patient].index] = 1
                continue
            device, therapist = (move.to.device, move.to.therapist) if move else (one.device, one.therapist)
            solution[row.at[k].index] = 1
            solution[row.device[k][device or ""].index] = 1
            solution[row.therapist[k][therapist or UUID(int=0)].index] = 1
            if move is not None and move.changes_time:
                solution[self.moved[one.patient].index] = 1
        return solution

    def _ask(self, terms: Terms, limit_s: float, seed: int, known: list[int], bound: int = 0) -> Found:
        """The least of these terms, which is then kept; what is known already is the least to expect.

        None can be below ``bound``: what is known and reaches it needs no search.
        """
        value = sum(cost * known[var.index] for cost, var in terms)
        if value <= bound:
            self.model.add(sum(cost * var for cost, var in terms) <= value)
            return Found(known, value, value, proven=True)
        self.model.add(sum(cost * var for cost, var in terms) >= bound)
        self.model.minimize(sum(cost * var for cost, var in terms))
        self.model.clear_hints()  # type: ignore[no-untyped-call]  # the library leaves it bare
        for index, value in enumerate(known):
            self.model.add_hint(self.model.get_bool_var_from_proto_index(index), bool(value))
        solver = solver_of(limit_s, seed)
        status = solver.solve(self.model)
        found = Found(known, value, bound, proven=False)
        if status in {cp_model.OPTIMAL, cp_model.FEASIBLE}:
            bound = max(ceil(solver.best_objective_bound - 1e-6), bound)
            solution = list(solver.response_proto.solution)
            found = Found(solution, round(solver.objective_value), bound, proven=status == cp_model.OPTIMAL)
        self.model.add(sum(cost * var for cost, var in terms) <= found.value)
        return found

    def _shift(self) -> Terms:
        terms: Terms = []
        for row in self.rows:
            one = row.movable.booked
            was = minute_of(one.starts_at)
            for k, (place, var) in enumerate(zip(row.movable.places, row.at, strict=True)):
                shift = abs(place.start.minute - was)
                days = (shift + DAY_MIN // 2) // DAY_MIN
                terms.append((10 * (DAY_COST * days + abs(shift - days * DAY_MIN) // 15), var))
                terms += [(1, there) for key, there in row.device[k].items() if key != one.device]
                terms += [(1, there) for key, there in row.therapist[k].items() if key != one.therapist]
        return terms

    def _read(self, solution: list[int]) -> tuple[tuple[Move, ...], tuple[Booked, ...]]:
        moves, unplaced = [], []
        for row in self.rows:
            one = row.movable.booked
            if solution[row.left.index]:
                unplaced.append(one)
                continue
            k = next(k for k, var in enumerate(row.at) if solution[var.index])
            device = next(key for key, var in row.device[k].items() if solution[var.index])
            therapist = next(key for key, var in row.therapist[k].items() if solution[var.index])
            place = row.movable.places[k]
            if (device, therapist) != (one.device, one.therapist) or not is_kept(one, place):
                moves.append(Move(one, placed_at(self.problem, one, place, device, therapist), place.site))
        return tuple(moves), tuple(unplaced)


def _parts(site: Site) -> tuple[int, int, int]:
    """What all starts and ends of a site are multiples of, counted from the full hour."""
    return site.grid_min, site.appointment_min, site.clean_up_min or site.grid_min
