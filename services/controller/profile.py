"""A compiled prescription as a curve: the target of a session in which nobody guards, and its picture.

The same moves as kernel/entering.py: quintics whose greatest slope is the prescribed one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from services.controller.kernel import layout
from services.kit.therapy.prescription import Prescription

if TYPE_CHECKING:
    from matplotlib.axes import Axes

QUINTIC_PEAK = 1.875  # greatest slope of 10u^3 - 15u^4 + 6u^5
SHORTEST_MOVE_S = 0.5
SLACK_S = 5.0  # drawn; the table really takes what the harness leaves
STEP_S = 0.1
LEAST_NAMED = 0.04  # of the width: a narrower phase goes without its name
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
        targets.append(_target(move, local))
        began += move.seconds
    target = np.concatenate(targets)
    cycles = sum(1 for move in moves if move.phase == "hold")
    return Profile(np.concatenate(times), target, moves, cycles, float(target.max()))


def _target(move: Move, local: Floats) -> Floats:
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
        level = float(_target(cut, np.array([cut.seconds]))[0])
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


# --- the picture -------------------------------------------------------------------------------------------

_INK, _LINE, _ALERT, _QUIET = "#1b2a36", "#0b7fab", "#b3261e", "#6b7a86"
_SHADES = {
    "slack": "#eef1f3", "precondition": "#e6eef7", "ramp": "#d9ecf5", "hold": "#bfe0ee", "release": "#e3f1ea",
    "rest": "#f3f6f4", "cooldown": "#ececf6",
}  # fmt: skip
_STYLE: dict[Any, Any] = {
    "font.size": 9, "axes.edgecolor": _QUIET, "axes.labelcolor": _INK, "text.color": _INK,
    "xtick.color": _QUIET, "ytick.color": _QUIET, "axes.spines.top": False, "axes.spines.right": False,
}  # fmt: skip


def picture(prescription: Prescription, parameters: Floats) -> bytes:
    """The profile as PNG, limits labelled."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    curve = profile(parameters)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(12, 5), layout="constrained")
        axes = figure.subplots()
        _shade(axes, curve)
        axes.plot(curve.time_s / 60, curve.target_n, color=_LINE, lw=1.6)
        _levels(axes, parameters)
        axes.set(xlabel="minutes", ylabel="target tension, N", xlim=(0, curve.time_s[-1] / 60))
        axes.set_ylim(0, parameters[layout.P_CEILING] * 1.08)
        axes.set_title(_title(prescription, curve), loc="left", fontsize=11, fontweight="bold", pad=18)
        image = BytesIO()
        figure.savefig(image, dpi=130, format="png")
    return image.getvalue()


def _title(prescription: Prescription, curve: Profile) -> str:
    return (
        f"{prescription.region} {prescription.segment}, {prescription.body_weight_kg:g} kg, "
        f"session {prescription.session_number}: {curve.cycles} cycles, {curve.highest_n:.0f} N at most, "
        f"{prescription.traction_min:g} min of traction"
    )


def _shade(axes: "Axes", curve: Profile) -> None:
    began = 0.0
    for phase, stretch in groupby(curve.moves, key=lambda move: move.phase):
        seconds = sum(move.seconds for move in stretch)
        axes.axvspan(began / 60, (began + seconds) / 60, color=_SHADES[phase], lw=0, zorder=0)
        if seconds > LEAST_NAMED * curve.time_s[-1]:
            axes.annotate(
                phase, ((began + seconds / 2) / 60, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 3),
                textcoords="offset points", ha="center", fontsize=7.5, color=_QUIET,
            )  # fmt: skip
        began += seconds


def _levels(axes: "Axes", parameters: Floats) -> None:
    rows = (
        ("envelope's ceiling", layout.P_CEILING, _ALERT, "--"),
        ("peak", layout.P_PEAK, _QUIET, ":"),
        ("first peak", layout.P_FIRST_PEAK, _QUIET, ":"),
        ("base", layout.P_BASE, _QUIET, ":"),
    )
    for name, index, colour, style in rows:
        level = float(parameters[index])
        axes.axhline(level, color=colour, lw=1.0, ls=style)
        axes.annotate(
            f"{name} {level:.0f} N", (1.0, level), xycoords=("axes fraction", "data"), xytext=(-4, 2),
            textcoords="offset points", ha="right", va="bottom", fontsize=8, color=colour,
        )  # fmt: skip
