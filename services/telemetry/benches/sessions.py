"""Simulated sessions for benchmarks, made by the gateway's own program and kept in the temporary directory.

A service may not import another: the controller's part runs as a program of its own and writes what a gateway
would publish.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import orjson

from services.kit.errors import SpondylError
from services.telemetry.archive.models import PHASE, VALUES, Run
from services.telemetry.archive.runs import tension_runs

PROGRAM: Final = "services.controller.benches.record_blocks"
COLUMNS: Final = (*VALUES, PHASE)
TOGETHER: Final = 8  # sessions recorded before they are made columns: 3 MB of JSON each
PERIOD_MS: Final = 20.0
DECIMALS: Final = {"tension_n": 1, "target_n": 2, "position_mm": 2, "residual_n": 2, PHASE: 0}
START_US: Final = 1_767_225_600_000_000  # 2026-01-01T00:00Z
HOUR_US: Final = 3_600_000_000


@dataclass(frozen=True)
class Session:
    """One session: int32 counts of every column."""

    number: int
    columns: dict[str, npt.NDArray[np.int32]]

    @property
    def count(self) -> int:
        """How many samples."""
        return len(self.columns[PHASE])

    @property
    def started_at_us(self) -> int:
        """Sessions are an hour apart."""
        return START_US + self.number * HOUR_US

    @cached_property
    def run(self) -> Run:
        """As it comes out of the hot store."""
        return Run(0, PERIOD_MS, ((0, self.started_at_us),), self.columns, DECIMALS)


def path_of(directory: Path, number: int) -> Path:
    """Where a session's columns are kept: int32[5, samples]."""
    return directory / f"{number:05d}.npy"


def load(directory: Path, number: int) -> Session:
    """A session that ``prepare`` has made."""
    table = np.load(path_of(directory, number))
    return Session(number, dict(zip(COLUMNS, table, strict=True)))


def prepare(sessions: int, minutes: float) -> Path:
    """The directory with so many sessions; those that an earlier run made are taken again."""
    directory = Path(tempfile.gettempdir()) / f"spondyl-sessions-{os.getuid()}" / f"{minutes:g}-min"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    missing = [number for number in range(sessions) if not path_of(directory, number).exists()]
    for first, count in _stretches(missing):
        _make(directory, first, count, minutes)
    return directory


def _stretches(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """(first, count) of neighbours, at most TOGETHER."""
    begin = 0
    for at in range(1, len(numbers) + 1):
        full = at - begin == TOGETHER
        if at == len(numbers) or full or numbers[at] != numbers[at - 1] + 1:
            yield numbers[begin], at - begin
            begin = at


def _make(directory: Path, first: int, count: int, minutes: float) -> None:
    with tempfile.TemporaryDirectory(dir=directory) as name:
        command = [sys.executable, "-m", PROGRAM, name, "--first", str(first), "--sessions", str(count)]
        options = ["--minutes", str(minutes), "--block-ms", "1000"]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SpondylError(f"{PROGRAM} failed: {done.stderr.strip().splitlines()[-1:]}")
        for number in range(first, first + count):
            table = _columns(Path(name, f"{number:05d}.jsonl"))
            partial = Path(name, "part.npy")
            np.save(partial, table)
            partial.replace(path_of(directory, number))


def _columns(recorded: Path) -> npt.NDArray[np.int32]:
    lines = recorded.read_bytes().splitlines()
    heads = [orjson.loads(line) for line in lines]
    stored = [(head["seq"], len(head[PHASE]), line) for head, line in zip(heads, lines, strict=True)]
    (run,) = tension_runs(stored)
    rows = [run.columns[name] * 10 ** (DECIMALS[name] - run.decimals[name]) for name in COLUMNS]
    return np.stack(rows).astype(np.int32)
