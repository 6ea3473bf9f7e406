"""`spondyl bench soak`: the memory of every process of a whole system, minute after minute.

A real `spondyl up` with simulated beds and their therapist. A straight line is fitted to each process's own
memory (`private_mb`: pages it shares with others, as libraries, count for nobody) after its warm-up; flat is
what is not shown to grow, or grows by less than can matter.
"""

import json
import math
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from services.kit.errors import SpondylError

EVERY_S: Final = 10.0
FEWEST: Final = 6  # samples of a process; with fewer no line is fitted
WARM_UP: Final = 0.5  # of the time, at most the longest
LONGEST_WARM_UP_S: Final = 1800.0  # every bed's first session is over and archived: all work was done once
CERTAIN: Final = 3.0  # standard errors above 0 that show growth
MATTERS_MB_PER_H: Final = 2.0  # less is 50 MB a day, which a nightly restart of nothing would need
STORES: Final = frozenset({"redis"})  # it holds the samples of a session until they are archived: see RULE
STORE_MB_PER_BED_H: Final = (
    45.0  # 20 ms as JSON: 3.4 kB a bed and second of tension and black box, unarchived
)
START_S: Final = 900.0  # the first start on a small machine compiles the control loop
STOP_S: Final = 20.0
RULE: Final = (
    f"flat: slope <= {MATTERS_MB_PER_H:g} MB/h, or less than {CERTAIN:g} standard errors above 0; "
    f"Redis: <= {STORE_MB_PER_BED_H:g} MB/h a bed, what a bed publishes before it is archived"
)


@dataclass(frozen=True, slots=True)
class Trend:
    """A process's memory: its last and largest size, and the line through all of it."""

    samples: int
    memory_mb: float
    largest_mb: float
    slope_mb_per_h: float
    error_mb_per_h: float  # standard error of the slope
    flat: bool


def measure(minutes: float, beds: int) -> dict[str, Any]:
    """Run the system for so long. SpondylError when it cannot be started or audited."""
    with tempfile.TemporaryDirectory(prefix="spondyl-soak-") as name:
        data = Path(name) / "data"
        with _system(data, beds):
            series, restarts = _sampled(data, 60.0 * minutes)
            audit = _command(data, "audit", accepted=(0, 1))
    trends = {
        process: trend(points, 60.0 * minutes, allowed_mb_per_h(process, beds))
        for process, points in series.items()
        if len(points) >= FEWEST
    }
    return {
        "minutes": minutes,
        "beds": beds,
        "rule": RULE,
        "processes": {process: asdict(found) for process, found in sorted(trends.items())},
        "slope_mb_per_h": round(sum(found.slope_mb_per_h for found in trends.values()), 3),
        "steepest": max(trends, key=lambda process: trends[process].slope_mb_per_h, default=None),
        "flat": bool(trends) and all(found.flat for found in trends.values()),
        "restarts": restarts,
        **{field: audit[field] for field in ("samples", "lost_samples", "duplicate_samples", "late_blocks")},
    }


def allowed_mb_per_h(process: str, beds: int) -> float:
    """The slope that a process may have, however certain it is."""
    return STORE_MB_PER_BED_H * beds if process in STORES else MATTERS_MB_PER_H


def trend(points: Sequence[tuple[float, float]], seconds: float, allowed: float) -> Trend:
    """The line through (seconds, megabytes) after the warm-up; all of it when too little is left."""
    after = min(WARM_UP * seconds, LONGEST_WARM_UP_S)
    warm = [point for point in points if point[0] >= after]
    kept = warm if len(warm) >= FEWEST else list(points)
    slope, error = fitted([at / 3600 for at, _ in kept], [size for _, size in kept])
    return Trend(
        len(kept),
        round(kept[-1][1], 1),
        round(max(size for _, size in points), 1),
        round(slope, 3),
        round(error, 3),
        slope <= max(allowed, CERTAIN * error),
    )


def fitted(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """(slope, its standard error) of the least-squares line; the error is 0 for a perfect line."""
    line = statistics.linear_regression(x, y)
    left = sum((size - line.intercept - line.slope * at) ** 2 for at, size in zip(x, y, strict=True))
    spread = sum((at - statistics.fmean(x)) ** 2 for at in x)
    freedom = len(x) - 2
    return line.slope, math.sqrt(left / freedom / spread) if freedom > 0 and spread > 0 else 0.0


# --- the system ---------------------------------------------------------------------------------------------
@contextmanager
def _system(data: Path, beds: int) -> Iterator[None]:
    """`spondyl up` until the block ends."""
    words = data.with_suffix(".stderr")
    command = [*_spondyl(), "up", "--data", str(data), "--beds", str(beds), "--json"]
    with words.open("w") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
    try:
        if not _first_line(process):
            raise SpondylError(f"the system did not start: {words.read_text().strip().splitlines()[-1:]}")
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _first_line(process: subprocess.Popen[str]) -> str:
    return process.stdout.readline() if process.stdout is not None else ""


def _sampled(data: Path, seconds: float) -> tuple[dict[str, list[tuple[float, float]]], dict[str, int]]:
    """{process: [(seconds, megabytes)]} of those that never started anew, and who did how often."""
    series: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    restarts: dict[str, int] = {}
    began = time.monotonic()
    every_s = min(EVERY_S, seconds / (2 * FEWEST))
    number = 0
    while (passed := time.monotonic() - began) < seconds:
        for row in _command(data, "status")["processes"]:
            series[row["name"]].append((passed, float(row["private_mb"])))
            restarts[row["name"]] = int(row["restarts"])
        number += 1
        time.sleep(max(0.0, began + number * every_s - time.monotonic()))
    again = {process: count for process, count in restarts.items() if count}
    return {process: points for process, points in series.items() if process not in again}, again


def _command(data: Path, name: str, accepted: tuple[int, ...] = (0,)) -> dict[str, Any]:
    command = [*_spondyl(), name, "--data", str(data), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in accepted:
        raise SpondylError(f"`spondyl {name}` failed: {done.stderr.strip().splitlines()[-1:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _spondyl() -> list[str]:
    return [sys.executable, "-m", "services.cli"]
