"""A session drawn at random from its number: prescription, person, faults, what the operator does.

The prescription comes from the whole range that the dosing table allows, the rest from the ranges here. A
session of a seed is the same alone and among any others.
"""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from services.controller.beds import simulated
from services.controller.kernel import layout, plant
from services.controller.kernel.faults import FAULT_KINDS
from services.controller.parameters import compile_parameters
from services.controller.verifying import rows as r
from services.kit.therapy import dosing
from services.kit.therapy.prescription import Prescription, limit_of

START_S = 2.0  # the patient has pressed and let go of the switch
PERIODS_S = (0.02,) * 9 + (0.005,)  # by the session's number: every tenth runs at 5 ms
SLACK_S, PAUSE_S, MARGIN_S = 100.0, 600.0, 120.0  # longest of each; what stops and rebuilds may take
NEVER = 2**62
TOLD = (  # what the operator, or the remote channel, may do under way, and how likely each is
    (layout.ACTION_PAUSE, 6), (layout.ACTION_REMOTE_PAUSE, 2), (layout.ACTION_RESUME, 1),
    (layout.ACTION_STOP, 2), (layout.ACTION_REMOTE_STOP, 1), (layout.ACTION_CHANGE, 5),
    (layout.ACTION_HEAT_ON, 2), (layout.ACTION_HEAT_OFF, 2), (layout.ACTION_RESET, 1),
    (layout.ACTION_CLOSE, 1), (layout.ACTION_LOAD, 1), (layout.ACTION_TEST_SWITCH, 1),
    (layout.ACTION_START, 1),
)  # fmt: skip
LASTING_S = {  # of each fault, evenly in the logarithm; what is not named: 0.05 to 20 s
    "sensor-drift": (30.0, 600.0), "late-ticks": (0.02, 0.6), "clock": (0.02, 1.0),
    "switch-pressed": (0.1, 3.0), "heat-stuck": (10.0, 300.0), "sensor-noise": (0.5, 120.0),
    "drive-slow": (0.5, 120.0),    "link-late": (0.1, 60.0),
}  # fmt: skip
CEILING_SLACK_N = 0.5
WRONG_SHARE = 0.05  # of sessions with a ceiling below their peak: no prescription compiles to that
WRONG_SLACK_N = 6.0  # there breath and friction move the tension about the ceiling
RESTLESS_SHARE, CERVICAL_SHARE, RESUMED_SHARE = 0.5, 0.35, 0.9
QUINTIC_PEAK = 1.875  # greatest rate of the move over its mean one, docs/control.md
LINES = 40  # a script has at most
FREE_TERMS = {"constant", "body_weight"}  # of a limit: not fields of the prescription


@dataclass(frozen=True, slots=True)
class Session:
    """One session's arrays: a column of each of the watcher's, and its script."""

    number: int
    period_s: float
    prescription: Prescription
    parameters: NDArray[np.float64]
    changed: NDArray[np.float64]
    given: NDArray[np.float64]
    later: NDArray[np.float64]
    constants: NDArray[np.float64]
    random: NDArray[np.uint64]
    script: NDArray[np.int64]  # (tick, kind, value), closed by a line that never comes


def draw(seed: int, number: int, faults: tuple[str, ...] = FAULT_KINDS) -> Session:
    """Session ``number`` of a seed, with faults of these kinds."""
    generator = np.random.default_rng([seed, number, 2])
    period_s = PERIODS_S[number % len(PERIODS_S)]
    person = _prescribed(generator)
    prescription = Prescription.model_construct(**vars(person))
    parameters = compile_parameters(prescription, period_s, 1)
    script, pauses = _script(generator, parameters, period_s, faults)
    changes = bool((script[:, 2] == layout.ACTION_CHANGE)[script[:, 1] == 0].any())
    changed = _changed(generator, person, period_s) if changes else parameters
    over_n = CEILING_SLACK_N
    if generator.random() < WRONG_SHARE:  # a ceiling below the peak: the envelope against a wrong target
        parameters[layout.P_CEILING] = generator.uniform(person.base_n + 10.0, person.peak_n)
        changed, over_n = parameters, WRONG_SLACK_N
    longest_s = float(
        max(parameters[layout.P_TRACTION_S], changed[layout.P_TRACTION_S])
        + (1 + pauses) * SLACK_S + pauses * PAUSE_S + MARGIN_S
        + max(_cooldown_s(parameters), _cooldown_s(changed))
    )  # fmt: skip
    constants = simulated.population(seed, 1, period_s, person.body_weight_kg, first=number)[:, 0]
    if over_n == WRONG_SLACK_N:  # there is no room above the target for anybody's contraction
        simulated.calm(constants[:, None])
    elif generator.random() < RESTLESS_SHARE:
        # a contraction a minute, a fit of coughs every other
        constants[plant.K_GUARD_EARLY : plant.K_GUARD_LATE + 1] = 1 / 60
        constants[plant.K_COUGH] = 1 / 120
    return Session(
        number, period_s, prescription, parameters, changed, given(parameters, longest_s, over_n),
        given(changed, longest_s, over_n), constants, simulated.random_states(seed, 1, number)[:, 0], script,
    )  # fmt: skip


def _cooldown_s(parameters: NDArray[np.float64]) -> float:
    """Longest cooldown: from the peak to nothing, at its steepest as fast as prescribed."""
    slowest_s = QUINTIC_PEAK * parameters[layout.P_CEILING] / parameters[layout.P_FALL]
    return float(max(parameters[layout.P_COOLDOWN_S], slowest_s))


# --- prescriptions -----------------------------------------------------------------------------------------


def _bounds(table: dosing.Dosing, person: SimpleNamespace, field: str) -> tuple[float, float]:
    """Least and greatest value that the table allows a field of a prescription that is half drawn."""
    low, high = -np.inf, np.inf
    for row in table.limit:
        if row.field != field or row.region not in ("any", person.region):
            continue
        wanted = (*row.when, *(row.of.keys() - FREE_TERMS))
        unknown = any(getattr(person, name, None) is None for name in wanted)
        if unknown or (row.sex and person.sex not in row.sex):
            continue
        if all(first <= getattr(person, name) <= last for name, (first, last) in row.when.items()):
            limit = limit_of(row, person)  # type: ignore[arg-type]
            low, high = (max(low, limit), high) if row.bound == "min" else (low, min(high, limit))
    return low, high


def _prescribed(generator: np.random.Generator) -> SimpleNamespace:
    """A prescription from the whole range of the table."""
    table = dosing.load()
    region = "cervical" if generator.random() < CERVICAL_SHARE else "lumbar"
    segment = tuple(table.segments(region).values())[int(generator.integers(len(table.segments(region))))]
    person = SimpleNamespace(
        region=region, sex=("female", "male", "unspecified")[int(generator.integers(3))],
        segment=segment.segment, angle_deg=float(generator.uniform(segment.least_deg, segment.most_deg)),
        segment_peak_n=None,
    )  # fmt: skip
    for field in ("age_years", "session_number"):
        low, high = _bounds(table, person, field)
        setattr(person, field, int(generator.integers(round(low), round(high) + 1)))
    low, high = _bounds(table, person, "body_weight_kg")
    person.body_weight_kg = round(float(generator.uniform(max(low, 40.0), min(high, 150.0))), 1)
    _draw_force(generator, table, person)
    for field in ("hold_s", "rest_s", "rise_n_s", "fall_n_s", "traction_min", "precondition_s"):
        setattr(person, field, float(generator.uniform(*_bounds(table, person, field))))
    for field in ("precondition_cycles", "progression_cycles"):
        low, high = _bounds(table, person, field)
        setattr(person, field, int(generator.integers(round(low), round(high) + 1)))
    person.heat_min = float(generator.uniform(0.0, max(_bounds(table, person, "heat_min")[1], 0.0)))
    person.previous_peak_n = person.tolerated_sessions = None
    return person


def _draw_force(generator: np.random.Generator, table: dosing.Dosing, person: SimpleNamespace) -> None:
    """Peak, base and first peak: the base at most half of the peak, and both within their rows."""
    least_base = _bounds(table, person, "base_n")[0]
    highest = _bounds(table, person, "peak_n")[1]
    person.peak_n = float(generator.uniform(min(max(2.0 * least_base, least_base + 10.0), highest), highest))
    low, high = _bounds(table, person, "base_n")
    person.base_n = float(generator.uniform(low, max(low, min(high, person.peak_n - 10.0))))
    person.first_peak_n = float(generator.uniform(min(person.base_n + 5.0, person.peak_n), person.peak_n))


def _changed(generator: np.random.Generator, person: SimpleNamespace, period_s: float) -> NDArray[np.float64]:
    """What the operator may change it to: another force and other times for the same person."""
    other = SimpleNamespace(**vars(person))
    del other.peak_n, other.base_n, other.first_peak_n
    table = dosing.load()
    _draw_force(generator, table, other)
    for field in ("hold_s", "rest_s", "rise_n_s", "fall_n_s", "traction_min"):
        setattr(other, field, float(generator.uniform(*_bounds(table, other, field))))
    other.heat_min = min(other.heat_min, other.traction_min)
    return compile_parameters(Prescription.model_construct(**vars(other)), period_s, 1)


def given(parameters: NDArray[np.float64], longest_s: float, over_n: float) -> NDArray[np.float64]:
    """What these parameters allow, in the order of rows.GIVEN."""
    rows = {
        "base_n": layout.P_BASE, "peak_n": layout.P_PEAK, "ceiling_n": layout.P_CEILING,
        "rise_n_s": layout.P_RISE, "drive_mm_s": layout.P_DRIVE_SPEED, "heat_s": layout.P_HEAT_ALLOWED,
        "heat_c": layout.P_HEAT_CEILING, "quiet_s": layout.P_QUIET_S,
    }  # fmt: skip
    values = {name: float(parameters[row]) for name, row in rows.items()}
    fast = float(max(parameters[layout.P_REBUILD], parameters[layout.P_REBUILD_FAST]))
    values |= {"fast_n_s": fast, "longest_s": longest_s, "over_n": over_n}
    return np.array([values[name] for name in r.GIVEN])


# --- what happens ------------------------------------------------------------------------------------------


def _script(
    generator: np.random.Generator, parameters: NDArray[np.float64], period_s: float, faults: tuple[str, ...]
) -> tuple[NDArray[np.int64], int]:
    """Lines (tick, 0 action or 1 faults, value) in the order of time, and how many pauses are among them."""
    span_s = float(parameters[[layout.P_TRACTION_S, layout.P_PRECONDITION_S, layout.P_COOLDOWN_S]].sum())
    lines = [
        (0.0, 0, layout.ACTION_LOAD),
        (period_s, 0, layout.ACTION_TEST_SWITCH),
        (START_S, 0, layout.ACTION_START),
    ]
    if parameters[layout.P_HEAT_ALLOWED] > 0.0:
        lines.append((START_S + 1.0, 0, layout.ACTION_HEAT_ON))
    acts = _acts(generator, span_s)
    lines += [(when, 0, action) for when, action in acts] + _faulty(generator, span_s, faults)
    pauses = sum(action in (layout.ACTION_PAUSE, layout.ACTION_REMOTE_PAUSE) for _, action in acts)
    ordered = sorted(lines)
    script = np.full((LINES, 3), NEVER, dtype=np.int64)
    tick = -1
    for row, (when, kind, value) in enumerate(ordered):
        tick = max(round(when / period_s), tick + 1)  # at most one line a tick
        script[row] = tick, kind, value
    return script, pauses


def _acts(generator: np.random.Generator, span_s: float) -> list[tuple[float, int]]:
    """Up to four actions under way; most pauses are resumed."""
    kinds, weights = zip(*TOLD, strict=True)
    chances = np.cumsum(weights) / sum(weights)
    acts = []
    for _ in range(int(generator.integers(0, 5))):
        when = START_S + float(generator.uniform(0.1, span_s))
        action = kinds[int(np.searchsorted(chances, generator.random(), side="right"))]
        acts.append((when, action))
        pauses = action in (layout.ACTION_PAUSE, layout.ACTION_REMOTE_PAUSE)
        if pauses and generator.random() < RESUMED_SHARE:
            acts.append((when + float(generator.uniform(0.5, 40.0)), layout.ACTION_RESUME))
    return acts


def _faulty(
    generator: np.random.Generator, span_s: float, faults: tuple[str, ...]
) -> list[tuple[float, int, int]]:
    """Up to three faults, each set and cleared; what stands together stands in one line."""
    edges = []
    for _ in range(int(generator.integers(0, 4)) if faults else 0):
        kind = faults[int(generator.integers(len(faults)))]
        low, high = LASTING_S.get(kind, (0.05, 20.0))
        first = START_S + float(generator.uniform(0.1, span_s))
        edges.append((first, FAULT_KINDS.index(kind), True))
        edges.append(
            (first + low * (high / low) ** float(generator.random()), FAULT_KINDS.index(kind), False)
        )
    lines, standing = [], 0
    for when, bit, begins in sorted(edges):
        standing = standing | 1 << bit if begins else standing & ~(1 << bit)
        lines.append((when, 1, standing))
    return lines
