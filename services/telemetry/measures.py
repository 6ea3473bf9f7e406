"""What a session's samples come to: the same numbers whether they lie in Redis or in the archive.

The gateway's own summary, counted in the loop's integers, is what billing and the file go by; these
are measured again from what was stored, and tell two things more: creep, and what is missing.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from services.telemetry.archive.models import PHASE, PHASES, Run

CODES: Final = {name: code for code, name in enumerate(PHASES)}
# The same phases as the gateway's summary counts: see services/controller/summary.py.
TRACTION: Final = ("precondition", "ramp", "hold", "release", "rest", "guarded", "rebuild")
OUTSIDE: Final = ("idle", "ready")
EDGE_S: Final = 1.0  # positions are means over so long: the load cell's noise and the law's ripple are faster
SHORTEST_HOLD_S: Final = 4.0  # settling, and an edge at either end

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def measure(runs: Sequence[Run]) -> dict[str, Any]:
    """A session's tension runs (in order, none overlapping) -> JSON-able measures; None where there is none.

    ``peak_n``, ``hold_mean_n``, ``hold_rms_n`` (tension minus target in holds), ``cycles`` (holds begun),
    ``guardings``, ``traction_s``, ``phase_s``, ``samples``, ``missing`` (between the runs), and the creep
    estimates of ``creep``.
    """
    if not runs:
        return {"samples": 0, "missing": 0, "phase_s": {}, **dict.fromkeys(_OPTIONAL), **_NO_COUNTS}
    phase = np.concatenate([run.columns[PHASE] for run in runs])
    tension, target, position = (
        np.concatenate([run.values(name) for run in runs])
        for name in ("tension_n", "target_n", "position_mm")
    )
    period_s = np.concatenate([np.full(run.count, run.period_ms / 1000) for run in runs])
    seconds = np.bincount(phase, weights=period_s, minlength=len(PHASES)).tolist()
    return {
        "samples": len(phase),
        "missing": sum(later.first - earlier.after for earlier, later in pairwise(runs)),
        "phase_s": {name: round(seconds[code], 3) for name, code in CODES.items() if seconds[code]},
        "traction_s": round(sum(seconds[CODES[name]] for name in TRACTION), 3),
        "cycles": len(_stretches(phase, "hold")),
        "guardings": len(_stretches(phase, "guarded")),
        **_forces(tension, target, phase),
        **creep(position, phase, float(period_s[0])),
    }


_OPTIONAL: Final = ("peak_n", "hold_mean_n", "hold_rms_n", "creep_mm", "creep_hold_mm")
_NO_COUNTS: Final = {"traction_s": 0.0, "cycles": 0, "guardings": 0}


def _forces(tension: Floats, target: Floats, phase: Codes) -> dict[str, float | None]:
    treated = tension[~np.isin(phase, [CODES[name] for name in OUTSIDE])]
    hold = phase == CODES["hold"]
    held, error = tension[hold], tension[hold] - target[hold]
    return {
        "peak_n": round(float(treated.max()), 3) if len(treated) else None,
        "hold_mean_n": round(float(held.mean()), 2) if len(held) else None,
        "hold_rms_n": round(sqrt(float((error * error).mean())), 3) if len(held) else None,
    }


def creep(position: Floats, phase: Codes, period_s: float) -> dict[str, float | None]:
    """How much longer the pull becomes under the same tension (mm).

    ``creep_mm``: at base tension, the end of the last rest against the end of the first: what does not come
    back between peaks. ``creep_hold_mm``: from the second second of a hold to its last one, mean over holds.
    """
    edge = max(1, round(EDGE_S / period_s))
    rests = [position[max(begin, end - edge) : end].mean() for begin, end in _stretches(phase, "rest")]
    holds = [
        position[end - edge : end].mean() - position[begin + edge : begin + 2 * edge].mean()
        for begin, end in _stretches(phase, "hold")
        if (end - begin) * period_s >= SHORTEST_HOLD_S
    ]
    return {
        "creep_mm": round(float(rests[-1] - rests[0]), 3) if len(rests) > 1 else None,
        "creep_hold_mm": round(float(np.mean(holds)), 3) if holds else None,
    }


def _stretches(phase: Codes, name: str) -> list[tuple[int, int]]:
    """(begin, end) of every uninterrupted stretch of a phase."""
    inside = np.concatenate(([0], (phase == CODES[name]).astype(np.int8), [0]))
    edges = np.flatnonzero(np.diff(inside)).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))
