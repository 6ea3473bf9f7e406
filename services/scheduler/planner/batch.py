"""Improve in the background what is planned but not yet confirmed: one cure after another, each placed anew.

A cure is taken out, placed exactly around all others and around its own confirmed appointments, and put back
where it was unless the new series is better by the same figures. So every step is proven by itself, the whole
can only get better, and it may be stopped at any moment.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from services.scheduler.planner.figures import figures_of
from services.scheduler.planner.place import place
from services.scheduler.planner.problem import Booked, Effort, Figures, Placed, Plan, Problem, Request

NORMAL: Final = Effort()
LEAST_GAP_MIN: Final = 60  # an appointment with its clean-up: less than that idle helps nobody


@dataclass(frozen=True, slots=True)
class Better:
    """A cure that was placed anew."""

    request: Request
    was: Figures
    plan: Plan


def improve(
    problem: Problem,
    cures: Sequence[tuple[Request, Sequence[Placed]]],
    effort: Effort = NORMAL,
    stop: Callable[[], bool] = lambda: False,
) -> list[Better]:
    """The cures that can be placed better, in the order in which they have to be moved.

    Each request names its cure and has its confirmed appointments as ``fixed``; its series is what is booked.
    """
    ends = time.monotonic() + effort.batch_s
    series = {request.cure: (request, tuple(rows)) for request, rows in cures if request.cure is not None}
    found: list[Better] = []
    order = sorted(series, key=str)
    random = Random(effort.seed)  # noqa: S311  (an order, not a secret)
    improved = True
    while improved:
        improved = False
        random.shuffle(order)
        for cure in order:
            if stop() or time.monotonic() >= ends:
                return found
            anew = better(problem, *series[cure], effort)
            if anew is not None:
                found.append(anew)
                problem = _with(problem, anew)
                series[cure] = (anew.request, anew.plan.appointments)
                improved = True
    return found


def better(
    problem: Problem, request: Request, rows: Sequence[Placed], effort: Effort = NORMAL
) -> Better | None:
    """One cure placed anew around all others, where that is worth it; None: it stays as it is."""
    confirmed = {one.number for one in problem.booked if one.cure == request.cure and one.confirmed}
    if not confirmed <= {one.number for one in request.fixed}:
        return None  # what is confirmed and not said to stay would be moved: leave this cure alone
    was = figures_of(problem, request, rows)
    plan = place(problem, request, effort)
    return Better(request, was, plan) if isinstance(plan, Plan) and _is_worth(was, plan.figures) else None


def _is_worth(was: Figures, now: Figures) -> bool:
    """Better, and if only by idle minutes then by enough of them to move somebody for."""
    gained = was.gap_minutes - now.gap_minutes
    return now < was and (
        replace(now, gap_minutes=0) != replace(was, gap_minutes=0) or gained >= LEAST_GAP_MIN
    )


def _with(problem: Problem, better: Better) -> Problem:
    """The problem with the cure where it is now."""
    now = {one.number: one for one in better.plan.appointments}

    def moved(one: Booked) -> Booked:
        to = now.get(one.number) if one.cure == better.request.cure else None
        if to is None:
            return one
        return replace(
            one, device=to.device, therapist=to.therapist, starts_at=to.starts_at, ends_at=to.ends_at
        )

    return replace(problem, booked=tuple(map(moved, problem.booked)))
