"""`spondyl bench kernel`: nanoseconds a bed and tick, with and without the plant, against the twin in C.

Beds in the middle of their sessions, each at another point of it; readings recorded once in closed loop, then
run through both kernels in turn, so that both meet the same machine in the same mood. The least time of the
rounds counts: what is above it is other people's work.
"""

import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import llvmlite
import numba
import numpy as np
from numpy.typing import NDArray

from services.controller.beds import simulated
from services.controller.benches.twin import FAST, Twin
from services.controller.kernel import layout, plant, rehearse, timed
from services.controller.kernel.step import new_parameters, new_state
from services.controller.parameters import compile_parameters
from services.controller.verifying.drawing import PERIODS_S, draw
from services.controller.verifying.running import Slots
from services.kit.therapy import prescription

RATIO_LIMIT = 1.1  # of the C twin's time
PERIOD_S = 0.02
STAGGER_TICKS = 150  # between one bed's start and the next's
SEED = 7
AHEAD_TICKS = 3000  # into the sessions that are verified
SESSIONS_GOAL = 3000  # thirty-minute sessions a minute and core, invariants and all
Counts = NDArray[np.int32]


@dataclass(slots=True)
class Scene:
    """Beds in the middle of treatment, and what they read in the ticks that follow."""

    params: NDArray[np.float64]
    staged: NDArray[np.float64]
    state: NDArray[np.float64]
    beds: simulated.SimulatedBeds
    readings: Counts
    actions: Counts
    last: Counts

    @property
    def count(self) -> int:
        """Number of beds."""
        return int(self.params.shape[1])


def scene(beds: int, ticks: int) -> Scene:
    """Start every bed in turn, run to the middle of things, and record `ticks` more."""
    compiled = compile_parameters(prescription.default_prescription(), PERIOD_S, 1)
    staged = np.repeat(compiled[:, None], beds, axis=1)
    params, state = new_parameters(beds, PERIOD_S), new_state(beds)
    people = simulated.simulated_beds(SEED, beds, PERIOD_S)
    people.plant[plant.X_TILT] = people.tilt_deg[:] = compiled[layout.P_TILT]
    starts = _starts(beds)
    _rehearse(starts[-1][0] + 6000, params, staged, state, people, np.array(starts, dtype=np.int64))
    before = params.copy(), state.copy()
    trace = _rehearse(ticks, params, staged, state, people, np.zeros((0, 4), dtype=np.int64))
    readings = np.ascontiguousarray(trace[:, : len(layout.READINGS)])
    actions = np.zeros((ticks, beds), np.int32)
    return Scene(before[0], staged, before[1], people, readings, actions, trace[-1])


def _starts(beds: int) -> list[tuple[int, int, int, int]]:
    rows = []
    for bed in range(beds):
        first = bed * STAGGER_TICKS
        rows += [(first, bed, rehearse.TELL_ACTION, layout.ACTION_LOAD),
                 (first + 1, bed, rehearse.TELL_ACTION, layout.ACTION_TEST_SWITCH),
                 (first + 110, bed, rehearse.TELL_ACTION, layout.ACTION_START)]  # fmt: skip
    return sorted(rows)


def _rehearse(
    ticks: int,
    params: NDArray[np.float64],
    staged: NDArray[np.float64],
    state: NDArray[np.float64],
    people: simulated.SimulatedBeds,
    script: NDArray[np.int64],
) -> Counts:
    beds = params.shape[1]
    sample = np.zeros((len(layout.SAMPLES), beds), np.int32)
    trace = np.zeros((ticks, *sample.shape), np.int32)
    truth = np.zeros((ticks, len(rehearse.TRUTHS), beds), np.float32)
    rehearse.rehearse(
        params, staged, state, people.plant, people.constants, people.random, people.library.samples,
        people.library.entries, people.faults, people.tilt_deg, script, people.command, people.reading,
        sample, trace, truth, ticks,
    )  # fmt: skip
    return trace


def replay(place: Scene, run: Callable[..., None]) -> tuple[float, Counts]:
    """Run the scene's ticks from its start through one kernel; nanoseconds a bed-tick and the last sample."""
    params, state = place.params.copy(), place.state.copy()
    sample = np.zeros((len(layout.SAMPLES), place.count), np.int32)
    command = np.zeros((len(layout.COMMANDS), place.count), np.int32)
    ticks = len(place.readings)
    begun = time.perf_counter_ns()
    run(ticks, params, place.staged, state, place.readings, place.actions, sample, command)
    return (time.perf_counter_ns() - begun) / (ticks * place.count), sample


def replay_with_plant(place: Scene) -> float:
    """Run the scene on in closed loop; nanoseconds a bed-tick of controller and plant."""
    params, state, people = place.params.copy(), place.state.copy(), place.beds
    sample = np.zeros((len(layout.SAMPLES), place.count), np.int32)
    ticks = len(place.readings) // 4
    begun = time.perf_counter_ns()
    timed.run_with_plant(
        ticks, params, place.staged, state, place.actions[0], sample, people.command,
        people.plant, people.constants, people.random, people.library.samples, people.library.entries,
        people.faults, people.tilt_deg, people.reading,
    )  # fmt: skip
    return (time.perf_counter_ns() - begun) / (ticks * place.count)


def verified(beds: int) -> Slots:
    """Sessions of `spondyl verify` without faults, in the middle of treatment."""
    slots = Slots(beds, PERIOD_S)
    numbers = [number for number in range(2 * beds) if PERIODS_S[number % len(PERIODS_S)] == PERIOD_S]
    for slot, number in enumerate(numbers[:beds]):
        slots.seat(slot, draw(SEED, number, ()))
    slots.run(AHEAD_TICKS, -1)
    return slots


def run_verified(slots: Slots, ticks: int) -> float:
    """Nanoseconds a bed-tick of plant, controller and every invariant."""
    begun = time.perf_counter_ns()
    slots.run(ticks, -1)
    return (time.perf_counter_ns() - begun) / (ticks * slots.beds)


def measure(beds: int, ticks: int, rounds: int) -> dict[str, Any]:
    """The benchmark's result; ratio_to_c is the kernel's least time over its twin's."""
    place, slots = scene(beds, ticks), verified(beds)
    with TemporaryDirectory() as directory:
        twin = Twin(Path(directory))
        replay(place, timed.run)
        replay_with_plant(place)
        kernel: list[float] = []
        c: list[float] = []
        plants: list[float] = []
        watched: list[float] = []
        for turn in range(rounds):
            pair = (kernel, timed.run), (c, twin.run)
            for times, run in pair if turn % 2 == 0 else reversed(pair):
                times.append(replay(place, run)[0])
            plants.append(replay_with_plant(place))
            watched.append(run_verified(slots, ticks // 4))
    return {
        "beds": beds,
        "ticks": ticks,
        "rounds": rounds,
        "controller_ns_per_bed_tick": round(min(kernel), 2),
        "c_ns_per_bed_tick": round(min(c), 2),
        "ratio_to_c": round(min(kernel) / min(c), 3),
        "ratio_limit": RATIO_LIMIT,
        "controller_median_ns": round(statistics.median(kernel), 2),
        "c_median_ns": round(statistics.median(c), 2),
        "with_plant_ns_per_bed_tick": round(min(plants), 2),
        "sessions_per_minute_per_core": round(_a_minute(min(plants))),
        "verified_ns_per_bed_tick": round(min(watched), 2),
        "verified_median_ns": round(statistics.median(watched), 2),
        "sessions_per_minute": round(_a_minute(min(watched))),
        "sessions_per_minute_goal": SESSIONS_GOAL,
        "versions": versions(),
    }


def _a_minute(ns_a_bed_tick: float) -> float:
    """Thirty-minute sessions that one core simulates in a minute."""
    return 60e9 / (ns_a_bed_tick * 30 * 60 / PERIOD_S)


def versions() -> dict[str, str]:
    """What was measured on what."""
    gcc = subprocess.run(["gcc", "--version"], check=True, capture_output=True, text=True).stdout
    return {
        "python": platform.python_version(),
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "numpy": np.__version__,
        "gcc": gcc.splitlines()[0].split()[-1],
        "gcc_flags": " ".join(FAST),
        "cpu": _cpu(),
    }


def _cpu() -> str:
    """The processor's name as the kernel knows it, or what the platform says."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
