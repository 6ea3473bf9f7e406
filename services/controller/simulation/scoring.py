"""What a simulated session is worth: guarding found, tracking kept, invariants held. Plain numpy, one bed.

Times are seconds from the start of the session (the operator's start), tensions the true ones at the load
cell, without its noise: the scorer knows what no sensor tells.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.controller.kernel import layout

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Row = dict[str, Any]

LATE_S = 0.3  # a detection this long after a contraction ended still belongs to it
OVERSHOOT_S = 5.0  # after a ramp
SETTLE_S = 3.0  # after a contraction, a stop or a rebuild, before tracking counts again
CEILING_SLACK_N = 0.5
BASE_SHARE = 0.9  # of the base that the pay-out keeps after a contraction
EXCUSE_S = 1.0  # a contraction explains what the tension does for this long after it
CONTRACTING_N = 1.0
NOTICE_S = 0.1
PULLED = (layout.RAMP, layout.HOLD, layout.RELEASE, layout.REST, layout.GUARDED, layout.REBUILD)
SLACK_OFF = (layout.IDLE, layout.READY, layout.DONE, layout.STOPPED, layout.FAULT)


@dataclass(frozen=True, slots=True)
class Course:
    """One bed's course: what the loop recorded, and what only the simulation knows.

    samples int32[ticks, SAMPLES]; tension_n, counter_n, left_s float64[ticks]; start is the start's tick.
    """

    period_s: float
    start: int
    samples: NDArray[np.int32]
    tension_n: Floats
    counter_n: Floats
    left_s: Floats
    parameters: Floats
    finite: bool = True

    def row(self, name: int) -> NDArray[np.int32]:
        """One recorded quantity over the ticks."""
        column: NDArray[np.int32] = self.samples[:, name]
        return column

    @property
    def time_s(self) -> Floats:
        """Seconds since the start, of every tick."""
        return (np.arange(len(self.samples), dtype=np.float64) - self.start) * self.period_s

    @property
    def target_n(self) -> Floats:
        """Target tension."""
        return self.row(layout.S_TARGET) / 1000.0


@dataclass(frozen=True, slots=True)
class Contraction:
    """One burst that was given: earliest trace, 10 % of its peak, and its end (s since the start)."""

    first_s: float
    onset_s: float
    end_s: float


def detections(course: Course) -> Floats:
    """Times (s) at which the controller said that the patient guards."""
    ticks = np.flatnonzero(course.row(layout.S_EVENTS) & layout.EVENT_GUARDING_DETECTED)
    times: Floats = course.time_s[ticks]
    return times


def noticed(course: Course) -> Floats:
    """Times (s) at which a table that already yields took note: its wait for quiet began anew."""
    guarded = course.row(layout.S_PHASE) == layout.GUARDED
    anew = course.left_s >= course.parameters[layout.P_QUIET_S] - 0.5 * course.period_s
    times: Floats = course.time_s[guarded & anew]
    return times


def guarding_rows(course: Course, contractions: Sequence[Contraction]) -> list[Row]:
    """One row a contraction, in time, and one a false stop.

    A missed contraction has ``detected_s`` null, a false stop ``onset_s`` null. A second detection while the
    same contraction lasts is no false stop. ``phase`` is the one the contraction, or the false stop, met: a
    table that is already yielding (guarded) does not stop again, it takes note and waits for quiet anew.
    """
    found, seen = detections(course), noticed(course)
    taken = np.zeros(found.size, dtype=bool)
    rows = []
    for given in contractions:
        inside = (found >= given.first_s) & (found <= given.end_s + LATE_S)
        noted = seen[(seen >= given.first_s) & (seen <= given.end_s + LATE_S)]
        when = [*found[inside & ~taken][:1].tolist(), *noted[:1].tolist()]
        rows.append(_row(course, given, min(when) if when else None))
        taken |= inside
    rows.extend(_false_stop(course, float(time)) for time in found[~taken])
    return sorted(rows, key=lambda row: row["detected_s"] if row["onset_s"] is None else row["onset_s"])


def _row(course: Course, given: Contraction, detected_s: float | None) -> Row:
    first, onset, end = (_tick(course, when) for when in (given.first_s, given.onset_s, given.end_s))
    target = course.target_n[max(first - 1, 0)]
    over = float(course.tension_n[onset : end + 1].max(initial=target) - target)
    return {
        "onset_s": round(given.onset_s, 4),
        "detected_s": None if detected_s is None else round(detected_s, 4),
        "latency_ms": None if detected_s is None else round(1000.0 * (detected_s - given.onset_s), 1),
        "peak_over_target_n": round(over, 2),
        "phase": layout.PHASES[course.row(layout.S_PHASE)[max(first - 1, 0)]],
    }


def _false_stop(course: Course, detected_s: float) -> Row:
    tick = _tick(course, detected_s)
    target = course.target_n[max(tick - 1, 0)]
    after = course.tension_n[tick : tick + round(1.0 / course.period_s)]
    return {
        "onset_s": None,
        "detected_s": round(detected_s, 4),
        "latency_ms": None,
        "peak_over_target_n": round(float(after.max(initial=target) - target), 2),
        "phase": layout.PHASES[course.row(layout.S_PHASE)[max(tick - 1, 0)]],
    }


def _tick(course: Course, time_s: float) -> int:
    last = len(course.samples) - 1
    return min(max(course.start + round(time_s / course.period_s), 0), last)


def tracking(course: Course) -> dict[str, float | None]:
    """Errors of the true tension against the target (N), where nobody contracts and nothing is rebuilt."""
    error = course.tension_n - course.target_n
    phase, calm = course.row(layout.S_PHASE), ~_disturbed(course)
    hold, ramp = error[calm & (phase == layout.HOLD)], error[calm & (phase == layout.RAMP)]
    return {
        "hold_rms_n": _rms(hold),
        "hold_p95_n": _quantile(np.abs(hold)),
        "ramp_rms_n": _rms(ramp),
        "ramp_p95_n": _quantile(np.abs(ramp)),
        "overshoot_n": _overshoot(course, error, calm),
    }


def _disturbed(course: Course) -> Mask:
    """Ticks from a contraction, stop or rebuild on until the loop has settled."""
    phase = course.row(layout.S_PHASE)
    cause = (course.counter_n > CONTRACTING_N) | np.isin(phase, (layout.GUARDED, layout.REBUILD))
    return _lasting(cause, round(SETTLE_S / course.period_s))


def _lasting(cause: Mask, ticks: int) -> Mask:
    """True from each cause on for this many ticks more."""
    last = np.where(cause, np.arange(cause.size), -ticks - 1)
    recent: Mask = np.arange(cause.size) - np.maximum.accumulate(last) <= ticks
    return recent


def _overshoot(course: Course, error: Floats, calm: Mask) -> float | None:
    """Largest excess (N) in the seconds after a ramp."""
    phase = course.row(layout.S_PHASE)
    ends = np.flatnonzero((phase[1:] == layout.HOLD) & (phase[:-1] == layout.RAMP)) + 1
    span = round(OVERSHOOT_S / course.period_s)
    tops = [float(error[end : end + span].max()) for end in ends if calm[end : end + span].all()]
    return round(max(tops), 3) if tops else None


def _rms(error: Floats) -> float | None:
    return round(float(np.sqrt(np.mean(error**2))), 3) if error.size else None


def _quantile(error: Floats) -> float | None:
    return round(float(np.quantile(error, 0.95)), 3) if error.size else None


def phase_seconds(course: Course) -> dict[str, float]:
    """Seconds in each phase that was met, from the start on."""
    counts = np.bincount(course.row(layout.S_PHASE)[course.start :], minlength=len(layout.PHASES))
    return {name: round(float(count * course.period_s), 3)
            for name, count in zip(layout.PHASES, counts, strict=True) if count}  # fmt: skip


# --- invariants: what must hold in every tick, whoever lies on the bed -------------------------------------


def _ceiling_exceeded(course: Course) -> Mask:
    """True tension above the envelope's ceiling."""
    over: Mask = course.tension_n > course.row(layout.S_CEILING) / 1000.0 + CEILING_SLACK_N
    return over & _underway(course)


def _base_not_kept(course: Course) -> Mask:
    """True tension below 0.9 of the base while the profile runs."""
    base = course.parameters[layout.P_BASE]
    below: Mask = course.tension_n < BASE_SHARE * base
    return below & np.isin(course.row(layout.S_PHASE), PULLED)


def _target_above_peak(course: Course) -> Mask:
    peak = course.row(layout.S_PEAK)
    above = (peak > 0) & (course.row(layout.S_TARGET) > peak + 1)
    return above & np.isin(course.row(layout.S_PHASE), PULLED)


def _target_too_fast(course: Course) -> Mask:
    """Target steeper than the prescription's rates, while the profile pulls (a stop may drop at once)."""
    rise = np.diff(course.row(layout.S_TARGET), prepend=0) / 1000.0 / course.period_s
    steep: Mask = rise > course.parameters[layout.P_RISE] * 1.02 + 0.2
    return steep & np.isin(course.row(layout.S_PHASE), PULLED)


def _drive_too_fast(course: Course) -> Mask:
    limit: float = 1000.0 * course.parameters[layout.P_DRIVE_SPEED] + 1.0
    return np.abs(course.row(layout.S_VELOCITY)) > limit


def _envelope_raised(course: Course) -> Mask:
    """Pulling although the load cell reads more than the ceiling, or has not been heard for 30 ms."""
    over = 100 * course.row(layout.S_FORCE) > course.row(layout.S_CEILING)
    stale = course.row(layout.S_AGE) > max(30, 1000 * course.period_s)
    underway = _underway(course)
    return ((over & underway) | stale) & (course.row(layout.S_VELOCITY) > 0)


def _pulled_after_the_end(course: Course) -> Mask:
    return np.isin(course.row(layout.S_PHASE), SLACK_OFF) & (course.row(layout.S_VELOCITY) > 0)


def _remaining_grew(course: Course) -> Mask:
    grew = np.diff(course.row(layout.S_REMAINING), prepend=course.row(layout.S_REMAINING)[0]) > 0
    grew[: course.start + 1] = False
    return grew


def _underway(course: Course) -> Mask:
    return ~np.isin(course.row(layout.S_PHASE), SLACK_OFF)


INVARIANTS: dict[str, Callable[[Course], Mask]] = {
    "ceiling_exceeded": _ceiling_exceeded,
    "base_not_kept": _base_not_kept,
    "target_above_peak": _target_above_peak,
    "target_too_fast": _target_too_fast,
    "drive_too_fast": _drive_too_fast,
    "envelope_raised": _envelope_raised,
    "pulled_after_the_end": _pulled_after_the_end,
    "remaining_grew": _remaining_grew,
    "not_finite": lambda course: np.array([not course.finite]),
}


def _contracting(course: Course) -> Mask:
    return _lasting(course.counter_n > CONTRACTING_N, round(EXCUSE_S / course.period_s))


def _eased(course: Course) -> Mask:
    return _contracting(course) | np.isin(course.row(layout.S_PHASE), (layout.GUARDED, layout.REBUILD))


def _about_to_fault(course: Course) -> Mask:
    """The last tenth of a second before a fault: a strap that slips has let go before it is noticed."""
    faulted = course.row(layout.S_PHASE) == layout.FAULT
    return _lasting(faulted[::-1], round(NOTICE_S / course.period_s))[::-1]


# The ceiling outranks the base, a contraction can be faster than any drive, and a strap may slip: such ticks
# are counted by themselves, under the name of what explains them, each by the first that does.
EXCUSED: tuple[tuple[str, str, Callable[[Course], Mask]], ...] = (
    ("ceiling_exceeded", "contraction_faster_than_drive", _contracting),
    ("base_not_kept", "base_dipped_after_contraction", _eased),
    ("base_not_kept", "base_lost_by_fault", _about_to_fault),
)


def violations(course: Course) -> tuple[dict[str, int], dict[str, int]]:
    """Ticks in which each invariant was broken, and those that something beyond the control excuses."""
    masks = {name: invariant(course) for name, invariant in INVARIANTS.items()}
    excused = {}
    for name, excuse, cause in EXCUSED:
        explained = masks[name] & cause(course)
        excused[excuse] = int(explained.sum())
        masks[name] &= ~explained
    return {name: int(mask.sum()) for name, mask in masks.items()}, excused
