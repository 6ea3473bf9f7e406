"""What a session came to, counted from its stored samples: the same for hot and archived ones.

The gateway's own summary, counted in the loop's integers, is what billing and the file go by; these are
measured again from what was stored, and tell more: creep, and what is missing.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from services.telemetry.archive.models import PHASE, PHASES, VALUES, Counts, Floats, Run

OUTSIDE: Final = ("idle", "ready")  # a patient may be confirmed, nothing is being done yet
# The same phases as the gateway's summary counts: see services/controller/recorder/summary.py.
TRACTION: Final = ("precondition", "ramp", "hold", "release", "rest", "guarded", "rebuild")
REST: Final = PHASES.index("rest")
EDGE_S: Final = 1.0  # positions are means over so long: noise and ripple are faster
HOLD: Final = PHASES.index("hold")
GUARDED: Final = PHASES.index("guarded")
_OUTSIDE_CODES: Final = np.array([PHASES.index(name) for name in OUTSIDE])
_MS_A_MINUTE: Final = 60_000.0


def session_statistics(runs: Sequence[Run]) -> dict[str, Any]:
    """Statistics of a session from the runs of all its samples.

    ``peak_n`` highest tension outside idle and ready; ``hold_mean_n`` mean tension of all holds;
    ``hold_rms_n`` root mean square of tension minus target in holds; ``holds`` and ``guardings`` times that
    the phase became hold, guarded (the gateway's ``cycles`` counts those that were finished);
    ``creep_mm_min`` see ``creep``; ``creep_mm`` see ``lengthening``; ``phase_s`` seconds by phase,
    ``traction_s`` of those under traction; ``missing`` samples between the runs; ``columns`` count, sum,
    least and greatest of each column over all samples. None where there was nothing to count from.
    ``unmeasured`` samples have no measured tension: they, and positions that nobody measured, count for time
    and phases alone.
    """
    held = [_rows(run, run.columns[PHASE] == HOLD) for run in runs]
    tension = _joined(rows["tension_n"] for rows in held)
    errors = _joined(rows["tension_n"] - rows["target_n"] for rows in held)
    treated = _joined(
        run.values("tension_n")[_measured(run, ~np.isin(run.columns[PHASE], _OUTSIDE_CODES))] for run in runs
    )
    slope, phase_s = creep(runs), phase_seconds(runs)
    return {
        "samples": sum(run.count for run in runs),
        "missing": sum(later.first - earlier.after for earlier, later in pairwise(runs)),
        "unmeasured": sum(_count(run.unmeasured("tension_n")) for run in runs),
        "peak_n": float(treated.max()) if treated.size else None,
        "hold_mean_n": round(float(tension.mean()), 3) if tension.size else None,
        "hold_rms_n": round(float(np.sqrt(np.mean(errors**2))), 4) if errors.size else None,
        "holds": _entered(runs, HOLD),
        "guardings": _entered(runs, GUARDED),
        "creep_mm_min": None if slope is None else round(slope, 4),
        "creep_mm": lengthening(runs),
        "traction_s": round(sum(phase_s.get(name, 0.0) for name in TRACTION), 3),
        "phase_s": phase_s,
        "columns": {name: _column(runs, name) for name in VALUES} if runs else {},
    }


def creep(runs: Iterable[Run]) -> float | None:
    """How fast the tissue yields under a held load, mm/min: the slope of position over time in the holds.

    One least-squares slope for all holds of the session, each hold with a level of its own:
    sum over holds of sum((t - mean t) (x - mean x)), divided by sum over holds of sum((t - mean t)^2).
    None without a hold of two samples.
    """
    above = below = 0.0
    for run in runs:
        for first, after in _stretches(run.columns[PHASE] == HOLD):
            rows, position = _positions(run, first, after)
            if not rows.size:
                continue
            minutes = rows * (run.period_ms / _MS_A_MINUTE)
            minutes -= minutes.mean()
            above += float(minutes @ (position - position.mean()))
            below += float(minutes @ minutes)
    return above / below if below else None


def lengthening(runs: Iterable[Run]) -> float | None:
    """How much longer the pull is at base tension in the last rest than in the first, mm.

    What does not come back between peaks, by the means of the last second of either rest.
    """
    means = []
    for run in runs:
        edge = max(1, round(EDGE_S * 1000 / run.period_ms))
        ends = [
            _positions(run, max(first, after - edge), after)[1]
            for first, after in _stretches(run.columns[PHASE] == REST)
        ]
        means += [float(end.mean()) for end in ends if end.size]
    return round(means[-1] - means[0], 3) if len(means) > 1 else None


def phase_seconds(runs: Iterable[Run]) -> dict[str, float]:
    """Time spent in each phase that occurs, by counting samples."""
    spent = np.zeros(len(PHASES))
    for run in runs:
        spent += np.bincount(run.columns[PHASE], minlength=len(PHASES)) * (run.period_ms / 1000)
    return {name: round(float(seconds), 3) for name, seconds in zip(PHASES, spent, strict=True) if seconds}


def _rows(run: Run, mask: npt.NDArray[np.bool_]) -> dict[str, Floats]:
    told = _measured(run, mask)
    return {name: run.values(name)[told] for name in ("tension_n", "target_n")}


def _measured(run: Run, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Of the samples in the mask those whose tension was measured."""
    unmeasured = run.unmeasured("tension_n")
    return mask if unmeasured is None else mask & ~unmeasured


def _positions(run: Run, first: int, after: int) -> tuple[Counts, Floats]:
    """The measured positions of these rows, and where among them each is."""
    position = run.measured("position_mm")[first:after]
    rows = np.flatnonzero(~np.isnan(position))
    return rows, position[rows]


def _known(run: Run, name: str) -> Floats:
    values, unmeasured = run.values(name), run.unmeasured(name)
    return values if unmeasured is None else values[~unmeasured]


def _count(mask: npt.NDArray[np.bool_] | None) -> int:
    return 0 if mask is None else int(np.count_nonzero(mask))


def _joined(parts: Iterable[Floats]) -> Floats:
    found = list(parts)
    return np.concatenate(found) if found else np.zeros(0)


def _stretches(mask: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and behind-last row of every stretch in which the mask is true."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8))).tolist()
    return [(first, after) for first, after in list(pairwise(edges))[::2]]


def _entered(runs: Sequence[Run], code: int) -> int:
    """How often a phase began; one that goes on over a gap between two runs began once."""
    count, before = 0, -1
    for run in runs:
        phase: Counts = run.columns[PHASE]
        count += int(np.count_nonzero((phase == code) & (np.concatenate(([before], phase[:-1])) != code)))
        before = int(phase[-1])
    return count


def _column(runs: Sequence[Run], name: str) -> dict[str, float | None]:
    values = [part for part in (_known(run, name) for run in runs) if part.size]
    return {
        "count": sum(len(part) for part in values),
        "sum": round(float(sum(part.sum() for part in values)), 6),
        "min": float(min(part.min() for part in values)) if values else None,
        "max": float(max(part.max() for part in values)) if values else None,
    }
