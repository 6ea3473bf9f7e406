"""A simulated session of a prescription, thinned for a picture: what the bed would do with such a patient."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.controller.kernel import layout
from services.controller.simulation import scoring, simulate
from services.kit.therapy.prescription import Prescription

Json = dict[str, Any]
POINTS: Final = 720  # of the curve
DEFAULT_SEED: Final = 7


def preview(prescription: Prescription, seed: int = DEFAULT_SEED) -> Json:
    """One calm session of a patient of this weight (breathing, sighs), drawn by ``seed``; see ``thinned``."""
    plan = simulate.Plan(prescription, seed)
    course = simulate.simulate(plan)
    report = simulate.report(plan, course)
    told = ("reason", "cycles", "guardings", "duration_s", "max_tension_n", "tracking")
    return {"simulated": True, "seed": seed, **{name: report[name] for name in told}, **thinned(course)}


def thinned(course: scoring.Course) -> Json:
    """About POINTS stretches of equal length: mean tension and target, least and most tension (N)."""
    first = course.start
    phase = course.row(layout.S_PHASE)[first:]
    tension = course.row(layout.S_FORCE)[first:] / 10.0
    size = max(1, -(-len(phase) // POINTS))
    whole = len(phase) // size * size

    def cut(values: NDArray[Any]) -> NDArray[Any]:
        return values[:whole].reshape(-1, size)

    def told(values: NDArray[Any]) -> list[float]:
        rounded: list[float] = np.round(values, 1).tolist()
        return rounded

    seconds = course.period_s * size
    return {
        "time_s": told((np.arange(whole // size) + 0.5) * seconds),
        "tension_n": told(cut(tension).mean(axis=1)),
        "least_n": told(cut(tension).min(axis=1)),
        "most_n": told(cut(tension).max(axis=1)),
        "travel_mm": told(cut(course.row(layout.S_POSITION)[first:] / 100.0).mean(axis=1)),
        "target_n": told(cut(course.target_n[first:]).mean(axis=1)),
        "ceiling_n": round(float(course.parameters[layout.P_CEILING]), 1),
    }
