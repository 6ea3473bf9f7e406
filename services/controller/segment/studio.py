"""What a prescription would do, before the first pull: profile, limits, the modelled force at the segment.

Plain values for pictures and pages. Everything at the segment is the model's (services/kit/therapy), with the
interval that ``interval`` names; nothing of it is measured.
"""

from itertools import groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.controller.kernel import layout
from services.controller.parameters import compile_parameters
from services.controller.simulation.profile import STEP_S, Move, profile, target_of
from services.kit.therapy import dosing
from services.kit.therapy.at_segment import model_of
from services.kit.therapy.dosing import Dosing
from services.kit.therapy.prescription import Prescription
from services.kit.therapy.segment_force import Arrival, BeyondModel, Measured, Model

Floats = NDArray[np.float64]
Json = dict[str, Any]

PERIOD_S: Final = 0.020  # of the compiled profile; it tells nothing of the loop
GRID_N: Final = 10.0  # between two pulls of the band: every draw is a line over the pull
CORNERS: Final = 8  # points of a move that goes somewhere
LEVELS: Final = {
    "base": layout.P_BASE,
    "first_peak": layout.P_FIRST_PEAK,
    "peak": layout.P_PEAK,
    "ceiling": layout.P_CEILING,
}


def studio(prescription: Prescription, measured: Measured | None = None) -> Json:
    """Profile, levels and the modelled force at the segment; raises PrescriptionError."""
    table = dosing.load()
    parameters = compile_parameters(prescription, PERIOD_S, 1, table)
    time_s, target_n, phases = _curve(parameters)
    levels = {name: float(parameters[index]) for name, index in LEVELS.items()}
    return {
        "profile": {
            "time_s": _rounded(time_s, 2),
            "target_n": _rounded(target_n, 1),
            "phases": phases,
            "cycles": sum(1 for row in phases if row["phase"] == "hold"),
            "highest_n": round(float(target_n.max()), 1),
            "seconds": round(float(time_s[-1]), 1),
        },
        "levels": levels,
        **_at_segment(prescription, table, measured, target_n, levels),
    }


def _at_segment(
    prescription: Prescription,
    table: Dosing,
    measured: Measured | None,
    target_n: Floats,
    levels: dict[str, float],
) -> Json:
    """``segment``, the model's part; null where the model has no data, and ``no_model`` says why."""
    try:
        model = model_of(prescription, table, measured)
    except BeyondModel as error:  # a segment that only the clinic's own table has
        return {"segment": None, "no_model": {"en": error.message, "de": error.german}}
    axial, low, high = band(model, target_n)
    segment = {
        "model": True,
        "interval": model.interval,
        "table": model.table,
        "friction": model.friction,
        "friction_n": round(model.nominal.friction_n, 1),
        "gravity_n": round(model.nominal.gravity_n, 1),
        "gain": round(model.nominal.gain, 4),
        "axial_n": _rounded(axial, 1),
        "low_n": _rounded(low, 1),
        "high_n": _rounded(high, 1),
        "at": {name: told(model.at(level)) for name, level in levels.items()},
    }
    return {"segment": segment, "no_model": None}


def told(arrival: Arrival) -> Json:
    """The force at the segment under one pull, in tenths of a newton."""
    return {name: round(getattr(arrival, name), 1) for name in Arrival.__slots__}


def band(model: Model, pull_n: Floats) -> tuple[Floats, Floats, Floats]:
    """The axial force at the segment (N) for pulls: the model's value and the ends of its interval."""
    grid = np.arange(0.0, float(pull_n.max(initial=0.0)) + GRID_N, GRID_N)
    rows = np.array([[line.gain, line.loss_n, line.axial] for line in model.draws])
    along = np.clip(np.outer(rows[:, 0], grid) - rows[:, 1:2], 0.0, grid) * rows[:, 2:3]
    tail = 0.5 * (1.0 - model.interval)
    low, high = np.quantile(along, [tail, 1.0 - tail], axis=0)
    line = model.nominal
    nominal = np.clip(line.gain * pull_n - line.loss_n, 0.0, pull_n) * line.axial
    return nominal, np.interp(pull_n, grid, low), np.interp(pull_n, grid, high)


def _curve(parameters: Floats) -> tuple[Floats, Floats, list[Json]]:
    """The target by its corners, and the phases: {phase, from_s, to_s}."""
    moves = profile(parameters).moves
    times, targets, phases, began = [], [], [], 0.0
    for move in moves:
        local = _corners(move)
        times.append(began + local)
        targets.append(target_of(move, local))
        began += move.seconds
    ended = 0.0
    for phase, stretch in groupby(moves, key=lambda move: move.phase):
        seconds = sum(move.seconds for move in stretch)
        phases.append({"phase": phase, "from_s": round(ended, 2), "to_s": round(ended + seconds, 2)})
        ended += seconds
    return np.concatenate(times), np.concatenate(targets), phases


def _corners(move: Move) -> Floats:
    """The times within a move at which its curve is drawn."""
    steps = CORNERS if move.goal_n != move.origin_n else 0
    bends = np.linspace(0.0, min(move.move_s, move.seconds), steps + 1)
    inside = [float(time) for time in bends if STEP_S < time < move.seconds - STEP_S]
    return np.array([0.0, *inside, move.seconds])


def _rounded(values: Floats, digits: int) -> list[float]:
    rounded: list[float] = np.round(values, digits).tolist()
    return rounded
