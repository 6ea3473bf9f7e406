"""Simulated sessions as a gateway would publish them, one file of tension blocks a session, for benchmarks.

Run as a program, because a benchmark of another service may not import this one.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import uuid5

import numpy as np

from services.controller import blocks, simulate
from services.controller.beds import simulated
from services.controller.kernel import layout, plant
from services.controller.prescription import compile_parameters, default_prescription

PERIOD_S: Final = 0.02
TOGETHER: Final = 8  # sessions simulated at once: 10 MB of trace each
START_NS: Final = 1_767_225_600_000_000_000  # 2026-01-01T00:00Z


def record(directory: Path, sessions: range, minutes: float, block_ms: float) -> None:
    """Write ``{number:05d}.jsonl`` of each session: its first ``minutes`` from the start on, whole."""
    directory.mkdir(parents=True, exist_ok=True)
    for first in range(sessions.start, sessions.stop, TOGETHER):
        numbers = range(first, min(first + TOGETHER, sessions.stop))
        for number, samples in zip(numbers, _simulated(numbers, minutes), strict=True):
            _write(directory / f"{number:05d}.jsonl", number, samples, block_ms)


def _simulated(numbers: range, minutes: float) -> list[blocks.Samples]:
    prescription = default_prescription()
    parameters = compile_parameters(prescription, PERIOD_S, simulate.SESSION_NO)
    parameters[layout.P_TRACTION_S] = 60.0 * minutes
    beds = simulated.simulated_beds(numbers.start, len(numbers), PERIOD_S, prescription.body_weight_kg)
    beds.plant[plant.X_TILT] = beds.tilt_deg[:] = parameters[layout.P_TILT]
    start, samples = simulate.ticks(simulate.START_S, PERIOD_S), simulate.ticks(60.0 * minutes, PERIOD_S)
    script = simulate.session_script(start, parameters, len(numbers))
    staged = np.repeat(parameters[:, None], len(numbers), axis=1)
    courses = simulate.run(beds, staged, script, start + samples, start)
    return [course.samples[-samples:] for course in courses]


def _write(path: Path, number: int, samples: blocks.Samples, block_ms: float) -> None:
    boot = uuid5(simulate.NAMESPACE, f"benchmark {number}")
    seq = np.arange(len(samples), dtype=np.int64)
    nanoseconds = seq * round(1e9 * PERIOD_S)
    begin_ns = START_NS + number * 3_600_000_000_000
    times = np.stack([seq, nanoseconds, begin_ns + nanoseconds], axis=1)
    step = max(1, round(block_ms / (1000.0 * PERIOD_S)))
    payloads = (
        blocks.tension_payload(boot, 1000.0 * PERIOD_S, times[at : at + step], samples[at : at + step])
        for at in range(0, len(samples), step)
    )
    partial = path.with_suffix(".part")
    partial.write_bytes(b"".join(payload + b"\n" for payload in payloads))
    partial.replace(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--first", type=int, default=0, help="number of the first session")
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--block-ms", type=float, default=200.0)
    told = parser.parse_args(arguments)
    record(told.directory, range(told.first, told.first + told.sessions), told.minutes, told.block_ms)


if __name__ == "__main__":
    main()
