"""A prescription compiled to the kernel's parameters: the only way from what a clinician sets to the loop."""

import numpy as np
from numpy.typing import NDArray

from services.controller.kernel import layout, tuning
from services.kit.therapy import dosing
from services.kit.therapy.dosing import Dosing
from services.kit.therapy.prescription import Prescription, check, refused


def compile_parameters(
    prescription: Prescription,
    period_s: float,
    session_no: int,
    table: Dosing | None = None,
    drive_mm_s: float | None = None,
) -> NDArray[np.float64]:
    """The kernel's parameters, float64[PARAMETER_COUNT]: `layout.PARAMETERS`, then the tuning of the period.

    ``drive_mm_s`` is the greatest speed measured at the bed: a slower drive is never asked for more than it
    gives, else it would seem to be stuck whenever it yields; a faster one is not asked for more either.
    Raises PrescriptionError when a limit is broken: nothing beyond a limit is ever compiled.
    """
    table = table or dosing.load()
    if refusals := check(prescription, table):
        raise refused(refusals)
    control = table.control[prescription.region]
    steps = max(prescription.progression_cycles - 1, 1)
    rows = {
        **{name: float(value) for name, value in control},
        "session_no": float(session_no),
        "base_n": prescription.base_n,
        "first_peak_n": prescription.first_peak_n
        if prescription.progression_cycles > 1
        else prescription.peak_n,
        "peak_n": prescription.peak_n,
        "peak_step_n": (prescription.peak_n - prescription.first_peak_n) / steps,
        "hold_s": prescription.hold_s,
        "rest_s": prescription.rest_s,
        "rise_n_s": prescription.rise_n_s,
        "fall_n_s": prescription.fall_n_s,
        "precondition_s": prescription.precondition_s,
        "precondition_cycles": float(prescription.precondition_cycles),
        "traction_s": prescription.traction_min * 60.0,
        "slack_n": min(control.slack_n, prescription.base_n),
        "tilt_deg": prescription.angle_deg,
        "heat_allowed": prescription.heat_min * 60.0,
        "body_weight_kg": prescription.body_weight_kg,
        "ceiling_n": prescription.peak_n + control.ceiling_margin_n,
        "drive_mm_s": min(control.drive_mm_s, drive_mm_s or control.drive_mm_s),
        "period_s": period_s,
    }
    clinical = np.array([rows[name] for name in layout.PARAMETERS], dtype=np.float64)
    return np.concatenate([clinical, np.asarray(tuning.tune(period_s), dtype=np.float64)])
