"""`spondyl bed identify ADDRESS --device ID`: what the loop and its models want to know of one bed.

Strokes without tension show the drive's lag and greatest speed, a slow pull up to a stated small ceiling and
back, twice, shows harness and friction. Not on a person: on a doll that lies still.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from services.controller.beds.addresses import DriveAddress
from services.controller.commissioning.fitting import Floats, Pull, fit_pull, line_of
from services.controller.commissioning.line import Line
from services.controller.commissioning.parameters import BedParameters
from services.kit.errors import SpondylError

CEILING_N = 60.0
LEAST_CEILING_N, MOST_CEILING_N = 30.0, 100.0
OVERSHOOT_N = 10.0  # above the ceiling the pull is stopped and let out
REST_N = 10.0
BACK_MM = 14.0  # travel without tension that the strokes need
STROKE_MM_S, STROKE_S, STROKES = 15.0, 0.6, 6
SETTLED_S = 0.15
FASTEST_MM_S = 200.0  # asked for: the drive gives what it can
PULL_MM_S, PULL_EVERY_S, PULL_S = 3.0, 0.010, 60.0
DOWN_SHARE = 0.4  # of the ceiling: the loop between goes down to it
POINTS = 400  # that are fitted
MOST_RMS_N = 3.0  # more is unexplained: somebody moved
MOST_UNCERTAIN = 0.2  # of the harness's stiffness
MOST_LAG_S = 0.2
UNCERTAIN = ("harness_n_mm", "toe_mm", "friction_n")


class Pulled:
    """What a pull recorded."""

    def __init__(self) -> None:
        self.travel: list[float] = []
        self.force: list[float] = []

    def points(self) -> tuple[Floats, Floats]:
        """At most POINTS of them, evenly taken."""
        step = max(1, len(self.travel) // POINTS)
        return np.array(self.travel[::step]), np.array(self.force[::step])


def identify(
    address: DriveAddress, device: str, ceiling_n: float, kernel: int, said: Callable[[str], None]
) -> tuple[BedParameters, dict[str, Any]]:
    """Measure a bed; its parameters and the report. SpondylError where they cannot be trusted."""
    if not LEAST_CEILING_N <= ceiling_n <= MOST_CEILING_N:
        raise SpondylError(
            f"--ceiling-n is {ceiling_n:g}: a test pull goes to {LEAST_CEILING_N:g} to {MOST_CEILING_N:g} N"
        )
    with Line(address) as line:
        first = line.require_free()
        if wrong := first.unlike_the_map:
            raise SpondylError(f"{address}: {wrong}: nothing is pulled on another map, see docs/modbus.md")
        if not first.values["serial"]:
            raise SpondylError(f"{address} has no serial number: parameters belong to one drive, set it")
        if abs(first.force_n) > REST_N:
            raise SpondylError(
                f"{first.force_n:g} N at rest: loosen the harness, at most {REST_N:g} N is slack"
            )
        said(f"strokes without tension, {STROKE_MM_S:g} mm/s")
        lag_s, fastest = _drive(line)
        said(f"a pull to {ceiling_n:g} N, {PULL_MM_S:g} mm/s: the patient switch stops it")
        pull = _fitted(_pull(line, ceiling_n))
        line.back()
    serial = first.values["serial"]
    found = BedParameters(
        device=device, serial=serial, harness_n_mm=round(pull.values["harness_n_mm"], 2),
        toe_mm=round(pull.values["toe_mm"], 2), friction_n=round(pull.values["friction_n"], 2),
        drive_lag_s=round(lag_s, 4), drive_mm_s=round(fastest, 2), measured_at=datetime.now(UTC),
        kernel=kernel, ceiling_n=ceiling_n,
        uncertainty={name: round(pull.deviations[name], 3) for name in UNCERTAIN},
    )  # fmt: skip
    return found, {"rms_n": round(pull.rms_n, 2), "slack_mm": round(pull.values["slack_mm"], 2),
                   "spring_n_mm": round(pull.values["spring_n_mm"], 1)}  # fmt: skip


def _drive(line: Line) -> tuple[float, float]:
    """Lag (s) and greatest speed (mm/s), on travel that has no tension."""
    began = line.exchange().position_mm
    _stroke(line, -STROKE_MM_S, BACK_MM / STROKE_MM_S)
    gone = began - line.exchange().position_mm
    if gone < BACK_MM / 2:
        raise SpondylError(f"{gone:.1f} mm of travel back: {BACK_MM:g} mm are needed without tension")
    lags = []
    for stroke in range(STROKES):
        forth = STROKE_MM_S if stroke % 2 == 0 else -STROKE_MM_S
        lags.append(_lag(_stroke(line, forth, STROKE_S)))
    there = line.exchange().position_mm
    fast = [(at, place) for at, place in _stroke(line, FASTEST_MM_S, STROKE_S, BACK_MM * 0.9)]
    steady = [(at, place) for at, place in fast if abs(place - there) > BACK_MM / 3]
    if len(steady) < 3:  # noqa: PLR2004  (a line needs more than two)
        raise SpondylError("the drive does not move: check power and both stop channels")
    fastest, _ = line_of(*zip(*steady, strict=True))
    return float(np.median(lags)), fastest


def _stroke(
    line: Line, velocity_mm_s: float, seconds: float, most_mm: float = 1e9
) -> list[tuple[float, float]]:
    """Move and stop; seconds since the command and travel (mm) of every look."""
    start = line.exchange()
    found, commanded_at = [], 0.0
    for look in line.move(velocity_mm_s, seconds, REST_N, every_s=0.002):
        commanded_at = commanded_at or look.at_s
        found.append((look.at_s - commanded_at, look.position_mm - start.position_mm))
        if abs(found[-1][1]) >= most_mm:
            break
    for _ in line.move(0.0, 0.2, REST_N):
        pass
    return found


def _lag(stroke: list[tuple[float, float]]) -> float:
    """How far behind its command the steady travel is: a first-order lag's time constant."""
    steady = [(at, place) for at, place in stroke if at > SETTLED_S]
    _, behind = line_of(*zip(*steady, strict=True))
    return min(max(behind, 0.0), MOST_LAG_S)


def _pull(line: Line, ceiling_n: float) -> Pulled:
    """Up to the ceiling, down, up again and back to slack."""
    pulled = Pulled()
    low_n = DOWN_SHARE * ceiling_n
    for velocity, end_n in ((PULL_MM_S, ceiling_n), (-PULL_MM_S, low_n), (PULL_MM_S, ceiling_n),
                            (-PULL_MM_S, 0.0)):  # fmt: skip
        for look in line.move(velocity, PULL_S, ceiling_n + OVERSHOOT_N, every_s=PULL_EVERY_S):
            pulled.travel.append(look.position_mm)
            pulled.force.append(look.force_n)
            if (look.force_n - end_n) * velocity >= 0.0:
                break
        else:
            raise SpondylError(f"no {ceiling_n:g} N within {PULL_S:g} s: is the harness hooked?")
    return pulled


def _fitted(pulled: Pulled) -> Pull:
    pull = fit_pull(*pulled.points())
    if pull.rms_n > MOST_RMS_N:
        raise SpondylError(
            f"{pull.rms_n:.1f} N are not explained, at most {MOST_RMS_N:g} N may be: the doll must lie still"
        )
    stiffness, spread = pull.values["harness_n_mm"], pull.deviations["harness_n_mm"]
    if spread > MOST_UNCERTAIN * stiffness:
        raise SpondylError(
            f"the harness is {stiffness:.1f} N/mm, give or take {spread:.1f}: at most "
            f"{100 * MOST_UNCERTAIN:g} % may be uncertain; use the doll on its spring, see docs/modbus.md"
        )
    return pull
