"""A compiled prescription as a curve: the target of a session in which nobody guards.

The same moves as kernel/entering.py: quintics whose greatest slope is the prescribed one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.controller.kernel import layout

QUINTIC_PEAK = 1.875  # greatest slope of 10u^3 - 15u^4 + 6u^5
SHORTEST_MOVE_S = 0.5
SLACK_S = 5.0  # drawn; the table really takes what the harness leaves
STEP_S = 0.1
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Move:
    """One stretch: a quintic from origin to goal (N), then the goal until ``seconds`` are over."""

    phase: str
    origin_n: float
    goal_n: float
    move_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Profile:
    """The target over time: seconds, newtons, and the stretches with their phases."""

    time_s: Floats
    target_n: Floats
    moves: tuple[Move, ...]
    cycles: int
    highest_n: float


def profile(parameters: Floats) -> Profile:
    """The target of an undisturbed session from compiled parameters float64[PARAMETER_COUNT]."""
    moves = tuple(_session(parameters))
    times, targets, began = [], [], 0.0
    for move in moves:
        local = np.arange(0.0, move.seconds, STEP_S)
        times.append(began + local)
        targets.append(target_of(move, local))
        began += move.seconds
    target = np.concatenate(targets)
    cycles = sum(1 for move in moves if move.phase == "hold")
    return Profile(np.concatenate(times), target, moves, cycles, float(target.max()))


def target_of(move: Move, local: Floats) -> Floats:
    """The target (N) at times (s) within a move."""
    u = np.clip(local / max(move.move_s, STEP_S), 0.0, 1.0)
    shape = u**3 * (10.0 - 15.0 * u + 6.0 * u**2)
    return np.asarray(move.origin_n + (move.goal_n - move.origin_n) * shape)


def _session(p: Floats) -> Iterator[Move]:
    """All stretches in their order; traction time runs from the precondition to the cooldown."""
    base, slack = p[layout.P_BASE], p[layout.P_SLACK]
    yield Move("slack", 0.0, slack, SLACK_S, SLACK_S)
    left, level = p[layout.P_TRACTION_S], slack
    for move in _pulling(p, slack, base):
        cut = Move(move.phase, move.origin_n, move.goal_n, move.move_s, min(move.seconds, left))
        yield cut
        left -= cut.seconds
        level = float(target_of(cut, np.array([cut.seconds]))[0])
        if left <= 0:
            break
    seconds = max(_move_s(level, p[layout.P_FALL]), p[layout.P_COOLDOWN_S])
    yield Move("cooldown", level, 0.0, seconds, seconds)


def _pulling(p: Floats, level: float, base: float) -> Iterator[Move]:
    for goal, rate, least_s in _precondition(p, base):
        seconds = max(_move_s(goal - level, rate), least_s)
        yield Move("precondition", level, goal, seconds, seconds)
        level = goal
    cycle = 0
    while True:
        grown = p[layout.P_FIRST_PEAK] + cycle * p[layout.P_PEAK_STEP]
        peak = min(grown, p[layout.P_PEAK])
        up, down = _move_s(peak - base, p[layout.P_RISE]), _move_s(peak - base, p[layout.P_FALL])
        yield Move("ramp", base, peak, up, up)
        yield Move("hold", peak, peak, STEP_S, p[layout.P_HOLD_S])
        yield Move("release", peak, base, down, down)
        yield Move("rest", base, base, STEP_S, p[layout.P_REST_S])
        cycle += 1


def _precondition(p: Floats, base: float) -> Iterator[tuple[float, float, float]]:
    """Goal (N), rate (N/s) and least time (s) of the precondition's moves: a slow rise, then cycles."""
    halfway = base + 0.5 * (p[layout.P_FIRST_PEAK] - base)
    for move in range(1 + int(p[layout.P_PRECONDITION_CYCLES])):
        yield halfway, p[layout.P_RISE], p[layout.P_PRECONDITION_S] if move == 0 else 0.0
        yield base, p[layout.P_FALL], 0.0


def _move_s(span: float, rate: float) -> float:
    return float(max(QUINTIC_PEAK * abs(span) / max(rate, 1.0), SHORTEST_MOVE_S))
