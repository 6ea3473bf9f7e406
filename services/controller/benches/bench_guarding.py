"""`spondyl bench guarding`: how soon contractions are found, how many are missed, how many stops are false.

Measured on simulated people whom nothing was tuned on. The rivals get their thresholds from the same calm
hours on which they are judged, so that each stops falsely as often as the goal allows: they cannot do better.
"""

import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numba
import numpy as np

from services.controller.beds import simulated
from services.controller.benches import bench_yielding
from services.controller.kernel import layout, plant, rivals
from services.controller.kernel.step import new_parameters, new_state
from services.controller.simulation import scoring, simulate, study

TUNED_ON = range(1000)  # seeds that thresholds, gains and the PID were chosen with
EVALUATED_ON = range(6000, 7000)  # ... and those that are judged
CALM, CONTRACTING, COUGHING, UNSUITABLE = EVALUATED_ON[:4]
SHARE_H = 30.0 / 60.0  # a session
RATE_LIMIT = 0.1  # false stops an hour
AMPLITUDES_N = (10.0, 20.0, 40.0, 80.0)
KINDS: dict[str, study.Shape] = {
    "synthetic": study.synthetic, "recorded": study.quickened, "slow": study.slowed, "emg": study.recorded,
}  # fmt: skip
FAST = ("synthetic", "recorded")
P95_MS = {10.0: 100.0, 20.0: 65.0, 40.0: 42.0, 80.0: 28.0}
MISS_PERCENT = {10.0: 0.5, 20.0: 0.1, 40.0: 0.1, 80.0: 0.1}
SLOW_20_MISS_PERCENT = 15.0
EARLIEST_S, LATEST_S = 95.0, 187.0  # a whole cycle of the default prescription: ramp, hold, release, rest
WINDOW_S = 6.0
FELT_N = 2.0  # four sigmas of the load cell: what moves a blocked table's tension by less, nothing can find
FRICTION = 0.1  # un-split table's edge: twice what is suitable
SOFT_N_MM = 120.0
Floats = simulated.Floats
Say = Callable[[str], None]


@dataclass(slots=True)
class Given:
    """One contraction for each bed: its shape and times (s on the plant's clock), and the phase it met."""

    beds: simulated.SimulatedBeds
    pieces: list[Floats]
    at_s: Floats
    start: int

    def contractions(self) -> list[scoring.Contraction]:
        """Each in its session's time."""
        return [
            study.contraction_of(piece, at_s)
            for piece, at_s in zip(self.pieces, self.at_s.tolist(), strict=True)
        ]


def progress(text: str) -> None:
    """One line to whoever waits."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def measure(hours: float, contractions: int, say: Say = progress) -> dict[str, Any]:
    """The whole table; `goals` says which of ours hold."""
    say(f"{hours:g} calm hours for ours, ours with EMG and the rivals")
    ours = calm_rate(hours, 0.02)
    wired = calm_rate(hours, 0.02, electrodes=True)
    thresholds, rates = calibrate(hours)
    detectors: dict[str, Any] = {name: {} for name in ("ours", "ours_with_emg", *rivals.DETECTORS)}
    phases: dict[str, Any] = {name: {} for name in detectors}
    overshoot: dict[str, Any] = {}
    for kind, shape in KINDS.items():
        for amplitude_n in AMPLITUDES_N:
            say(f"{contractions} contractions: {kind}, {amplitude_n:g} N")
            over: dict[str, list[float]] = {}
            found = _all_detectors(
                shape, amplitude_n, contractions, thresholds, over, ways=kind == "synthetic"
            )
            for name, rows in found.items():
                label = f"{amplitude_n:g}"
                detectors[name].setdefault(kind, {})[label] = told(rows)
                phases[name].setdefault(kind, {})[label] = _by_phase(rows)
            if over:
                overshoot[f"{amplitude_n:g}"] = {way: _spread(values) for way, values in over.items()}
                overshoot[f"{amplitude_n:g}"] |= _best(shape, amplitude_n, contractions)
    say("coughs, soft spines on a table with friction, 5 ms")
    result = {
        "hours": hours,
        "contractions": contractions,
        "false_stops_per_hour": ours,
        "false_stops_per_hour_by_detector": {"ours": ours, "ours_with_emg": wired, **rates},
        "false_stop_limit_per_hour": RATE_LIMIT,
        "thresholds": thresholds,
        "detectors": detectors,
        "by_phase": phases,
        "overshoot_n": overshoot,
        "share_of_drive": {size: bench_yielding.share_of_drive(over) for size, over in overshoot.items()},
        "base_dip_n": _dips(contractions),
        "taken_for_coughs": taken_for_coughs(contractions),
        **coughs(hours / 4.0),
        "soft_spine_with_friction_false_stops_per_hour": calm_rate(hours / 10.0, 0.02, unsuitable=True),
        "periods_ms": {"5": _finer(hours / 4.0, max(10, contractions // 4))},
        "patients": {"tuned_on": [TUNED_ON[0], TUNED_ON[-1]], "evaluated_on": [CALM, UNSUITABLE]},
        "versions": {
            "kernel": layout.KERNEL_VERSION, "python": platform.python_version(),
            "numba": numba.__version__, "numpy": np.__version__,
        },
    }  # fmt: skip
    return result | {"goals": goals(result)}


# --- calm hours --------------------------------------------------------------------------------------------


def _sessions(
    seed: int, hours: float, period_s: float, *, electrodes: bool = False, unsuitable: bool = False
) -> Iterator[tuple[simulated.SimulatedBeds, Floats, simulate.Script, int, int]]:
    """Half-hour sessions of so many hours, in parts that fit the memory, for simulate.run."""
    one = study.default_parameters(period_s)
    one[layout.P_TRACTION_S] = 3600.0 * SHARE_H
    ticks, start = simulate.longest(one), simulate.ticks(simulate.START_S, period_s)
    for part, count in enumerate(study.parts(max(1, round(hours / SHARE_H)), ticks)):
        beds = study.calm_beds(seed, part, count, period_s)
        if electrodes:
            simulated.with_electrodes(beds.constants, study.seed_of(seed, part))
        if unsuitable:
            make_unsuitable(beds.constants)
        everybody = np.repeat(one[:, None], count, axis=1)
        yield beds, everybody, simulate.session_script(start, one, count), ticks, start


def make_unsuitable(constants: Floats) -> None:
    """Soft spines on a table with twice the friction of a split one, in place."""
    simulated.set_friction(constants, FRICTION)
    constants[plant.K_SPINE] = np.minimum(constants[plant.K_SPINE], SOFT_N_MM)


def calm_rate(hours: float, period_s: float, *, electrodes: bool = False, unsuitable: bool = False) -> float:
    """False stops an hour of people who only breathe and sigh."""
    seed = UNSUITABLE if unsuitable else CALM
    stops, seconds = 0, 0.0
    for job in _sessions(seed, hours, period_s, electrodes=electrodes, unsuitable=unsuitable):
        for course in simulate.run(*job):
            stops += scoring.detections(course).size
            seconds += float(course.time_s[-1])
    return round(3600.0 * stops / seconds, 4)


def calibrate(hours: float) -> tuple[dict[str, float], dict[str, float]]:
    """Each rival's threshold, on the calm hours it is judged by, and the false stops an hour it then has."""
    blocks = []
    for beds, everybody, script, ticks, _ in _sessions(CALM, hours, 0.02):
        never = np.full(everybody.shape[1], -1 - ticks)
        blocks.append(_watch(beds, everybody, script, ticks, never, locked=False)[3])
    rows = [part.transpose(1, 0, 2).reshape(len(rivals.DETECTORS), -1) for part in blocks]
    highest = np.concatenate(rows, axis=1)
    spent_h = highest.shape[1] * rivals.BLOCK_S / 3600.0
    allowed = max(1, int(RATE_LIMIT * spent_h))
    limits = np.sort(highest, axis=1)[:, -allowed - 1]
    rates = (highest > limits[:, None]).sum(axis=1) / spent_h
    return (
        {name: round(float(limit), 3) for name, limit in zip(rivals.DETECTORS, limits, strict=True)},
        {name: round(float(rate), 4) for name, rate in zip(rivals.DETECTORS, rates, strict=True)},
    )


def _watch(
    beds: simulated.SimulatedBeds, everybody: Floats, script: simulate.Script, ticks: int, begin: Any,
    *, locked: bool,
) -> tuple[Any, Any, Any, Any]:  # fmt: skip
    """rivals.watch over these beds at 20 ms; said, tension, phase, highest."""
    count, period_s = everybody.shape[1], 0.02
    block, window = round(rivals.BLOCK_S / period_s), round(rivals.SLOPE_S / period_s)
    said = np.zeros((round(WINDOW_S / period_s), len(rivals.DETECTORS), count), np.float32)
    tension, phase = np.zeros((len(said), count), np.float32), np.zeros(count, np.int64)
    highest = np.zeros((ticks // block + 1, len(rivals.DETECTORS), count), np.float32)
    rivals.watch(
        rivals.disable(new_parameters(count, period_s)), rivals.disable(everybody.copy()), new_state(count),
        beds.plant, beds.constants, beds.random, beds.library.samples, beds.library.entries, beds.faults,
        beds.tilt_deg, script, beds.command, beds.reading, np.zeros((len(layout.SAMPLES), count), np.int32),
        np.zeros((window + 1, count)), ticks, block, begin.astype(np.int64), locked, said, tension, phase,
        highest,
    )  # fmt: skip
    return said, tension, phase, highest


# --- contractions ------------------------------------------------------------------------------------------


def _given(
    shape: study.Shape, amplitude_n: float, count: int, part: int, period_s: float, *, electrodes: bool
) -> Given:
    """One contraction of a shape and size for each person, anywhere in a cycle."""
    generator = np.random.default_rng([CONTRACTING, part])
    beds = study.calm_beds(CONTRACTING, part, count, period_s)
    if electrodes:
        simulated.with_electrodes(beds.constants, study.seed_of(CONTRACTING, part))
    pieces = [shape(generator) for _ in range(count)]
    at_s, start = generator.uniform(EARLIEST_S, LATEST_S, count), simulate.ticks(simulate.START_S, period_s)
    study.give(beds, pieces, amplitude_n, at_s + (start + 1) * period_s)
    return Given(beds, pieces, at_s, start)


def _all_detectors(
    shape: study.Shape, amplitude_n: float, people: int, thresholds: dict[str, float],
    over: dict[str, list[float]], *, ways: bool,
) -> dict[str, list[scoring.Row]]:  # fmt: skip
    """Rows of every detector for the same people and contractions; fills ``over`` to compare ways."""
    found: dict[str, list[scoring.Row]] = {
        "ours": ours(shape, amplitude_n, people, 0.02),
        "ours_with_emg": ours(shape, amplitude_n, people, 0.02, electrodes=True),
        **{name: [] for name in rivals.DETECTORS},
    }
    if ways:
        over["stop_and_ease"] = [row["peak_over_target_n"] for row in found["ours"] if row["phase"] == "hold"]
    for locked in (False, True) if ways else (False,):
        way = over.setdefault("locked_drive" if locked else "force_control_only", []) if ways else []
        for rows, tops in _rivals_of(shape, amplitude_n, people, thresholds, locked=locked):
            way.extend(tops)
            for name in rivals.DETECTORS if not locked else ():
                found[name].extend(rows[name])
    return found


def _jobs(people: int, period_s: float) -> tuple[Floats, int, list[int]]:
    one = study.default_parameters(period_s)
    ticks = simulate.ticks(simulate.START_S + LATEST_S + WINDOW_S, period_s)
    return one, ticks, study.parts(people, ticks)


def ours(
    shape: study.Shape, amplitude_n: float, people: int, period_s: float, *, electrodes: bool = False
) -> list[scoring.Row]:
    """The controller's own rows, stops and all."""
    one, ticks, parts = _jobs(people, period_s)
    rows: list[scoring.Row] = []
    for part, count in enumerate(parts):
        given = _given(shape, amplitude_n, count, part, period_s, electrodes=electrodes)
        script = simulate.session_script(given.start, one, count)
        courses = simulate.run(given.beds, np.repeat(one[:, None], count, axis=1), script, ticks, given.start)
        for course, contraction in zip(courses, given.contractions(), strict=True):
            scored = scoring.guarding_rows(course, [contraction])
            rows.extend(row for row in scored if row["onset_s"] is not None)
    return rows


def _rivals_of(
    shape: study.Shape, amplitude_n: float, people: int, thresholds: dict[str, float], *, locked: bool
) -> Iterator[tuple[dict[str, list[scoring.Row]], list[float]]]:
    """Rows of the rivals, and the tops over the target (N) that holds met."""
    one, ticks, parts = _jobs(people, 0.02)
    for part, count in enumerate(parts):
        given = _given(shape, amplitude_n, count, part, 0.02, electrodes=False)
        contractions = given.contractions()
        begin = np.array([int(each.first_s / 0.02) + given.start for each in contractions])
        said, tension, phase, _ = _watch(
            given.beds, np.repeat(one[:, None], count, axis=1),
            simulate.session_script(given.start, one, count), ticks, begin, locked=locked,
        )  # fmt: skip
        rows: dict[str, list[scoring.Row]] = {name: [] for name in rivals.DETECTORS}
        tops = []
        for bed, each in enumerate(contractions):
            last = min(len(said), round((each.end_s + scoring.LATE_S) / 0.02) + given.start - begin[bed] + 1)
            if phase[bed] == layout.HOLD:
                tops.append(float(tension[:last, bed].max()))
            for index, name in enumerate(rivals.DETECTORS):
                hits = np.flatnonzero(said[:last, index, bed] > thresholds[name])
                at_s = (begin[bed] + hits[0] - given.start) * 0.02 if hits.size else None
                rows[name].append({
                    "latency_ms": None if at_s is None else 1000.0 * (at_s - each.onset_s),
                    "phase": layout.PHASES[phase[bed]],
                })  # fmt: skip
        yield rows, tops


def _people(
    shape: study.Shape, amplitude_n: float, people: int
) -> Iterator[tuple[Callable[[], Given], Floats]]:
    """The same people and contractions as `ours`, as often as they are wanted, and their parameters."""
    one, _, parts = _jobs(people, 0.02)
    for part, count in enumerate(parts):
        yield (
            partial(_given, shape, amplitude_n, count, part, 0.02, electrodes=False),
            np.repeat(one[:, None], count, axis=1),
        )


def _best(shape: study.Shape, amplitude_n: float, people: int) -> dict[str, dict[str, float | None]]:
    """Overshoot of a drive at full speed from the first trace on."""
    over: list[float] = []
    for make, everybody in _people(shape, amplitude_n, people):
        over += bench_yielding.overshoot(make(), everybody)
    return {"clairvoyant": _spread(over)}


def _dips(people: int) -> dict[str, dict[str, float]]:
    """How far below base 80 N leave the tension, by way."""
    below: dict[str, list[float]] = {}
    base_n = float(study.default_parameters(0.02)[layout.P_BASE])
    for make, everybody in _people(study.synthetic, AMPLITUDES_N[-1], people):
        for way, values in bench_yielding.dips(make, everybody).items():
            below.setdefault(way, []).extend(values)
    return {way: bench_yielding.dips_told(values, base_n) for way, values in below.items()}


def taken_for_coughs(people: int) -> dict[str, Any]:
    """What becomes of contractions in a hold, and of bouts of them, that are rebuilt as fast as a cough."""
    shapes = KINDS | {f"{kind}_bout": bench_yielding.bout(KINDS[kind]) for kind in FAST}
    result: dict[str, Any] = {}
    for kind, shape in shapes.items():
        for amplitude_n in AMPLITUDES_N:
            rows: list[dict[str, float]] = []
            slow: list[dict[str, float]] = []
            for make, everybody in _people(shape, amplitude_n, max(4, people // 4)):
                rows += bench_yielding.taken(make, everybody)
                slowly = everybody.copy()
                slowly[layout.P_REBUILD_FAST] = slowly[layout.P_REBUILD]
                slow += bench_yielding.taken(make, slowly)
            result.setdefault(kind, {})[f"{amplitude_n:g}"] = bench_yielding.taken_told(rows, slow)
    return result


def told(rows: list[scoring.Row]) -> dict[str, Any]:
    """p50, p95 of the latency (ms, of all contractions: a missed one never comes), missed percent, count."""
    late = np.array([np.inf if row["latency_ms"] is None else row["latency_ms"] for row in rows])
    places = np.quantile(late, [0.5, 0.95], method="higher") if late.size else [np.inf, np.inf]
    p50, p95 = (round(float(value), 1) if np.isfinite(value) else None for value in places)
    missed = round(100.0 * float(np.isinf(late).mean()), 2) if late.size else None
    return {"p50_ms": p50, "p95_ms": p95, "miss_percent": missed, "count": int(late.size)}


def _by_phase(rows: list[scoring.Row]) -> dict[str, Any]:
    phases = sorted({row["phase"] for row in rows})
    return {phase: told([row for row in rows if row["phase"] == phase]) for phase in phases}


def _spread(values: list[float]) -> dict[str, float | None]:
    if not values:
        return {"p50": None, "p95": None}
    return {"p50": round(float(np.median(values)), 1), "p95": round(float(np.quantile(values, 0.95)), 1)}


def _finer(hours: float, contractions: int) -> dict[str, Any]:
    """Ours at 5 ms: reaction to fast contractions, and false stops."""
    rows = {f"{size:g}": told(ours(study.synthetic, size, contractions, 0.005)) for size in AMPLITUDES_N}
    return {"synthetic": rows, "false_stops_per_hour": calm_rate(hours, 0.005)}


# --- coughs ------------------------------------------------------------------------------------------------


def coughs(hours: float) -> dict[str, Any]:
    """Stops by people who cough three times an hour, and the seconds each costs until it is rebuilt."""
    stops, seconds, lost = 0, 0.0, []
    for beds, everybody, script, ticks, start in _sessions(COUGHING, hours, 0.02):
        beds.constants[plant.K_COUGH] = 1.0 / 1200.0
        for course in simulate.run(beds, everybody, script, ticks, start):
            stops += scoring.detections(course).size
            seconds += float(course.time_s[-1])
            lost += lost_seconds(course)
    told_s = {**_spread(lost), "p90": round(float(np.quantile(lost, 0.9)), 1) if lost else None}
    return {"cough_stops_per_hour": round(3600.0 * stops / seconds, 3), "cough_lost_s": told_s}


def lost_seconds(course: scoring.Course) -> list[float]:
    """Length (s) of every stretch that was eased and rebuilt."""
    away = np.isin(course.row(layout.S_PHASE), (layout.GUARDED, layout.REBUILD))
    edges = np.flatnonzero(np.diff(np.concatenate(([False], away, [False])).astype(np.int8)))
    ticks = edges[1::2] - edges[::2]
    return [float(each * course.period_s) for each in ticks]


# --- goals -------------------------------------------------------------------------------------------------


def goals(result: dict[str, Any]) -> dict[str, bool]:
    """Whether each goal of ours holds, by its words."""
    mine = result["detectors"]["ours"]
    held = {f"false stops <= {RATE_LIMIT:g} an hour": result["false_stops_per_hour"] <= RATE_LIMIT}
    for kind in FAST:
        for size in AMPLITUDES_N:
            row = mine[kind][f"{size:g}"]
            late_ms = row["p95_ms"]
            name = f"{kind} {size:g} N"
            held[f"{name}: p95 <= {P95_MS[size]:g} ms"] = late_ms is not None and late_ms <= P95_MS[size]
            held[f"{name}: missed <= {MISS_PERCENT[size]:g} %"] = row["miss_percent"] <= MISS_PERCENT[size]
    slow = mine["slow"]["20"]["miss_percent"]
    return held | {f"slow 20 N: missed <= {SLOW_20_MISS_PERCENT:g} %": slow <= SLOW_20_MISS_PERCENT}
