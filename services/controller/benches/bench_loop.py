"""`spondyl bench loop`: how late the loop wakes and how long a tick takes, against cyclictest.

Loop and cyclictest take turns, in the same class, with memory locked and under the same load, and both
measure the same: the clock right after waking, less the deadline. The load, when asked for: two Python
threads that hog the interpreter the loop lives in, and a busy process on every core.
"""

import contextlib
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import llvmlite
import numba

from services.controller.kernel import memory as m
from services.controller.loop.histograms import PERCENTILES, bucket_start_ns, first_bucket
from services.controller.loop.realtime import Obtained, Wanted
from services.controller.loop.shared import GatewayMemory
from services.controller.loop.thread import Loop, LoopThread
from services.kit.errors import SpondylError

RATIO_LIMIT = 1.5  # of cyclictest's p99
ROUND_S = 10.0
LATE_NS = 1_000_000  # a wake-up later than this is counted by itself
PRIORITY = 50
INTERPRETER_HOGS = 2
LONGEST_US = 200_000  # cyclictest's histogram
PEER = "cyclictest"
SEED = 1


def measure(beds: int, period_ms: float, seconds: float, *, hog: bool) -> dict[str, Any]:
    """Take turns until each has run for ``seconds``; everything in microseconds."""
    peer = _peer()
    rounds = max(1, round(seconds / ROUND_S))
    ticks = max(1, round(seconds * 1000 / period_ms / rounds))
    late = Counter[int]()
    with contextlib.ExitStack() as stack:
        loop = Loop(stack.enter_context(_memory(beds, period_ms)))
        loop.load()
        if hog:
            stack.enter_context(_burning_cores())
            stack.enter_context(hogged_interpreter())
        for _ in range(rounds):
            obtained = _tick(loop, ticks)
            late += _peer_round(peer, obtained, period_ms, ticks)
        return _result(loop.memory, obtained, late) | {
            "beds": beds,
            "period_ms": period_ms,
            "rounds": rounds,
            "hog": hog,
        }


def _peer() -> str:
    found = shutil.which(PEER)
    if found is None:
        raise SpondylError(
            f"{PEER} is not installed: `apt-get install rt-tests` (Debian, Ubuntu) or "
            "`dnf install realtime-tests` (Fedora); it runs on Linux only"
        )
    return found


@contextlib.contextmanager
def _memory(beds: int, period_ms: float) -> Iterator[GatewayMemory]:
    devices = [f"bed-{number:02d}" for number in range(1, beds + 1)]
    memory = GatewayMemory.create(
        site="bench", gateway="gw-bench", devices=devices, period_ns=round(period_ms * 1e6), seed=SEED
    )
    try:
        yield memory
    finally:
        memory.unlink()


def _tick(loop: Loop, ticks: int) -> Obtained:
    """One round of the loop, in a thread of this process."""
    wanted = loop.memory.head() + ticks
    loop.memory.set_word(m.W_STOP, 0)
    thread = LoopThread(loop, Wanted(priority=PRIORITY))
    obtained = thread.start()
    while loop.memory.head() < wanted and thread.alive():
        time.sleep(0.05)
    thread.stop()
    return obtained


def _peer_round(peer: str, obtained: Obtained, period_ms: float, ticks: int) -> Counter[int]:
    """One round of cyclictest in the class the loop got: how often it was late by how many microseconds."""
    scheduling = ["-p", str(obtained.priority)] if obtained.priority else ["--policy=other"]
    locking = ["-m"] if obtained.locked else []
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "cyclictest.json"
        interval = ["-i", str(round(period_ms * 1000)), "-l", str(ticks), "-h", str(LONGEST_US)]
        done = subprocess.run(
            [peer, "-q", *scheduling, *locking, *interval, f"--json={report}"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0 or not report.exists():
            raise SpondylError(f"{PEER} failed: {(done.stderr or done.stdout).strip()}")
        row = json.loads(report.read_text(encoding="utf-8"))["thread"]["0"]
    late = Counter({int(microseconds): count for microseconds, count in row["histogram"].items()})
    late[int(row["max"])] += ticks - late.total()  # beyond the histogram's end: as late as the latest
    return late


@contextlib.contextmanager
def _burning_cores() -> Iterator[None]:
    """A busy process of the normal class on every processor."""
    argv = [
        sys.executable,
        "-c",
        "import os\nparent = os.getppid()\nwhile os.getppid() == parent: sum(range(99999))",
    ]
    burners = [subprocess.Popen(argv) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


@contextlib.contextmanager
def hogged_interpreter() -> Iterator[None]:
    """Threads of this process that never let the interpreter rest."""
    over = threading.Event()

    def hog() -> None:
        while not over.is_set():
            sum(range(10_000))

    threads = [threading.Thread(target=hog, daemon=True) for _ in range(INTERPRETER_HOGS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _result(memory: GatewayMemory, obtained: Obtained, peer_late: Counter[int]) -> dict[str, Any]:
    measured = memory.histograms()
    histograms = {name: histogram.summary_us() for name, histogram in measured.items()}
    peer, period_us = _summary_us(peer_late), memory.period_ns / 1000
    bucket = first_bucket(LATE_NS)
    over = {
        "ours": measured["late"].at_least(bucket),
        "cyclictest": _later_than(peer_late, bucket_start_ns(bucket) / 1000),
    }
    late_periods = _later_than(peer_late, period_us)
    return {
        "ticks": memory.head(),
        "missed_deadlines": memory.word(m.W_MISSED),
        **{f"{name}_us": summary for name, summary in histograms.items()},
        "cyclictest_us": peer,
        "p99_ratio": round(histograms["late"]["p99"] / peer["p99"], 3),
        "ratio_limit": RATIO_LIMIT,
        "compute_limit_us": period_us / 2,
        "late_over_1ms": over,
        "goals": {
            "compute_p99_under_half_the_period": histograms["compute"]["p99"] < period_us / 2,
            "late_over_1ms_no_more_than_cyclictest": no_more(over["ours"], over["cyclictest"]),
            "late_p99_within_ratio": histograms["late"]["p99"] <= RATIO_LIMIT * peer["p99"],
            "missed_no_more_than_cyclictest": no_more(memory.word(m.W_MISSED), late_periods),
        },
        "scheduling": obtained.scheduling,
        "memory_locked": obtained.locked,
        "wakes_fast": obtained.wakes_fast,
        "not_permitted": list(obtained.refusals),
        "versions": {
            "python": platform.python_version(),
            "numba": numba.__version__,
            "llvmlite": llvmlite.__version__,
            "system": platform.release(),
        },
    }


def _later_than(late: Counter[int], least_us: float) -> int:
    return sum(count for microseconds, count in late.items() if microseconds >= least_us)


def no_more(ours: int, peers: int) -> bool:
    """Whether one rare count is no greater than another, but for chance: within two of its scatter."""
    return ours <= peers + 2.0 * math.sqrt(ours + peers)


def _summary_us(late: Counter[int]) -> dict[str, float]:
    """Percentiles of whole microseconds, each standing for its middle; the greatest as it is."""
    rows, total = sorted(late.items()), late.total()
    summary: dict[str, float] = {"max": float(rows[-1][0])}
    for name, percent in PERCENTILES.items():
        seen, rank = 0, max(1, -(-total * percent // 100))
        for microseconds, count in rows:
            seen += count
            if seen >= rank:
                summary[name] = min(microseconds + 0.5, summary["max"])
                break
    return {name: summary[name] for name in (*PERCENTILES, "max")}
