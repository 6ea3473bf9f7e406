"""Simulated sessions as a gateway would publish them, one file of tension blocks a session, for benchmarks.

Run as a program, because a benchmark of another service may not import this one.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID, uuid5

import numpy as np

from services.controller.beds import simulated
from services.controller.kernel import layout, plant
from services.controller.parameters import compile_parameters
from services.controller.recorder import blocks
from services.controller.simulation import simulate
from services.kit.therapy.prescription import default_prescription

Payload = Callable[[UUID, float, blocks.Times, blocks.Samples], bytes]

PERIOD_S: Final = 0.02
TOGETHER: Final = 8  # sessions simulated at once: 10 MB of trace each
START_NS: Final = 1_767_225_600_000_000_000  # 2026-01-01T00:00Z


def record(
    directory: Path, sessions: range, minutes: float, block_ms: float, blackbox_ms: float = 0.0
) -> None:
    """Write ``{number:05d}.jsonl`` of each session: its first ``minutes`` from the start on, whole.

    With ``blackbox_ms`` also ``{number:05d}.blackbox.jsonl``: its black box in chunks of that length.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for first in range(sessions.start, sessions.stop, TOGETHER):
        numbers = range(first, min(first + TOGETHER, sessions.stop))
        for number, samples in zip(numbers, _simulated(numbers, minutes), strict=True):
            _write(directory / f"{number:05d}.jsonl", number, samples, block_ms, blocks.tension_payload)
            if blackbox_ms:
                path = directory / f"{number:05d}.blackbox.jsonl"
                _write(path, number, samples, blackbox_ms, _blackbox_payload)


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


def _blackbox_payload(boot: UUID, period_ms: float, times: blocks.Times, samples: blocks.Samples) -> bytes:
    return blocks.blackbox_payload(boot, period_ms, times, samples, uuid5(boot, "session"))


def _write(path: Path, number: int, samples: blocks.Samples, block_ms: float, payload: Payload) -> None:
    boot = uuid5(simulate.NAMESPACE, f"benchmark {number}")
    seq = np.arange(len(samples), dtype=np.int64)
    nanoseconds = seq * round(1e9 * PERIOD_S)
    begin_ns = START_NS + number * 3_600_000_000_000
    times = np.stack([seq, nanoseconds, begin_ns + nanoseconds], axis=1)
    step = max(1, round(block_ms / (1000.0 * PERIOD_S)))
    payloads = (
        payload(boot, 1000.0 * PERIOD_S, times[at : at + step], samples[at : at + step])
        for at in range(0, len(samples), step)
    )
    partial = path.with_suffix(".part")
    partial.write_bytes(b"".join(line + b"\n" for line in payloads))
    partial.replace(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--first", type=int, default=0, help="number of the first session")
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--block-ms", type=float, default=200.0)
    parser.add_argument("--blackbox-ms", type=float, default=0.0, help="chunks of the black box; 0: none")
    told = parser.parse_args(arguments)
    numbers = range(told.first, told.first + told.sessions)
    record(told.directory, numbers, told.minutes, told.block_ms, told.blackbox_ms)


if __name__ == "__main__":
    main()
