"""Asking CP-SAT: one worker, one seed, one budget of seconds for all questions about a cure."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar
from uuid import UUID

from services.scheduler.planner.free import Start

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outline:
    """How many times of day a series needs, and the day on which it then starts earliest."""

    times: int
    start: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """Days and starts of a series, session by session, and which devices and therapists it meets."""

    days: tuple[int, ...]
    starts: tuple[Start, ...]
    people: frozenset[str | UUID]


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """A model with its objective, and how to read an answer."""

    model: "cp_model.CpModel"
    read: "Callable[[cp_model.CpSolver], T]"


class Budget:
    """Seconds that the questions share. ``proven`` stays true while every answer was proven best."""

    def __init__(self, limit_s: float, seed: int) -> None:
        import services.scheduler.planner.models as _  # noqa: F401  (loading it is not thinking)

        self.limit_s, self.seed = limit_s, seed
        self.proven = True
        self.spent = False
        self._ends = time.monotonic() + limit_s

    def solve(self, question: Question[T]) -> T | None:
        """The best answer within what is left; None when there is none, or (``spent``) none was found."""
        from ortools.sat.python import cp_model

        left = self._ends - time.monotonic()
        status: cp_model.CpSolverStatus = cp_model.UNKNOWN
        if left > 0:
            solver = solver_of(left, self.seed)
            solver.parameters.cp_model_presolve = False  # longer than the search itself in models this small
            status = solver.solve(question.model)
        if status in {cp_model.OPTIMAL, cp_model.FEASIBLE}:
            self.proven = self.proven and status == cp_model.OPTIMAL
            return question.read(solver)
        if status == cp_model.UNKNOWN:
            self.proven, self.spent = False, True
        return None


def solver_of(limit_s: float, seed: int) -> "cp_model.CpSolver":
    """A solver with one worker: the same question has the same answer, and other work keeps its cores."""
    from ortools.sat.python import cp_model

    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed
    solver.parameters.max_time_in_seconds = max(limit_s, 0.001)
    return solver
