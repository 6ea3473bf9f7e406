"""Harness, friction and drive from what a test pull recorded: least squares on small models of each.

The pull: what lies on the bed (the doll) hangs on a spring k_s and slides with Coulomb friction f; the
harness bears after a slack x0, quadratically over its toe, then with k_h, as mechanics.py has it. At a slow
pull its position p is held by friction until the tension differs from k_s p by f, and follows at that
difference then. On a reversal it stays where it is at first: that is what tells k_h from k_s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NAMES = ("slack_mm", "harness_n_mm", "toe_mm", "spring_n_mm", "friction_n")
LOGARITHMIC = slice(1, 5)  # never below zero: fitted as logarithms
STEPS = 60
DIFFERENCE = 1e-4
SETTLED_S = 0.15  # after a command the drive has its speed: ten of its lags


@dataclass(frozen=True, slots=True)
class Pull:
    """What was fitted, one standard deviation of each, and what is left unexplained (N, rms)."""

    values: dict[str, float]
    deviations: dict[str, float]
    rms_n: float


def tension(stretch_mm: float, harness_n_mm: float, toe_mm: float) -> float:
    """Tension (N) of the harness: a quadratic toe, then a line."""
    if stretch_mm <= 0.0:
        return 0.0
    if stretch_mm < toe_mm:
        return 0.5 * harness_n_mm * stretch_mm**2 / toe_mm
    return harness_n_mm * (stretch_mm - 0.5 * toe_mm)


def modelled(parameters: Floats, travel_mm: Floats) -> Floats:
    """Tension (N) along a travel of the drive, parameters as NAMES, the last four as logarithms."""
    slack = float(parameters[0])
    harness, toe, spring, friction = (exp(float(value)) for value in parameters[LOGARITHMIC])
    place, found = 0.0, np.empty(travel_mm.size)
    for index, travel in enumerate(travel_mm.tolist()):
        free = travel - slack
        net = tension(free - place, harness, toe) - spring * place
        if abs(net) > friction:
            place = _followed(free, friction if net > 0.0 else -friction, harness, toe, spring)
        found[index] = tension(free - place, harness, toe)
    return found


def _followed(free: float, held: float, harness: float, toe: float, spring: float) -> float:
    """Where tension less spring is what friction holds."""
    place = (harness * (free - 0.5 * toe) - held) / (harness + spring)
    if free - place >= toe:
        return place
    curve = 0.5 * harness / toe
    root = spring * spring + 4.0 * curve * (spring * free + held)
    if root <= 0.0:
        return -held / spring
    stretch = (-spring + sqrt(root)) / (2.0 * curve)
    return free - stretch if stretch > 0.0 else -held / spring


def fit_pull(travel_mm: Floats, force_n: Floats) -> Pull:
    """Fit a recorded pull (Levenberg and Marquardt), from several starts: the best is taken."""
    top = float(force_n.max())
    bearing = travel_mm[np.argmax(force_n > 0.1 * top)]
    rise = top / max(0.5, float(travel_mm.max() - bearing))
    starts = [
        np.array([bearing - 0.5, *np.log([stiffer * rise, 1.0, softer * rise, friction])])
        for stiffer, softer, friction in (
            (1.3, 4.0, 5.0),
            (2.0, 2.0, 5.0),
            (1.1, 10.0, 2.0),
            (1.5, 3.0, 12.0),
        )
    ]
    fits = [_descend(start, travel_mm, force_n) for start in starts]
    best = min(fits, key=lambda fit: fit[1])
    return _pull(best[0], travel_mm, force_n)


def _descend(parameters: Floats, travel_mm: Floats, force_n: Floats) -> tuple[Floats, float]:
    damping, off = 1e-2, modelled(parameters, travel_mm) - force_n
    cost = float(off @ off)
    for _ in range(STEPS):
        slopes = _slopes(parameters, travel_mm)
        square = slopes.T @ slopes
        step = np.linalg.solve(square + damping * np.diag(np.diag(square) + 1e-9), -slopes.T @ off)
        tried = np.clip(parameters + step, parameters - 1.0, parameters + 1.0)
        tried_off = modelled(tried, travel_mm) - force_n
        tried_cost = float(tried_off @ tried_off)
        if tried_cost < cost:
            done = cost - tried_cost < 1e-6 * cost
            parameters, off, cost, damping = tried, tried_off, tried_cost, damping / 5
            if done:
                break
        else:
            damping *= 5
            if damping > 1e9:  # noqa: PLR2004  (no direction leads down any more)
                break
    return parameters, cost


def _slopes(parameters: Floats, travel_mm: Floats) -> Floats:
    columns = []
    for index in range(parameters.size):
        step = np.zeros(parameters.size)
        step[index] = DIFFERENCE
        columns.append(
            (modelled(parameters + step, travel_mm) - modelled(parameters - step, travel_mm))
            / (2 * DIFFERENCE)
        )
    return np.stack(columns, axis=1)


def _pull(parameters: Floats, travel_mm: Floats, force_n: Floats) -> Pull:
    off = modelled(parameters, travel_mm) - force_n
    slopes = _slopes(parameters, travel_mm)
    variance = float(off @ off) / max(1, off.size - parameters.size)
    spread = np.sqrt(np.abs(np.diag(np.linalg.pinv(slopes.T @ slopes))) * variance)
    values = parameters.copy()
    values[LOGARITHMIC] = np.exp(values[LOGARITHMIC])
    spread[LOGARITHMIC] *= values[LOGARITHMIC]
    return Pull(
        dict(zip(NAMES, values.tolist(), strict=True)),
        dict(zip(NAMES, spread.tolist(), strict=True)),
        float(np.sqrt(off @ off / off.size)),
    )


def line_of(times_s: Sequence[float], places_mm: Sequence[float]) -> tuple[float, float]:
    """Speed (mm/s) and the moment (s) at which the line through a steady travel was at its beginning."""
    speed, start = np.polyfit(np.asarray(times_s), np.asarray(places_mm), 1)
    return float(speed), float(-start / speed) if speed else 0.0
