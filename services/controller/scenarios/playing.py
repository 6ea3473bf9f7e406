"""A scenario through the same compiled step as the loop: its course, and what came of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final
from uuid import uuid5

import numpy as np
from numpy.typing import NDArray

from services.controller.alarms.board import AlarmBoard
from services.controller.beds import simulated
from services.controller.blackbox.recording import sealed
from services.controller.kernel import faults, layout, plant, rehearse
from services.controller.kernel.state import STATE_INDEX
from services.controller.kernel.step import new_parameters, new_state
from services.controller.parameters import compile_parameters
from services.controller.recorder import blocks
from services.controller.scenarios.files import Action, Contraction, Cough, Given, Scenario
from services.controller.simulation import scoring, signals, simulate
from services.kit.therapy.prescription import Prescription

FORCE_HZ: Final = 1000.0
COUGH_S: Final = 0.25
COUGH_EVERY_S: Final = 0.45  # both as kernel/patient.py has them
WATCHED_S: Final = 12.0  # after the end: by then a release must show
LOOK_S: Final = 0.2  # how often the alarm board is asked, as the recorder does
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Played:
    """A scenario's course, the plan it came from, and the parameters that were staged, by tick."""

    scenario: Scenario
    plan: simulate.Plan
    course: scoring.Course
    staged: dict[int, Floats]

    def report(self) -> dict[str, Any]:
        """As `spondyl simulate --json` says it, and what expectations need besides."""
        course = self.course
        report = simulate.report(self.plan, course)
        phases = report["phases"]
        return report | {
            "ends": layout.PHASES[int(course.row(layout.S_PHASE)[-1])],
            "alarms": alarms(course),
            "traction_s": round(sum(phases.get(layout.PHASES[one], 0.0) for one in TRACTION), 2),
            "last_peak_n": round(float(_last_peak_n(course)), 1),
            "left_n": round(float(course.tension_n[-1]), 1),
        }

    def recording(self) -> bytes:
        """The session as sealed black-box lines, for `spondyl replay`."""
        course, plan = self.course, self.plan
        boot = uuid5(simulate.NAMESPACE, f"scenario {plan.seed}")
        seq = np.arange(len(course.samples), dtype=np.int64)
        nanoseconds = seq * round(1e9 * course.period_s)
        times = np.stack([seq, nanoseconds, nanoseconds], axis=1)
        steps = range(0, len(seq), simulate.ticks(simulate.CHUNK_S, course.period_s))
        edges = sorted({*steps, *(tick for tick in self.staged if tick < len(seq)), len(seq)})
        return b"".join(
            sealed(
                blocks.blackbox_payload(
                    boot, 1000.0 * course.period_s, times[first:last], course.samples[first:last],
                    uuid5(boot, "session"), self.staged[first].tolist() if first in self.staged else None,
                )
            )
            + b"\n"
            for first, last in pairwise(edges)
        )  # fmt: skip


TRACTION: Final = (
    layout.PRECONDITION, layout.RAMP, layout.HOLD, layout.RELEASE, layout.REST, layout.GUARDED,
    layout.REBUILD,
)  # fmt: skip


def _last_peak_n(course: scoring.Course) -> float:
    peaks = course.row(layout.S_PEAK)[course.row(layout.S_CYCLE) > 0] / 1000.0
    return float(peaks[-1]) if peaks.size else 0.0


def play(scenario: Scenario) -> Played:
    """Run a scenario to its end and 12 s more; raises SpondylError when it cannot be given."""
    given = scenario.given
    period_s = given.period_ms / 1000.0
    parameters = _compiled(given.prescribed, given)
    injection = _injection(given)
    plan = simulate.Plan(given.prescribed, given.seed, given.minutes, period_s, injection)
    start = simulate.ticks(simulate.START_S, period_s)
    beds = _beds(given, parameters)
    if injection is not None:
        simulate.inject(beds, injection, (start + 1) * period_s)
    patience = simulate.ticks(float(parameters[layout.P_CLOSE_AFTER_S]), period_s)
    bench = _Bench(beds, parameters, simulate.longest(parameters) + patience)
    script = np.array(sorted(_script(given, start, parameters), key=lambda row: row[0]), dtype=np.int64)
    staged = {0: parameters}
    for at_s, changed in given.changes.items():
        staged[start + simulate.ticks(at_s, period_s)] = _compiled(changed, given)
    return Played(scenario, plan, bench.run(script, staged, start), staged)


def _compiled(prescription: Prescription, given: Given) -> Floats:
    parameters = compile_parameters(prescription, given.period_ms / 1000.0, simulate.SESSION_NO)
    parameters[layout.P_TRACTION_S] = 60.0 * given.minutes
    return parameters


def _beds(given: Given, parameters: Floats) -> simulated.SimulatedBeds:
    traits = given.patient.traits() | {"weight_kg": given.prescribed.body_weight_kg}
    beds = simulated.simulated_beds(given.seed, 1, given.period_ms / 1000.0, traits=traits)
    simulated.calm(beds.constants)
    if given.patient.electrodes:
        simulated.with_electrodes(beds.constants, given.seed)
    beds.plant[plant.X_TILT] = beds.tilt_deg[:] = parameters[layout.P_TILT]
    return beds


# --- the patient's own force -------------------------------------------------------------------------------


def _injection(given: Given) -> simulate.Injection | None:
    """Contractions and coughs as one force, with where each burst lies in it."""
    pieces = [piece for one in given.contractions for piece in _contraction(one)]
    pieces += [_cough(one) for one in given.coughs]
    if not pieces:
        return None
    first_s = min(at_s for at_s, _, _ in pieces)
    length = max(round((at_s - first_s) * FORCE_HZ) + force.size for at_s, force, _ in pieces)
    total, found = np.zeros(length), []
    for at_s, force, inner in pieces:
        place = round((at_s - first_s) * FORCE_HZ)
        total[place : place + force.size] += force
        found += [signals.Burst(place + one.first, place + one.last, one.peak) for one in inner]
    return simulate.Injection(total, FORCE_HZ, first_s, tuple(sorted(found, key=lambda one: one.first)))


Piece = tuple[float, Floats, list[signals.Burst]]


def _contraction(given: Contraction) -> Iterator[Piece]:
    if given.recording is not None:
        path = simulated.SIGNALS / given.recording
        force = simulate.read_injection(path, FORCE_HZ, given.peak_n, 0.0, emg=True).force_n
    else:
        force = given.peak_n * _raised_cosine(given.lasts_s or 0.0, given.held_s)
    for number in range(given.times):
        yield given.at_s + number * given.every_s, force, signals.bursts(force, FORCE_HZ)


def _raised_cosine(lasts_s: float, held_s: float) -> Floats:
    """From 0 to 1, for so long at 1, and back to 0."""
    part = np.arange(0.0, 1.0, 1.0 / (lasts_s * FORCE_HZ))
    wave = 0.5 - 0.5 * np.cos(2.0 * np.pi * part)
    top = int(np.argmax(wave))
    return np.concatenate([wave[:top], np.ones(round(held_s * FORCE_HZ)), wave[top:]])


def _cough(given: Cough) -> Piece:
    """A whole fit is one burst: the table answers its first cough and waits the others out."""
    force = np.zeros(round(given.coughs * COUGH_EVERY_S * FORCE_HZ))
    part = np.arange(0.0, 1.0, 1.0 / (COUGH_S * FORCE_HZ))
    for number in range(given.coughs):
        place = round(number * COUGH_EVERY_S * FORCE_HZ)
        force[place : place + part.size] = 4.0 * given.peak_n * part * (1.0 - part)
    above = np.flatnonzero(force > signals.LEAVE * given.peak_n)
    return given.at_s, force, [signals.Burst(int(above[0]), int(above[-1]) + 1, given.peak_n)]


# --- what is told to the bed -------------------------------------------------------------------------------


def _script(given: Given, start: int, parameters: Floats) -> Iterator[list[int]]:
    """Rows of (tick, bed, what is told, its value), see rehearse.rehearse."""
    yield from simulate.session_script(start, parameters).tolist()
    period_s = given.period_ms / 1000.0
    for action in given.actions:
        yield [start + simulate.ticks(action.at_s, period_s), 0, rehearse.TELL_ACTION, _named(action)]
    edges = {one.at_s for one in given.faults}
    edges |= {one.at_s + one.for_s for one in given.faults if one.for_s is not None}
    for edge in sorted(edges):
        on = (one for one in given.faults if one.at_s <= edge < one.at_s + (one.for_s or np.inf))
        bits = sum({1 << faults.FAULT_KINDS.index(one.kind) for one in on})
        yield [start + simulate.ticks(edge, period_s), 0, rehearse.TELL_FAULTS, bits]


def _named(action: Action) -> int:
    return layout.ACTIONS.index(action.do)


@dataclass(slots=True)
class _Bench:
    """One bed and the kernel's arrays, run piece by piece: what is staged may change in between."""

    beds: simulated.SimulatedBeds
    parameters: Floats
    length: int
    trace: NDArray[np.int32] = field(init=False)
    truth: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        self.trace = np.zeros((self.length, len(layout.SAMPLES), 1), np.int32)
        self.truth = np.zeros((self.length, len(rehearse.TRUTHS), 1), np.float32)

    def run(self, script: simulate.Script, staged: dict[int, Floats], start: int) -> scoring.Course:
        """To the end; ``staged`` are parameters by the tick from which a load or change takes them."""
        beds, period_s = self.beds, float(self.parameters[layout.P_PERIOD])
        kernel, state = new_parameters(1, period_s), new_state(1)
        sample, waiting = np.zeros((len(layout.SAMPLES), 1), np.int32), self.parameters[:, None].copy()
        edges, done = [*sorted(tick for tick in staged if tick < self.length), self.length], 0
        for first, last in pairwise(edges):
            waiting[:, 0] = staged[first]
            rows = script[(script[:, 0] >= first) & (script[:, 0] < last)] - np.array([first, 0, 0, 0])
            ran = rehearse.rehearse(
                kernel, waiting, state, beds.plant, beds.constants, beds.random, beds.library.samples,
                beds.library.entries, beds.faults, beds.tilt_deg, rows, beds.command, beds.reading, sample,
                self.trace[first:last], self.truth[first:last], simulate.ticks(WATCHED_S, period_s),
            )  # fmt: skip
            done = first + ran
            if ran < last - first:
                break
        finite = np.isfinite(state[: len(STATE_INDEX)]).all() and np.isfinite(beds.plant).all()
        return scoring.Course(
            period_s, start, self.trace[:done, :, 0], self._true(rehearse.T_TENSION, done),
            self._true(rehearse.T_COUNTER, done), self._true(rehearse.T_LEFT, done), self.parameters,
            bool(finite),
        )  # fmt: skip

    def _true(self, row: int, done: int) -> Floats:
        return self.truth[:done, row, 0].astype(np.float64)


def alarms(course: scoring.Course) -> list[str]:
    """The alarms that were raised, each once, in order: by the board of recorder and panel."""
    board = AlarmBoard(course.parameters.tolist())
    step = max(1, simulate.ticks(LOOK_S, course.period_s))
    nanoseconds = np.arange(1, len(course.samples) + 1, dtype=np.int64) * round(1e9 * course.period_s)
    times = np.stack([nanoseconds, nanoseconds, nanoseconds], axis=1)
    raised: dict[str, None] = {}
    for first in range(0, len(course.samples), step):
        if board.observe(times[first : first + step], course.samples[first : first + step]):
            raised |= dict.fromkeys(alarm.condition for alarm in reversed(board.active()))
    return list(raised)
