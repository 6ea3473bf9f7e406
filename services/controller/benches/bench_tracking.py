"""`spondyl bench tracking`: how well the target is kept, beside the best PID of fixed gains.

The PID's gains are searched for on people of their own; both are then judged on the same others, who breathe
and sigh. It stands in the same loop, with the same target, limits and beds: only the force law differs. Ours
is made to stay calm when commands arrive three ticks late, so the PID must too; what the best one does
without that margin is told as well.
"""

import itertools
import platform
import sys
from collections.abc import Iterable
from typing import Any

import numba
import numpy as np

from services.controller.benches.bench_guarding import EVALUATED_ON, TUNED_ON
from services.controller.kernel import layout, rivals
from services.controller.kernel.step import new_parameters, new_state
from services.controller.simulation import scoring, simulate, study

SEED, SEARCH_SEED = EVALUATED_ON[10], TUNED_ON[10]
MINUTES, SEARCH_MINUTES = 8.0, 2.0
SEARCH_PEOPLE = 16
DELAY_TICKS = 3  # that the force law tolerates, docs/control.md
TOLERABLE_N = 2.0  # p95 in hold and in ramp with commands so late: beyond it, it oscillates
PERIOD_S = 0.02
# mm/s a newton, a newton-second, and a newton a second: coarse, then around the best
GAINS = ((0.15, 0.3, 0.45, 0.6, 0.8), (0.1, 0.3, 0.6, 1.0, 1.5), (0.0, 0.01, 0.03, 0.06))
FINER = (0.75, 1.0, 1.3)
GOALS_N = {"hold_rms_n": 0.8, "ramp_rms_n": 0.9}  # p95
MEASURES = ("hold_rms_n", "ramp_rms_n", "overshoot_n")
Gains = tuple[float, float, float]


def measure(patients: int) -> dict[str, Any]:
    """Both on the same patients; `goals` says which of ours hold."""
    _say("searching the gains of the PID")
    gains, bold = search(tolerant=True), search(tolerant=False)
    _say(f"{patients} patients under our law")
    calm = study.calm(patients, MINUTES, SEED, PERIOD_S)
    ours = {name: _spread(getattr(calm, name)) for name in MEASURES}
    _say(f"{patients} patients under the PID, with the law's margin for late commands and without")
    pid, without = (_told(fixed_pid(chosen, patients, MINUTES, SEED)) for chosen in (gains, bold))
    return {
        "patients": patients,
        "minutes": MINUTES,
        "ours": ours,
        "fixed_pid": pid,
        "fixed_pid_without_margin": without,
        "fixed_pid_gains": _named(gains),
        "fixed_pid_without_margin_gains": _named(bold),
        "goals": {f"{name} p95 <= {limit:g} N": (ours[name]["p95"] or 0.0) <= limit
                  for name, limit in GOALS_N.items()},
        "seeds": {"searched_on": SEARCH_SEED, "evaluated_on": SEED},
        "versions": {"kernel": layout.KERNEL_VERSION, "python": platform.python_version(),
                     "numba": numba.__version__, "numpy": np.__version__},
    }  # fmt: skip


def _named(gains: Gains) -> dict[str, float]:
    return dict(zip(("mm_s_n", "mm_s_n_s", "mm_n"), gains, strict=True))


def search(*, tolerant: bool, people: int = SEARCH_PEOPLE, minutes: float = SEARCH_MINUTES) -> Gains:
    """The gains with the least sum of p95 errors in hold and ramp, on people used for nothing else."""

    def cost(gains: Gains) -> float:
        if tolerant and max(_errors(gains, people, minutes, DELAY_TICKS)) > TOLERABLE_N:
            return float("inf")
        return sum(_errors(gains, people, minutes, 0))

    best = min(itertools.product(*GAINS), key=cost)
    low, middle, high = ([round(gain * factor, 4) for factor in FINER] for gain in best)
    return min(itertools.product(low, middle, high), key=cost)


def _errors(gains: Gains, people: int, minutes: float, delay: int) -> list[float]:
    """p95 in hold and in ramp (N) on the people of the search."""
    told = _told(fixed_pid(gains, people, minutes, SEARCH_SEED, delay))
    values = (told[name]["p95"] for name in GOALS_N)
    return [float("inf") if value is None else value for value in values]


def fixed_pid(
    gains: Gains, people: int, minutes: float, seed: int, delay: int = 0
) -> Iterable[dict[str, float | None]]:
    """What scoring.tracking says of each patient under a PID of these gains, its commands ticks late."""
    one = study.default_parameters(PERIOD_S)
    one[layout.P_TRACTION_S] = 60.0 * minutes
    ticks, start = simulate.longest(one), simulate.ticks(simulate.START_S, PERIOD_S)
    for part, count in enumerate(study.parts(people, ticks)):
        beds = study.calm_beds(seed, part, count, PERIOD_S)
        everybody = rivals.disable(np.repeat(one[:, None], count, axis=1))
        trace = np.zeros((ticks, len(layout.SAMPLES), count), np.int32)
        truth = np.zeros((ticks, 2, count), np.float32)
        rivals.track(
            rivals.disable(new_parameters(count, PERIOD_S)), everybody, new_state(count), beds.plant,
            beds.constants, beds.random, beds.library.samples, beds.library.entries, beds.faults,
            beds.tilt_deg, simulate.session_script(start, one, count), beds.command, beds.reading,
            trace[0].copy(), np.array(gains), delay, trace, truth,
        )  # fmt: skip
        for bed in range(count):
            tension, counter = truth[:, 0, bed].astype(np.float64), truth[:, 1, bed].astype(np.float64)
            yield scoring.tracking(
                scoring.Course(PERIOD_S, start, trace[:, :, bed], tension, counter, counter, one)
            )


def _told(tracked: Iterable[dict[str, float | None]]) -> dict[str, dict[str, float | None]]:
    rows = list(tracked)
    return {name: _spread([row[name] for row in rows]) for name in MEASURES}


def _spread(values: Iterable[float | None]) -> dict[str, float | None]:
    known = [value for value in values if value is not None]
    if not known:
        return {"p50": None, "p95": None, "max": None}
    p50, p95 = np.quantile(known, [0.5, 0.95])
    return {"p50": round(float(p50), 3), "p95": round(float(p95), 3), "max": round(max(known), 3)}


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
