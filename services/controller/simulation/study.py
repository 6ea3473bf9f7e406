"""Many simulated patients at once: how soon contractions are found, how many stops are false, how well the
target is kept. Goals: docs/control.md; tests hold small populations to them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from services.controller.beds import simulated
from services.controller.kernel import layout, plant, rehearse
from services.controller.kernel.faults import STRAP_SLIP
from services.controller.parameters import compile_parameters
from services.controller.simulation import scoring, signals, simulate
from services.kit.therapy import prescription

Floats = simulated.Floats
Shape = Callable[[np.random.Generator], Floats]

SHAPE_HZ = 2000.0
FIRST_S, SPREAD_S, AFTER_S = 70.0, 5.0, 8.0  # a contraction meets a hold that has settled
RISE_S = (0.05, 0.15)  # 10 to 90 % of the peak
SLOW_RISE_S = (0.5, 1.0)
NEVER_S = 1e6
SAMPLES_AT_ONCE = 4_000_000  # bed-ticks kept in memory at once


def synthetic(generator: np.random.Generator) -> Floats:
    """A raised-cosine rise of 50-150 ms (10 to 90 %), a plateau, a fall; peak 1."""
    rise_s, plateau_s, fall_s = generator.uniform(*RISE_S) / 0.59, generator.uniform(0.3, 1.0), 0.25
    time = np.arange(0.0, rise_s + plateau_s + fall_s, 1.0 / SHAPE_HZ)
    up = 0.5 - 0.5 * np.cos(np.pi * np.minimum(time / rise_s, 1.0))
    down = 0.5 + 0.5 * np.cos(np.pi * np.clip((time - rise_s - plateau_s) / fall_s, 0.0, 1.0))
    return np.asarray(up * down)


def recorded(generator: np.random.Generator) -> Floats:
    """A recorded contraction as slow as it was."""
    return _stretched(generator, None)


def quickened(generator: np.random.Generator) -> Floats:
    """A recorded contraction made to rise in 50-150 ms."""
    return _stretched(generator, float(generator.uniform(*RISE_S)))


def slowed(generator: np.random.Generator) -> Floats:
    """A recorded contraction made to rise in 0.5-1 s, as no reflex does."""
    return _stretched(generator, float(generator.uniform(*SLOW_RISE_S)))


def _stretched(generator: np.random.Generator, wanted_s: float | None) -> Floats:
    library = simulated.recorded_contractions()
    first, length, native_s, sample_hz = library.entries[generator.integers(len(library.entries))]
    piece = library.samples[int(first) : int(first + length)]
    pace = 1.0 if wanted_s is None else native_s / wanted_s
    places = np.arange(0.0, piece.size - 1, pace * sample_hz / SHAPE_HZ)
    shape = np.interp(places, np.arange(piece.size), piece)
    return np.asarray(shape / shape.max())


@dataclass(slots=True)
class Detection:
    """What became of one contraction a patient."""

    latency_ms: list[float] = field(default_factory=list)
    over_n: list[float] = field(default_factory=list)
    missed: int = 0
    false_stops: int = 0

    @property
    def missed_share(self) -> float:
        """Share of contractions that were not found."""
        return self.missed / max(1, self.missed + len(self.latency_ms))


@dataclass(slots=True)
class Calm:
    """Sessions of people who only breathe."""

    hours: float = 0.0
    false_stops: int = 0
    hold_rms_n: list[float] = field(default_factory=list)
    ramp_rms_n: list[float] = field(default_factory=list)
    overshoot_n: list[float] = field(default_factory=list)
    violations: dict[str, int] = field(default_factory=dict)


def detection(shape: Shape, scale_n: float, people: int, seed: int, period_s: float = 0.02) -> Detection:
    """One contraction of a shape and size (N at a blocked drive) for each person, in a long hold."""
    found = Detection()
    ticks = simulate.ticks(simulate.START_S + FIRST_S + SPREAD_S + AFTER_S, period_s)
    for part, beds in enumerate(parts(people, ticks)):
        generator = np.random.default_rng([seed, part])
        _contract(found, generator, shape, scale_n, calm_beds(seed, part, beds, period_s), period_s, ticks)
    return found


def _contract(
    found: Detection,
    generator: np.random.Generator,
    shape: Shape,
    scale_n: float,
    beds: simulated.SimulatedBeds,
    period_s: float,
    ticks: int,
) -> None:
    count = beds.plant.shape[1]
    parameters = _long_hold(period_s, count)
    shapes = [shape(generator) for _ in range(count)]
    at_s = generator.uniform(FIRST_S, FIRST_S + SPREAD_S, size=(count,))
    start = simulate.ticks(simulate.START_S, period_s)
    give(beds, shapes, scale_n, at_s + (start + 1) * period_s)
    script = simulate.session_script(start, parameters[:, 0], count)
    for course, piece, begun_s in zip(
        simulate.run(beds, parameters, script, ticks, start), shapes, at_s.tolist(), strict=True
    ):
        given = contraction_of(piece, begun_s)
        for row in scoring.guarding_rows(course, [given]):
            _count(found, row)


def give(beds: simulated.SimulatedBeds, shapes: list[Floats], scale_n: float, at_s: Floats) -> None:
    """One contraction for each bed: shapes of peak 1 at SHAPE_HZ, times (s) on the plant's clock."""
    beds.library = simulated.library(shapes, SHAPE_HZ)
    beds.plant[plant.X_BURST] = np.arange(len(shapes))
    beds.plant[plant.X_BURST_N] = scale_n
    beds.plant[plant.X_BURST_HZ] = SHAPE_HZ
    beds.plant[plant.X_BURST_AT] = at_s


def contraction_of(piece: Floats, begun_s: float) -> scoring.Contraction:
    """When a shape that begins at begun_s (s of the session) is first there, at a tenth, and over."""
    above = np.flatnonzero(piece > signals.LEAVE) / SHAPE_HZ + begun_s
    trace = float(np.argmax(piece > signals.TRACE)) / SHAPE_HZ + begun_s
    return scoring.Contraction(trace, float(above[0]), float(above[-1]))


def _count(found: Detection, row: scoring.Row) -> None:
    if row["onset_s"] is None:
        found.false_stops += 1
        return
    found.over_n.append(row["peak_over_target_n"])
    if row["latency_ms"] is None:
        found.missed += 1
    else:
        found.latency_ms.append(row["latency_ms"])


def calm(people: int, minutes: float, seed: int, period_s: float = 0.02) -> Calm:
    """A whole session each of people who only breathe and sigh: every stop is a false one."""
    result = Calm()
    parameters = default_parameters(period_s)
    parameters[layout.P_TRACTION_S] = 60.0 * minutes
    ticks = simulate.longest(parameters)
    start = simulate.ticks(simulate.START_S, period_s)
    for part, beds in enumerate(parts(people, ticks)):
        everybody = np.repeat(parameters[:, None], beds, axis=1)
        script = simulate.session_script(start, parameters, beds)
        for course in simulate.run(calm_beds(seed, part, beds, period_s), everybody, script, ticks, start):
            _weigh(result, course)
    return result


def _weigh(result: Calm, course: scoring.Course) -> None:
    result.hours += float(course.time_s[-1]) / 3600.0
    result.false_stops += len(scoring.detections(course))
    tracked = scoring.tracking(course)
    for name, kept in (("hold_rms_n", result.hold_rms_n), ("ramp_rms_n", result.ramp_rms_n),
                       ("overshoot_n", result.overshoot_n)):  # fmt: skip
        value = tracked[name]
        if value is not None:
            kept.append(value)
    _add(result.violations, scoring.violations(course)[0])


def _add(total: dict[str, int], more: dict[str, int]) -> None:
    for name, count in more.items():
        total[name] = total.get(name, 0) + count


def restless(
    parameters: Floats, people: int, seed: int, slips_s: tuple[float, float] | None = None
) -> Iterator[tuple[scoring.Course, int]]:
    """Sessions of people who contract once a minute and cough every other, each as hard as its pull allows.

    A strap of each bed slips at a random second of the span given; with each course comes the tick of it.
    """
    period_s, ticks = float(parameters[layout.P_PERIOD]), simulate.longest(parameters)
    start = simulate.ticks(simulate.START_S, period_s)
    for part, count in enumerate(parts(people, ticks)):
        beds = simulated.simulated_beds(seed_of(seed, part), count, period_s)
        beds.plant[plant.X_TILT] = beds.tilt_deg[:] = parameters[layout.P_TILT]
        beds.constants[plant.K_GUARD_EARLY : plant.K_GUARD_LATE + 1] = 1 / 60
        beds.constants[plant.K_COUGH] = 1 / 120
        span = slips_s or (NEVER_S, NEVER_S)
        seconds = np.random.default_rng([seed, part]).uniform(*span, size=(count,))
        slipped = start + np.round(seconds / period_s).astype(np.int64)
        rows = simulate.session_script(start, parameters, count).tolist()
        rows += [[int(tick), bed, rehearse.TELL_FAULTS, STRAP_SLIP] for bed, tick in enumerate(slipped)]
        everybody = np.repeat(parameters[:, None], count, axis=1)
        script = np.array(sorted(rows), dtype=np.int64)
        yield from zip(simulate.run(beds, everybody, script, ticks, start), slipped.tolist(), strict=True)


def parts(people: int, ticks: int) -> list[int]:
    """So many people in parts that fit the memory."""
    most = max(1, SAMPLES_AT_ONCE // ticks)
    return [min(most, people - first) for first in range(0, people, most)]


def seed_of(seed: int, part: int) -> int:
    """The seed of one part of a population."""
    return seed * 10_000 + part


def calm_beds(seed: int, part: int, beds: int, period_s: float) -> simulated.SimulatedBeds:
    """Beds of one part of a seed with people who only breathe, tilted as the default prescription wants."""
    bundle = simulated.simulated_beds(seed_of(seed, part), beds, period_s)
    simulated.calm(bundle.constants)
    bundle.plant[plant.X_TILT] = bundle.tilt_deg[:] = default_parameters(period_s)[layout.P_TILT]
    return bundle


def default_parameters(period_s: float) -> Floats:
    """The default prescription's parameters."""
    return compile_parameters(prescription.default_prescription(), period_s, simulate.SESSION_NO)


def _long_hold(period_s: float, beds: int) -> Floats:
    """The default prescription at its peak from the first cycle on, without precondition."""
    parameters = default_parameters(period_s)
    parameters[layout.P_FIRST_PEAK] = parameters[layout.P_PEAK]
    parameters[[layout.P_PRECONDITION_S, layout.P_PRECONDITION_CYCLES, layout.P_HEAT_ALLOWED]] = 0.0
    parameters[layout.P_HOLD_S] = 600.0
    return np.repeat(parameters[:, None], beds, axis=1)
