"""Stiffness, creep and friction of this patient from the first pulls: a fit to recorded tension and position.

Quasi-static, linear least squares over bins of BIN_S (docs/segment.md):

    x = x0 + c T + (1 / K) (0.2 lag24(T) + 0.3 lag580(T)) - w s(T)

c is the compliance of harness and spine in series; the creep's shape (0.5 prompt, 0.2 and 0.3 with 24 s and
580 s, over the stiffness K) is borrowed from porcine spines, litmetric.com/detail/38951421. s is the play of
a small width over the tension, +1 while it rises and -1 while it falls: ramp and release part by 2 w.
Friction is w over the spine's prompt compliance: what breathing leaves of it, for every breath shakes it
loose. A second fit leaves the two creep elements free. Errors hang together (breathing), so deviations are
widened by the residuals' own autocorrelation, and by what the formula misses of simulated people (MISSES).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.controller.blackbox.recording import Chunk, Unreadable, read
from services.controller.blackbox.replay import phases_of
from services.controller.kernel import layout
from services.kit.therapy.segment_force import Measured

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Counts = NDArray[np.int32]

BIN_S: Final = 0.2
LEAST_N: Final = 42.0  # below, the harness may stand in its toe (30 N/mm, 2.5 mm: 37 N)
LEAST_S: Final = 90.0  # of tension, from which on creep and strap can be told apart at all
LEAST_SWING_N: Final = 40.0
LEAST_TRAVEL_MM: Final = 1.0
MOST_CYCLES: Final = 3  # the first pulls: later ones only repeat
SETTLE_S: Final = 5.0  # after a stop for guarding: a muscle is no spring
PLAY_N: Final = 5.0  # width over which s turns: above noise and rounding
BREATH_S: Final = 4.0  # averaged over, so that breathing does not turn it
ROUNDS: Final = 3
MOST_FRICTION_N: Final = 200.0
INTERVAL: Final = 0.90
Z90: Final = 1.6448536  # normal quantile of 0.95
WIDEST: Final = 0.75  # of the value: beyond this half interval it cannot be told
FRICTION_TOLD_N: Final = 15.0  # half interval: more is as much as the table's own range
PROMPT, FAST, SLOW = 0.50, 0.20, 0.30  # of F/K: see the source above
FAST_S, SLOW_S = 24.0, 580.0
MISSES: Final = {  # share of the value, one deviation: 20 simulated people who do not breathe
    "series_n_mm": 0.004, "spine_n_mm": 0.07, "harness_n_mm": 0.015, "creep24_mm_kn": 0.06,
    "creep580_mm_kn": 0.12, "friction_n": 0.2,
}  # fmt: skip
MISSED_FRICTION_N: Final = 1.5
NEEDED: Final = ("force_dn", "position_cmm", "age_ms", "status", "phase")
PULLED: Final = (layout.PRECONDITION, layout.RAMP, layout.HOLD, layout.RELEASE, layout.REST)


@dataclass(frozen=True, slots=True)
class Pulls:
    """The first pulls in bins of BIN_S: tension (N), position (mm), and which of them the fit may use."""

    tension_n: Floats
    position_mm: Floats
    usable: Mask


@dataclass(frozen=True, slots=True)
class Harness:
    """The harness' stiffness as commissioning measured it at this bed (N/mm, one standard deviation)."""

    n_mm: float
    sd_n_mm: float


@dataclass(frozen=True, slots=True)
class Value:
    """One thing found, with the ends of its 90 % interval; or why it cannot be told (``why``)."""

    name: str
    unit: str
    value: float | None
    low: float | None
    high: float | None
    why: str = ""  # "", "too-short", "little-pull", "little-travel", "wide"

    def as_json(self) -> dict[str, Any]:
        """For ``--json`` and the panel."""

        def rounded(value: float | None) -> float | None:
            return None if value is None else float(f"{value:.4g}")

        return {
            "name": self.name, "unit": self.unit, "told": not self.why, "why": self.why or None,
            "value": rounded(self.value), "low": rounded(self.low), "high": rounded(self.high),
        }  # fmt: skip


NAMES: Final = (  # name, unit
    ("series_n_mm", "N/mm"),  # harness and spine, prompt
    ("spine_n_mm", "N/mm"),  # K: the whole of the creep's shape
    ("harness_n_mm", "N/mm"),
    ("creep24_mm_kn", "mm/kN"),
    ("creep580_mm_kn", "mm/kN"),
    ("friction_n", "N"),
)


@dataclass(frozen=True, slots=True)
class Identified:
    """What the first pulls told, and how good the fit is."""

    seconds: float
    swing_n: float
    travel_mm: float
    rms_mm: float | None
    values: tuple[Value, ...]

    def of(self, name: str) -> Value:
        """One of NAMES."""
        return next(value for value in self.values if value.name == name)

    @property
    def friction(self) -> Measured | None:
        """The friction for the model of the force at the segment, where it could be told."""
        found = self.of("friction_n")
        if found.value is None or found.high is None:
            return None
        return Measured(found.value, (found.high - found.value) / Z90)

    def as_json(self) -> dict[str, Any]:
        """For ``--json`` and the panel."""
        rms_mm = None if self.rms_mm is None else round(self.rms_mm, 4)
        return {
            "seconds": round(self.seconds, 1), "swing_n": round(self.swing_n, 1),
            "travel_mm": round(self.travel_mm, 2), "rms_mm": rms_mm, "interval": INTERVAL,
            "values": [value.as_json() for value in self.values],
        }  # fmt: skip


def first_pulls(columns: Mapping[str, Counts], period_s: float) -> Pulls:
    """The precondition and the first cycles of one session from its columns (NEEDED, int[n]) on."""
    phase = columns["phase"]
    treated = np.flatnonzero(np.isin(phase, (layout.SLACK, *PULLED)))
    first = int(treated[0]) if len(treated) else len(phase)
    ramps = first + 1 + np.flatnonzero(np.diff((phase[first:] == layout.RAMP).astype(np.int8)) > 0)
    last = int(ramps[MOST_CYCLES]) if len(ramps) > MOST_CYCLES else len(phase)
    size = max(1, round(BIN_S / period_s))
    count = (last - first) // size
    rows = {name: columns[name][first : first + count * size].reshape(count, size) for name in NEEDED}
    measured = (rows["status"] & layout.STATUS_FORCE_VALID != 0) & (rows["age_ms"] == 0)
    guarded = np.isin(rows["phase"], (layout.GUARDED, layout.REBUILD)).any(axis=1)
    settling = np.convolve(np.append(guarded, 0.0), np.ones(1 + round(SETTLE_S / BIN_S)))[:count] > 0
    return Pulls(
        rows["force_dn"].mean(axis=1) / 10.0,
        rows["position_cmm"].mean(axis=1) / 100.0,
        (np.isin(rows["phase"], PULLED) & measured).all(axis=1) & ~settling,
    )


def columns_of(samples: NDArray[np.int32]) -> dict[str, Counts]:
    """What ``first_pulls`` takes, from one bed's samples (int32[n, SAMPLES])."""
    return {name: samples[:, layout.SAMPLES.index(name)] for name in NEEDED}


def recorded(path: Path) -> tuple[dict[str, Counts], float]:
    """The columns of a session's recording and its period (s), up to the first gap.

    Raises Unreadable, and NotShipped of a kernel whose phases nobody here can read.
    """
    chunks, behind = [], None
    for chunk in read(path):
        if behind not in (None, chunk.message.seq):
            break
        _require_columns(f"{path}:{chunk.line}", chunk)
        chunks.append(chunk)
        behind = chunk.message.seq + chunk.message.count
    columns = {name: np.concatenate([chunk.columns[name] for chunk in chunks]) for name in NEEDED}
    return columns, chunks[0].message.period_ms / 1000.0


def _require_columns(where: str, chunk: Chunk) -> None:
    """Refuse what lacks a column, and what counts phases otherwise."""
    if missing := sorted({*NEEDED} - chunk.columns.keys()):
        raise Unreadable(f"{where}: columns {', '.join(missing)} are missing: no pulls can be read from it")
    version = chunk.message.kernel_version
    if version != layout.KERNEL_VERSION and phases_of(version) != tuple(layout.PHASES):
        raise Unreadable(
            f"{where}: kernel version {version} counts its phases otherwise: nothing is told of it"
        )


def identify(pulls: Pulls, harness: Harness | None = None) -> Identified:
    """What these pulls tell; ``harness`` from commissioning is taken where there is one."""
    used = pulls.usable & (pulls.tension_n > LEAST_N)
    seconds = float(used.sum()) * BIN_S
    swing_n = float(np.ptp(pulls.tension_n[used])) if used.any() else 0.0
    travel_mm = float(np.ptp(pulls.position_mm[used])) if used.any() else 0.0
    why = _lacking(seconds, swing_n, travel_mm)
    if why:
        values = tuple(Value(name, unit, None, None, None, why) for name, unit in NAMES)
        return Identified(seconds, swing_n, travel_mm, None, values)
    found, rms_mm = _fitted(pulls, used, harness)
    values = tuple(_told(name, unit, *found[name]) for name, unit in NAMES)
    return Identified(seconds, swing_n, travel_mm, rms_mm, values)


def _lacking(seconds: float, swing_n: float, travel_mm: float) -> str:
    rows = (
        ("too-short", seconds, LEAST_S), ("little-pull", swing_n, LEAST_SWING_N),
        ("little-travel", travel_mm, LEAST_TRAVEL_MM),
    )  # fmt: skip
    return next((why for why, value, least in rows if not value >= least), "")


def _told(name: str, unit: str, value: float, sd: float) -> Value:
    missed = MISSES[name] * abs(value) + (MISSED_FRICTION_N if name == "friction_n" else 0.0)
    half = Z90 * float(np.hypot(sd, missed))
    widest = FRICTION_TOLD_N if name == "friction_n" else WIDEST * abs(value)
    if not (np.isfinite(value) and np.isfinite(half) and half <= widest):
        return Value(name, unit, None, None, None, "wide")
    value = max(0.0, value)
    return Value(name, unit, value, max(0.0, value - half), value + half)


WHY: Final = {
    "too-short": f"cannot be told: less than {LEAST_S:g} s of tension above {LEAST_N:g} N",
    "little-pull": f"cannot be told: the pull varies by less than {LEAST_SWING_N:g} N",
    "little-travel": f"cannot be told: the bed travels less than {LEAST_TRAVEL_MM:g} mm",
    "wide": "cannot be told: the interval is too wide",
}
TEXTS: Final = {
    "series_n_mm": "harness and spine in series",
    "spine_n_mm": "spine, with its creep",
    "harness_n_mm": "harness",
    "creep24_mm_kn": "creep within 24 s",
    "creep580_mm_kn": "creep within 580 s",
    "friction_n": "friction that breathing leaves",
}


def tell(found: Identified) -> list[str]:
    """The values for a person, a line each."""
    given = f"{found.seconds:.0f} s of tension, {found.swing_n:.0f} N and {found.travel_mm:.1f} mm"
    return [
        f"from {given}; 90 % intervals",
        *(f"{TEXTS[value.name]}: {_in_words(value)}" for value in found.values),
    ]


def _in_words(value: Value) -> str:
    if value.value is None:
        return WHY[value.why]
    return f"{value.value:.3g} {value.unit} ({value.low:.3g} to {value.high:.3g})"


# --- the fit -----------------------------------------------------------------------------------------------
Estimate = tuple[Floats, Floats, float]  # parameters, their covariance, rms of what is left (mm)
Found = dict[str, tuple[float, float]]  # value and standard deviation by name


def _fitted(pulls: Pulls, used: Mask, harness: Harness | None) -> tuple[Found, float]:
    side, friction_n = _side(pulls.tension_n), 0.0
    for _ in range(ROUNDS):  # what arrives at the spine creeps: the tension less the friction just found
        fast, slow = (_lag(pulls.tension_n - friction_n * side, seconds) for seconds in (FAST_S, SLOW_S))
        columns = [np.ones_like(side), pulls.tension_n, FAST * fast + SLOW * slow, -side]
        at, covariance, rms_mm = _least_squares(np.stack(columns, axis=1)[used], pulls.position_mm[used])
        if harness is not None:
            row = np.array([0.0, 1.0, -PROMPT, 0.0])  # the strap's compliance: series less the spine's prompt
            sd = harness.sd_n_mm / harness.n_mm**2
            at, covariance = _conditioned(at, covariance, row, 1.0 / harness.n_mm, sd)
        found = _derived(at, covariance)
        friction_n = float(np.clip(np.nan_to_num(found["friction_n"][0]), 0.0, MOST_FRICTION_N))
    columns[2:3] = [fast, slow]
    two, two_covariance, _ = _least_squares(np.stack(columns, axis=1)[used], pulls.position_mm[used])
    for name, index in (("creep24_mm_kn", 2), ("creep580_mm_kn", 3)):
        found[name] = 1000.0 * float(two[index]), 1000.0 * float(np.sqrt(two_covariance[index, index]))
    return found, rms_mm


def _derived(at: Floats, covariance: Floats) -> Found:
    """Stiffnesses and friction from x0, c, 1/K, w by first-order propagation."""
    _, series, soft, width = (float(value) for value in at)
    strap = series - PROMPT * soft

    def sd(gradient: list[float]) -> float:
        row = np.array(gradient)
        return float(np.sqrt(row @ covariance @ row))

    with np.errstate(divide="ignore", invalid="ignore"):
        prompt = np.float64(PROMPT * soft)
        friction = width / prompt
        return {
            "series_n_mm": (1.0 / series, sd([0, 1, 0, 0]) / series**2),
            "spine_n_mm": (float(np.float64(1.0) / soft), float(np.float64(sd([0, 0, 1, 0])) / soft**2)),
            "harness_n_mm": (float(np.float64(1.0) / strap), sd([0, 1, -PROMPT, 0]) / strap**2),
            "friction_n": (float(friction), sd([0, 0, float(-friction / soft), float(1.0 / prompt)])),
        }


def _lag(values: Floats, seconds: float) -> Floats:
    """A first-order lag over bins of BIN_S, from rest."""
    share, level = 1.0 - np.exp(-BIN_S / seconds), 0.0
    lagged = np.empty_like(values)
    for index, value in enumerate(values):
        level += share * (value - level)
        lagged[index] = level
    return lagged


def _side(tension: Floats) -> Floats:
    """On which side of its play the tension stands: +1 where it has risen, -1 where it has fallen."""
    width = round(BREATH_S / BIN_S)
    around = np.pad(tension, (width // 2, width - 1 - width // 2), mode="edge")
    smooth = np.convolve(around, np.full(width, 1.0 / width), mode="valid")
    side, follower = np.empty_like(tension), 0.0
    for index, value in enumerate(smooth):
        follower = min(max(follower, value - PLAY_N), value + PLAY_N)
        side[index] = (value - follower) / PLAY_N
    return side


def _least_squares(columns: Floats, wanted: Floats) -> Estimate:
    """Parameters with their covariance, widened by how long the residuals hang together."""
    at, *_ = np.linalg.lstsq(columns, wanted, rcond=None)
    left = wanted - columns @ at
    degrees = max(1, len(wanted) - columns.shape[1])
    variance = float(left @ left) / degrees * _hanging(left)
    covariance: Floats = variance * np.linalg.pinv(columns.T @ columns)
    return np.asarray(at, np.float64), covariance, float(np.sqrt(np.mean(left**2)))


def _hanging(left: Floats) -> float:
    """By how much fewer the residuals are than they look: 1 + 2 sum of correlations (Newey and West)."""
    power = float(left @ left)
    if power <= 0.0:
        return 1.0
    most = min(len(left) // 4, round(20.0 / BIN_S))
    correlations = np.array([float(left[lag:] @ left[:-lag]) / power for lag in range(1, most)])
    taper = 1.0 - np.arange(1, most) / most
    return float(
        max(1.0, 1.0 + 2.0 * (taper * correlations).sum(), 1.0 + 2.0 * _until_negative(correlations))
    )


def _until_negative(correlations: Floats) -> float:
    below = np.flatnonzero(correlations < 0.0)
    return float(correlations[: int(below[0]) if len(below) else len(correlations)].sum())


def _conditioned(
    at: Floats, covariance: Floats, row: Floats, value: float, sd: float
) -> tuple[Floats, Floats]:
    """The estimate after learning that row @ parameters is value, give or take sd."""
    spread = covariance @ row
    gain = spread / (row @ spread + sd**2)
    return at + gain * (value - row @ at), covariance - np.outer(gain, spread)
