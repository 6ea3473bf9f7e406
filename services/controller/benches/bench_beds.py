"""`spondyl bench beds`: what becomes of the controller's figures on beds beyond the population they are of.

One trait of every bed is set, everything else stays as drawn. The limits of commissioning/suitability.py come
from here.
"""

import platform
from collections.abc import Callable, Iterator
from typing import Any, Final

import numba
import numpy as np

from services.controller.beds import simulated
from services.controller.benches.bench_guarding import EVALUATED_ON
from services.controller.kernel import layout, plant
from services.controller.simulation import scoring, simulate, study
from services.kit.errors import SpondylError

PERIOD_S: Final = 0.02
CALM, RESTLESS = EVALUATED_ON[40], EVALUATED_ON[41]
SESSION_S: Final = 1800.0
RESTLESS_EACH: Final = 4  # calm sessions to each restless one
OFTEN_HZ, COUGHS_HZ = 1 / 60, 1 / 120
Floats = simulated.Floats


def _harness(beds: Floats, value: float) -> None:
    beds[plant.CONSTANTS.index("harness_n_mm")] = value
    beds[plant.CONSTANTS.index("harness_damping")] = simulated.HARNESS_DAMPING_S * value


def _lag(beds: Floats, value: float) -> None:
    beds[plant.K_DRIVE_GAIN] = 1.0 - np.exp(-beds[plant.K_STEP] / value)


def _speed(beds: Floats, value: float) -> None:
    beds[plant.CONSTANTS.index("drive_mm_s")] = value


TRAITS: Final[dict[str, tuple[Callable[[Floats, float], None], tuple[float, ...]]]] = {
    "friction": (simulated.set_friction, (0.0, 0.03, 0.04, 0.05, 0.075, 0.1)),
    "harness_n_mm": (_harness, (5.0, 7.0, 10.0, 20.0, 30.0, 45.0)),
    "drive_lag_s": (_lag, (0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15)),
    "drive_mm_s": (_speed, (20.0, 15.0, 10.0)),  # as it was measured: asked for no more
    "drive_mm_s_unknown": (_speed, (15.0, 10.0)),
}


def measure(hours: float, say: Callable[[str], None], only: str = "") -> dict[str, Any]:
    """False stops and tracking of calm people, faults and excess of restless ones, on each kind of bed.

    ``only`` one of TRAITS; SpondylError for another.
    """
    if only not in ("", *TRAITS):
        raise SpondylError(f"--trait is {only!r}: the traits are {', '.join(TRAITS)}")
    rows = []
    for trait, (_, values) in TRAITS.items():
        for value in values if only in ("", trait) else ():
            say(f"{trait} {value:g}")
            rows.append(
                {
                    "trait": trait,
                    "value": value,
                    **_calm(trait, value, hours),
                    **_restless(trait, value, hours),
                }
            )
    return {
        "hours": hours,
        "beds": rows,
        "patients": {"calm": CALM, "restless": RESTLESS},
        "versions": {"kernel": layout.KERNEL_VERSION, "python": platform.python_version(),
                     "numba": numba.__version__, "numpy": np.__version__},
    }  # fmt: skip


def _parameters(trait: str, value: float) -> Floats:
    one = study.default_parameters(PERIOD_S)
    one[layout.P_TRACTION_S] = SESSION_S
    if trait == "drive_mm_s":
        one[layout.P_DRIVE_SPEED] = min(one[layout.P_DRIVE_SPEED], value)
    return one


def _courses(trait: str, value: float, seed: int, sessions: int, *, calm: bool) -> Iterator[scoring.Course]:
    one = _parameters(trait, value)
    ticks, start = simulate.longest(one), simulate.ticks(simulate.START_S, PERIOD_S)
    for part, count in enumerate(study.parts(sessions, ticks)):
        beds = study.calm_beds(seed, part, count, PERIOD_S)
        if not calm:
            beds.constants[plant.K_GUARD_EARLY : plant.K_GUARD_LATE + 1] = OFTEN_HZ
            beds.constants[plant.K_COUGH] = COUGHS_HZ
        TRAITS[trait][0](beds.constants, value)
        everybody = np.repeat(one[:, None], count, axis=1)
        yield from simulate.run(beds, everybody, simulate.session_script(start, one, count), ticks, start)


def _calm(trait: str, value: float, hours: float) -> dict[str, Any]:
    stops, seconds, holds = 0, 0.0, []
    for course in _courses(trait, value, CALM, max(1, round(2 * hours)), calm=True):
        stops += scoring.detections(course).size
        seconds += float(course.time_s[-1])
        holds.append(scoring.tracking(course)["hold_rms_n"])
    kept = [rms for rms in holds if rms is not None]
    return {"false_stops_per_hour": round(3600.0 * stops / seconds, 3),
            "hold_rms_p95_n": round(float(np.quantile(kept, 0.95)), 2) if kept else None}  # fmt: skip


def _restless(trait: str, value: float, hours: float) -> dict[str, Any]:
    sessions, stuck, over = 0, 0, []
    for course in _courses(trait, value, RESTLESS, max(1, round(2 * hours / RESTLESS_EACH)), calm=False):
        sessions += 1
        stuck += bool((course.row(layout.S_CONDITIONS) & layout.ACTUATOR_STUCK).any())
        over.append(float((course.tension_n - course.row(layout.S_TARGET) / 1000.0).max()))
    return {
        "restless_sessions": sessions,
        "taken_for_stuck": stuck,
        "over_target_p50_n": round(float(np.median(over)), 1),
    }
