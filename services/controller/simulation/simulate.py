"""One session faster than real time, through the same step as the loop, with any counter-tension.

The counter-tension is what would stand at the load cell with the drive blocked and no friction: ``scale_n``
is its peak. Breathing and sighs are the patient's own; spontaneous contractions and coughs are switched off,
so that every stop has one cause.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from services.controller.beds import simulated
from services.controller.blackbox.recording import sealed
from services.controller.kernel import layout, plant, rehearse
from services.controller.kernel.state import STATE_INDEX
from services.controller.kernel.step import new_parameters, new_state
from services.controller.parameters import compile_parameters
from services.controller.recorder import blocks
from services.controller.simulation import scoring, signals
from services.kit.errors import SpondylError
from services.kit.therapy import prescription
from services.kit.therapy.prescription import Prescription

START_S = 2.0  # the patient has pressed and let go of the switch
ALLOWANCE_S = 300.0  # beyond traction, precondition and cooldown: slack, stops
LINGER_S = 2.0  # after the end
CHUNK_S = 30.0
REST_SHARE = 0.05  # a recorded force that never falls below this share of its peak does not start from rest
SWINGS_MAX = 20  # of a recorded force; a burst of EMG has hundreds
SESSION_NO = 1
Script = NDArray[np.int64]  # rows of (tick, bed, what is told, its value), see rehearse.rehearse
NAMESPACE = UUID("6d1f3a0e-54c0-4f0b-9a54-0c64d54f7a11")
LIMITS = {
    "--minutes": (0.5, 60.0, "min"),
    "--rate-hz": (10.0, 100_000.0, "Hz"),
    "--scale-n": (0.1, 500.0, "N"),
    "--at-s": (0.0, 3600.0, "s"),
    "--period-ms": (1.0, 20.0, "ms"),
    "--seed": (0, 2**63 - 1, ""),
}


@dataclass(frozen=True, slots=True)
class Injection:
    """A counter-tension: force (N at a blocked drive) at rate_hz from at_s on, and the bursts in it."""

    force_n: signals.Signal
    rate_hz: float
    at_s: float
    bursts: tuple[signals.Burst, ...]

    def contractions(self) -> list[scoring.Contraction]:
        """The bursts in the session's time."""
        return [
            scoring.Contraction(
                first_s=self.at_s + _first_trace(self.force_n, burst, self.rate_hz) / self.rate_hz,
                onset_s=self.at_s + burst.first / self.rate_hz,
                end_s=self.at_s + burst.last / self.rate_hz,
            )
            for burst in self.bursts
        ]


def _first_trace(force: signals.Signal, burst: signals.Burst, rate_hz: float) -> int:
    """First sample, at most 0.5 s before the onset, from which the force stays above 1 % of the peak."""
    earliest = max(0, burst.first - round(0.5 * rate_hz))
    below = np.flatnonzero(force[earliest : burst.first] <= signals.TRACE * burst.peak)
    return earliest + (int(below[-1]) + 1 if below.size else 0)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to simulate."""

    prescription: Prescription
    seed: int = 7
    minutes: float | None = None  # traction time, instead of the prescription's
    period_s: float = 0.02
    injection: Injection | None = None


def require_within(option: str, value: float) -> None:
    """Refuse an option's value beyond LIMITS; NaN is beyond all of them."""
    low, high, unit = LIMITS[option]
    if not low <= value <= high:
        raise SpondylError(f"{option} is {value:g}: the simulation takes {low:g} to {high:g} {unit}".rstrip())


def read_injection(path: Path, rate_hz: float, scale_n: float, at_s: float, *, emg: bool) -> Injection:
    """A recorded force, or the force of a recorded EMG, with its peak scaled to scale_n.

    Raises SpondylError when the file is no signal or holds no contraction.
    """
    recorded = signals.read_signal(path)
    if not emg and _swings(recorded) > SWINGS_MAX:
        raise SpondylError(
            f"{path}: swings to and fro about its middle, as no force does: give --emg for an EMG"
        )
    force = signals.force_of_emg(recorded, rate_hz) if emg else _from_rest(recorded)
    found = signals.bursts(force, rate_hz)
    if not found:
        raise SpondylError(f"{path}: no contraction in it: nothing lasts above 10 % of its peak for 50 ms")
    scaled = force * (scale_n / force.max())
    return Injection(scaled, rate_hz, at_s, tuple(found))


def _swings(recorded: signals.Signal) -> int:
    """How often a signal goes from one side of its middle to the other, a quarter of its reach beyond it."""
    away = recorded - np.median(recorded)
    reach = 0.25 * float(np.abs(away).max())
    sides = np.sign(away[np.abs(away) > reach])
    return int(np.count_nonzero(np.diff(sides)))


def _from_rest(force: signals.Signal) -> signals.Signal:
    """A recorded force from its rest upwards; one that was recorded downwards is turned over."""
    upward = -force if -force.min() > force.max() else force
    rest = float(np.median(np.sort(upward)[: max(1, upward.size // 10)]))
    if rest < REST_SHARE * float(upward.max()) and rest > -REST_SHARE * float(upward.max()):
        rest = 0.0
    raised: signals.Signal = np.maximum(upward - rest, 0.0)
    return raised


def prescribed(path: Path | None) -> Prescription:
    """The prescription of a file, or the default one: lumbar, 80 kg."""
    return prescription.default_prescription() if path is None else Prescription.load(path)


def simulate(plan: Plan) -> scoring.Course:
    """Run the session of a plan to its end; raises SpondylError when it cannot be given."""
    parameters = _parameters(plan)
    beds = simulated.simulated_beds(plan.seed, 1, plan.period_s, plan.prescription.body_weight_kg)
    simulated.calm(beds.constants)
    beds.plant[plant.X_TILT] = beds.tilt_deg[:] = parameters[layout.P_TILT]
    start = ticks(START_S, plan.period_s)
    if plan.injection is not None:
        inject(beds, plan.injection, (start + 1) * plan.period_s)
    script = session_script(start, parameters)
    course = run(beds, parameters[:, None], script, longest(parameters), start)[0]
    started = course.row(layout.S_PHASE)[start] not in (layout.IDLE, layout.READY)
    if not started:
        refusal = layout.REFUSALS[course.row(layout.S_REFUSAL)[start]]
        raise SpondylError(f"the simulated session was not started: {refusal}")
    return course


def _parameters(plan: Plan) -> NDArray[np.float64]:
    parameters = compile_parameters(plan.prescription, plan.period_s, SESSION_NO)
    if plan.minutes is not None:
        parameters[layout.P_TRACTION_S] = 60.0 * plan.minutes
    last_s = _planned_s(parameters)
    if plan.injection is not None and plan.injection.at_s >= last_s:
        raise SpondylError(
            f"--at-s is {plan.injection.at_s:g}: the session is over after about {last_s:.0f} s"
        )
    return parameters


def ticks(seconds: float, period_s: float) -> int:
    """Periods in so many seconds."""
    return round(seconds / period_s)


def longest(parameters: NDArray[np.float64]) -> int:
    """Ticks in which a session with these parameters must have ended."""
    return ticks(START_S + _planned_s(parameters) + ALLOWANCE_S, float(parameters[layout.P_PERIOD]))


def _planned_s(parameters: NDArray[np.float64]) -> float:
    rows = [layout.P_TRACTION_S, layout.P_PRECONDITION_S, layout.P_COOLDOWN_S]
    return float(parameters[rows].sum())


def inject(beds: simulated.SimulatedBeds, injection: Injection, zero_s: float) -> None:
    """Let the plant's contraction be this one; zero_s is the session's zero on the plant's clock."""
    beds.library = simulated.library([np.append(injection.force_n, 0.0)], injection.rate_hz)
    beds.plant[plant.X_BURST] = 0.0
    beds.plant[plant.X_BURST_N] = 1.0
    beds.plant[plant.X_BURST_HZ] = injection.rate_hz
    beds.plant[plant.X_BURST_AT] = zero_s + injection.at_s


def session_script(start: int, parameters: NDArray[np.float64], beds: int = 1) -> Script:
    """What an operator does at each bed: load, switch test, start, heat where prescribed."""
    told = [(0, layout.ACTION_LOAD), (1, layout.ACTION_TEST_SWITCH), (start, layout.ACTION_START)]
    if parameters[layout.P_HEAT_ALLOWED] > 0.0:
        told.append((start + 1, layout.ACTION_HEAT_ON))
    rows = [(tick, bed, rehearse.TELL_ACTION, action) for tick, action in told for bed in range(beds)]
    return np.array(rows, dtype=np.int64)


def run(
    beds: simulated.SimulatedBeds,
    parameters: NDArray[np.float64],
    script: Script,
    length: int,
    start: int,
) -> list[scoring.Course]:
    """Rehearse beds (parameters float64[PARAMETER_COUNT, beds]) for so many ticks or to their end."""
    count = parameters.shape[1]
    kernel, staged, state = (
        new_parameters(count, float(parameters[layout.P_PERIOD, 0])),
        np.ascontiguousarray(parameters),
        new_state(count),
    )
    sample = np.zeros((len(layout.SAMPLES), count), np.int32)
    trace = np.zeros((length, *sample.shape), np.int32)
    truth = np.zeros((length, len(rehearse.TRUTHS), count), np.float32)
    period_s = float(staged[layout.P_PERIOD, 0])
    done = rehearse.rehearse(
        kernel, staged, state, beds.plant, beds.constants, beds.random, beds.library.samples,
        beds.library.entries, beds.faults, beds.tilt_deg, script, beds.command, beds.reading, sample,
        trace, truth, round(LINGER_S / period_s),
    )  # fmt: skip
    finite = np.isfinite(state[: len(STATE_INDEX)]).all(axis=0) & np.isfinite(beds.plant).all(axis=0)
    return [
        scoring.Course(
            period_s,
            start,
            trace[:done, :, bed],
            truth[:done, rehearse.T_TENSION, bed].astype(np.float64),
            truth[:done, rehearse.T_COUNTER, bed].astype(np.float64),
            truth[:done, rehearse.T_LEFT, bed].astype(np.float64),
            staged[:, bed],
            bool(finite[bed]),
        )
        for bed in range(count)
    ]


def report(plan: Plan, course: scoring.Course) -> dict[str, Any]:
    """The simulation's result as plain values, see docs/simulation.md."""
    given = [] if plan.injection is None else plan.injection.contractions()
    last_s = float(course.time_s[-1])
    met = [one for one in given if one.onset_s <= last_s]
    broken, excused = scoring.violations(course)
    return {
        "seed": plan.seed,
        "period_ms": round(1000.0 * plan.period_s, 6),
        "region": plan.prescription.region,
        "peak_n": plan.prescription.peak_n,
        "duration_s": round(last_s, 3),
        "reason": layout.REASONS[course.row(layout.S_REASON)[-1]],
        "cycles": int(course.row(layout.S_CYCLE).max()),
        "guardings": int(course.row(layout.S_GUARDINGS).max()),
        "guarding": scoring.guarding_rows(course, met),
        "after_the_end": len(given) - len(met),
        "tracking": scoring.tracking(course),
        "phases": scoring.phase_seconds(course),
        "max_tension_n": round(float(course.tension_n.max()), 2),
        "violations": broken,
        "excused": excused,
    }


def title(plan: Plan) -> str:
    """One line that says what was simulated."""
    given = plan.prescription
    person = f"{given.region} {given.segment}, {given.body_weight_kg:g} kg"
    told = f"{person}, to {given.peak_n:g} N, seed {plan.seed}"
    if plan.injection is None:
        return told
    return f"{told}; counter-tension {plan.injection.force_n.max():g} N at {plan.injection.at_s:g} s"


def tell(result: dict[str, Any]) -> str:
    """The report for a person to read."""
    lines = [
        f"{result['region']} to {result['peak_n']:g} N, {result['duration_s']:.0f} s, {result['reason']}",
        f"{result['cycles']} cycles, highest tension {result['max_tension_n']:g} N",
    ]
    lines += [_row_told(row) for row in result["guarding"]]
    lines.append("tracking: " + ", ".join(f"{name} {value}" for name, value in result["tracking"].items()))
    lines.append("phases: " + ", ".join(f"{name} {value:.0f} s" for name, value in result["phases"].items()))
    lines.append(f"violations: {_ticks(result['violations'])}; excused: {_ticks(result['excused'])}")
    return "\n".join(lines)


def _ticks(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count} ticks" for name, count in counts.items() if count) or "none"


def _row_told(row: dict[str, Any]) -> str:
    over = f"{row['peak_over_target_n']:g} N over target"
    if row["onset_s"] is None:
        return f"false stop at {row['detected_s']:.2f} s in {row['phase']}"
    told = f"guarding at {row['onset_s']:.2f} s in {row['phase']}"
    if row["detected_s"] is None:
        return f"{told} missed, {over}"
    return f"{told} found after {row['latency_ms']:.0f} ms, {over}"


def recording(plan: Plan, course: scoring.Course) -> bytes:
    """The session as black-box chunks, one JSON object a line, for `spondyl replay`."""
    boot = uuid5(NAMESPACE, f"simulate {plan.seed}")
    seq = np.arange(len(course.samples), dtype=np.int64)
    nanoseconds = seq * round(1e9 * course.period_s)
    times = np.stack([seq, nanoseconds, nanoseconds], axis=1)
    edges = [*range(0, len(seq), ticks(CHUNK_S, course.period_s)), len(seq)]
    chunks = [
        blocks.blackbox_payload(
            boot,
            1000.0 * course.period_s,
            times[first:last],
            course.samples[first:last],
            uuid5(boot, "session"),
            course.parameters.tolist() if first == 0 else None,
        )
        for first, last in pairwise(edges)
    ]
    return b"".join(sealed(chunk) + b"\n" for chunk in chunks)
