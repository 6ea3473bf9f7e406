"""What yielding comes to in `spondyl bench guarding`: beside a drive that foresees, and taken for a cough.

The same simulated people and contractions as the detectors', whom nothing was tuned on. A clairvoyant drive
yields at full speed from the contraction's first trace: no detector can do better with this drive.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.controller.beds import simulated
from services.controller.benches.foreseen import CLAIRVOYANT, FORCE_ONLY, LOCKED, WAYS, give_way
from services.controller.kernel import layout, rivals
from services.controller.kernel.step import new_parameters, new_state
from services.controller.simulation import scoring, simulate, study

Floats = NDArray[np.float64]
Shape = study.Shape
WINDOW_S = 6.0
KEPT_SHARE = 0.9  # of base, that easing keeps
AFTER_S = 45.0  # a slow rebuild, and what strikes it
BOUT = (2, 5)  # contractions in a bout, from and below
PAUSE_S = (0.2, 3.0)  # between two of them


def in_a_way(given: Any, parameters: Floats, way: int) -> tuple[Floats, Floats, Floats]:
    """Tension (N) float32[n, beds] from each contraction's first trace on, target (N) and phase there."""
    beds: simulated.SimulatedBeds = given.beds
    count, period_s = parameters.shape[1], float(parameters[layout.P_PERIOD, 0])
    begin = np.array([int(each.first_s / period_s) + given.start for each in given.contractions()])
    tension = np.zeros((round(WINDOW_S / period_s), count), np.float32)
    target, phase = np.zeros(count), np.zeros(count)
    give_way(
        rivals.disable(new_parameters(count, period_s)), rivals.disable(parameters.copy()), new_state(count),
        beds.plant, beds.constants, beds.random, beds.library.samples, beds.library.entries, beds.faults,
        beds.tilt_deg, simulate.session_script(given.start, parameters[:, 0], count), beds.command,
        beds.reading, np.zeros((len(layout.SAMPLES), count), np.int32), int(begin.max()) + len(tension),
        begin, way, tension, target, phase,
    )  # fmt: skip
    return tension.astype(np.float64), target, phase


def overshoot(given: Any, parameters: Floats) -> list[float]:
    """Greatest tension above the target (N) of a clairvoyant drive, of the contractions that met a hold."""
    tension, target, phase = in_a_way(given, parameters, CLAIRVOYANT)
    over = tension.max(axis=0) - target
    return [max(float(each), 0.0) for each in over[phase == layout.HOLD]]


def share_of_drive(over: dict[str, dict[str, float | None]]) -> dict[str, float | None]:
    """How much of what a clairvoyant drive spares the patient ours does spare, against a locked one."""
    told: dict[str, float | None] = {}
    for place in ("p50", "p95"):
        ours, locked, best = (over[way][place] for way in ("stop_and_ease", "locked_drive", "clairvoyant"))
        told[place] = None
        if ours is not None and locked is not None and best is not None and locked > best:
            told[place] = round((locked - ours) / (locked - best), 2)
    return told


# --- base --------------------------------------------------------------------------------------------------


def dips(make: Callable[[], Any], parameters: Floats) -> dict[str, list[float]]:
    """How far the tension falls below base (N, 0: not at all) within 6 s, by way; `make` gives the people."""
    base_n = parameters[layout.P_BASE]
    told = {}
    for way in (FORCE_ONLY, LOCKED):
        tension = in_a_way(make(), parameters, way)[0]
        told[WAYS[way]] = np.maximum(base_n - tension.min(axis=0), 0.0).tolist()
    given = make()
    ticks = int(simulate.ticks(simulate.START_S + float(given.at_s.max()) + WINDOW_S + 1.0, 0.02))
    script = simulate.session_script(given.start, parameters[:, 0], parameters.shape[1])
    courses = simulate.run(given.beds, parameters, script, ticks, given.start)
    ours = []
    for course, each in zip(courses, given.contractions(), strict=True):
        first = int(each.first_s / course.period_s) + given.start
        least = float(course.tension_n[first : first + round(WINDOW_S / course.period_s)].min())
        ours.append(max(float(course.parameters[layout.P_BASE]) - least, 0.0))
    return {"stop_and_ease": ours, **told}


def dips_told(below_n: list[float], base_n: float) -> dict[str, float]:
    """p50, p95 and max of dips (N), and the share (%) of contractions after which a tenth of base is gone."""
    dip = np.array(below_n)
    deep = 100.0 * float((dip > (1.0 - KEPT_SHARE) * base_n).mean())
    p50, p95, most = (round(float(value), 1) for value in np.quantile(dip, [0.5, 0.95, 1.0]))
    return {"p50": p50, "p95": p95, "max": most, "below_nine_tenths_percent": round(deep, 1)}


# --- taken for a cough -------------------------------------------------------------------------------------


def bout(shape: Shape) -> Shape:
    """Two to four contractions of a shape, each half to wholly as strong, 0.2 to 3 s apart; peak 1."""

    def several(generator: np.random.Generator) -> Floats:
        pieces: list[Floats] = []
        for _ in range(generator.integers(*BOUT)):
            pieces.append(shape(generator) * generator.uniform(0.5, 1.0))
            pieces.append(np.zeros(int(study.SHAPE_HZ * generator.uniform(*PAUSE_S))))
        whole = np.concatenate(pieces)
        return np.asarray(whole / whole.max())

    return several


def rebuilt(course: scoring.Course, from_s: float) -> dict[str, float] | None:
    """The first stop from then on: whether it was rebuilt fast, stops within 45 s, tension over target.

    The tension (N) is held against the target that the stop met, from one second after the stop on: what
    pulling again adds, not what the contraction did. None when nothing was stopped or nothing rebuilt.
    """
    stops = scoring.detections(course)
    stops = stops[stops >= from_s]
    if not stops.size:
        return None
    first = course.start + round(float(stops[0]) / course.period_s)
    last = first + round(AFTER_S / course.period_s)
    rebuild = first + np.flatnonzero(course.row(layout.S_PHASE)[first:last] == layout.REBUILD)
    if not rebuild.size:
        return None
    ends = np.flatnonzero(np.diff(rebuild) > 1)
    whole = rebuild[: ends[0] + 1] if ends.size else rebuild
    climb = float((np.diff(course.target_n[whole]) / course.period_s).max(initial=0.0))
    later = course.tension_n[first + round(1.0 / course.period_s) : last]
    return {
        "fast": float(climb > 1.01 * float(course.parameters[layout.P_REBUILD])),
        "stops": float((stops < stops[0] + AFTER_S).sum()),
        "over_n": max(float(later.max(initial=0.0)) - float(course.target_n[max(first - 1, 0)]), 0.0),
    }


def taken(make: Callable[[], Any], parameters: Floats) -> list[dict[str, float]]:
    """`rebuilt` of every contraction that met a hold and was stopped for."""
    given = make()
    ticks = int(simulate.ticks(simulate.START_S + float(given.at_s.max()) + AFTER_S + WINDOW_S, 0.02))
    script = simulate.session_script(given.start, parameters[:, 0], parameters.shape[1])
    courses = simulate.run(given.beds, parameters, script, ticks, given.start)
    rows = []
    for course, each in zip(courses, given.contractions(), strict=True):
        tick = given.start + int(each.first_s / course.period_s)
        row = rebuilt(course, each.first_s) if course.row(layout.S_PHASE)[tick] == layout.HOLD else None
        rows.extend([row] if row else [])
    return rows


def taken_told(rows: list[dict[str, float]], slow: list[dict[str, float]]) -> dict[str, float | None]:
    """Share (%) that was taken for a cough; stops and tension over target, beside all rebuilt slowly."""
    told: dict[str, float | None] = {"count": float(len(rows)), "taken_percent": None}
    if rows:
        told["taken_percent"] = round(100.0 * float(np.mean([row["fast"] for row in rows])), 1)
    for name, some in (("", rows), ("_all_slow", slow)):
        told[f"stops{name}"] = round(float(np.mean([row["stops"] for row in some])), 2) if some else None
        over = [row["over_n"] for row in some]
        told[f"over_p95_n{name}"] = round(float(np.quantile(over, 0.95)), 1) if over else None
    return told
