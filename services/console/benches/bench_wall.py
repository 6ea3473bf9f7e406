"""`spondyl bench wall`: a real console with many beds, seen by one real browser and by more viewers.

Latency is from a sample's wall clock to the animation frame that has drawn it, of every visible tile; a bed
publishes a block when its last sample is taken. Beside it the same tiles drawn by a charting library, in the
same browser and run.
"""

import contextlib
import functools
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from services.console.accounts.accounts import Accounts
from services.console.benches.chromium import Page, chromium
from services.console.benches.viewers import Viewer
from services.console.benches.wall_publisher import Task
from services.console.benches.ward import BLOCK_S, PERIOD_MS, SAMPLES
from services.console.store import Store
from services.kit.auth.principal import Grant
from services.kit.benches import engines
from services.kit.benches.usage import memory_mb, percentile
from services.kit.errors import SpondylError
from services.kit.fetch import fetch
from services.kit.http import STATIC_DIRECTORY
from services.kit.ports import free_port

HERE: Final = Path(__file__).parent
WIDTH, HEIGHT = 2560, 1440  # 48 tiles in sight
PAGE_TILES: Final = 48
PEER_TILES: Final = 64
PEER_S: Final = 6.0  # at most
PEER_WARM_S: Final = 1.0
START_S: Final = 30.0
LEAD_S: Final = 4.0  # from starting the publisher to its first block
WARM_S: Final = 4.0
LATENCY_GOAL_MS: Final = 500.0
PACE_GOAL_MS: Final = 100.0  # by which 99 of 100 blocks may be published behind their time
NAME: Final = "wall-display"
SERVED: Final[dict[str, Path]] = {"/kit/": STATIC_DIRECTORY, "/": HERE}


@dataclass(frozen=True, slots=True)
class Costs:
    """Processor seconds and bytes at one moment."""

    at: float
    cpu_s: dict[str, float]
    received: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class System:
    """What runs: addresses, processes by name, and the cookie of somebody who may look."""

    mqtt: str
    console: str
    cookie_name: str
    cookie: str
    processes: dict[str, psutil.Process]


def measure(beds: int, browsers: int, seconds: float) -> dict[str, Any]:
    """Everything, as one JSON object. Raises SpondylError when a part does not start."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spondyl-bench-wall-")))
        system = stack.enter_context(_system(directory))
        page, version = stack.enter_context(chromium(WIDTH, HEIGHT))
        begin_at = time.time() + LEAD_S
        task = Task(system.mqtt, beds, begin_at, LEAD_S + WARM_S + seconds + START_S)
        publisher = stack.enter_context(_publishing(task, system))
        _open_wall(page, system, min(beds, PAGE_TILES))
        query = f"lang=en&view=wall&size={PAGE_TILES}"
        cookie = f"{system.cookie_name}={system.cookie}"
        viewers = [
            stack.enter_context(Viewer(system.console, query, cookie)) for _ in range(max(0, browsers - 1))
        ]
        time.sleep(max(0.0, begin_at + WARM_S - time.time()))
        before = _costs(system, viewers)
        seen = page.run(_measure_script(begin_at, beds, seconds))
        after = _costs(system, viewers)
        memory = {name: memory_mb(process) for name, process in system.processes.items()}
        played = publisher()
        peer, ours = (_tiles(page, library, min(PEER_S, seconds / 2)) for library in ("uPlot", "sweep"))
        return _result(beds, browsers, seconds, seen, before, after, memory, played, viewers) | {
            "ours_at_64": _round(ours) | {"tiles": PEER_TILES},
            "peer": {"library": "uPlot", "tiles": PEER_TILES} | _round(peer),
            "versions": _versions(version),
        }


def _result(
    beds: int,
    browsers: int,
    seconds: float,
    seen: dict[str, Any],
    before: Costs,
    after: Costs,
    memory: dict[str, float],
    played: dict[str, Any],
    viewers: list[Viewer],
) -> dict[str, Any]:
    passed = after.at - before.at
    share = {name: (after.cpu_s[name] - before.cpu_s[name]) / passed for name in after.cpu_s}
    latency = {f"p{at}": percentile(seen["latency_ms"], at) for at in (50, 99)}
    late_p99 = played["late_ms"]["p99"]
    goals = [
        _goal("latency_ms.p99", latency["p99"], LATENCY_GOAL_MS),
        _goal("publisher.late_ms.p99", late_p99, PACE_GOAL_MS),
    ]
    return {
        "beds": beds,
        "browsers": browsers,
        "seconds": seconds,
        "block_ms": 1000 * BLOCK_S,
        "tiles_visible": seen["visible"],
        "latency_ms": latency,
        "latencies": len(seen["latency_ms"]),
        "frames_per_s": round(seen["frames"] / seen["seconds"], 1),
        "frame_ms": {f"p{at}": percentile(seen["gaps_ms"], at) for at in (50, 99)},
        "bytes_per_s": _bytes_per_s(before, after, viewers),
        "console": {"cpu_share": round(share["console"], 3), "memory_mb": round(memory["console"], 1)},
        "broker": {"cpu_share": round(share["broker"], 3), "memory_mb": round(memory["broker"], 1)},
        "publisher": {
            "cpu_share": round(share["publisher"], 3),
            "offered_per_s": round(beds / BLOCK_S),
            "blocks": played["blocks"],
            "messages": played["messages"],
            "late_ms": played["late_ms"],
        },
        "goals": goals,
        "ok": all(goal["ok"] for goal in goals),
    }


def _goal(name: str, found: float | None, limit: float) -> dict[str, Any]:
    return {"name": name, "found": found, "below": limit, "ok": found is not None and found < limit}


def _bytes_per_s(before: Costs, after: Costs, viewers: list[Viewer]) -> dict[str, float | None]:
    """Of one viewer, the mean of all that are no browser; on the wire, compressed as browsers ask for."""
    if not viewers:
        return {"sse": None, "websocket": None, "total": None}
    passed = (after.at - before.at) * len(viewers)
    sums = [
        sum(late[part] - early[part] for early, late in zip(before.received, after.received, strict=True))
        for part in (0, 1)
    ]
    sse, websocket = (round(total / passed) for total in sums)
    return {"sse": sse, "websocket": websocket, "total": sse + websocket}


def _costs(system: System, viewers: list[Viewer]) -> Costs:
    times = {name: process.cpu_times() for name, process in system.processes.items()}
    return Costs(
        time.monotonic(),
        {name: one.user + one.system for name, one in times.items()},
        [viewer.received() for viewer in viewers],
    )


@contextlib.contextmanager
def _system(directory: Path) -> Iterator[System]:
    """A broker, a console, and somebody who may look at the wall and at nothing else."""
    with engines.mosquitto(directory / "mosquitto") as (broker, broker_port):
        mqtt = f"mqtt://127.0.0.1:{broker_port}"
        name, cookie = _monitor(directory)
        port = free_port()
        told = {key: value for key, value in os.environ.items() if not key.startswith("SPONDYL_")} | {
            "SPONDYL_DATA": str(directory), "SPONDYL_MQTT_URL": mqtt, "SPONDYL_HTTP_PORT": str(port),
            "SPONDYL_LOG_LEVEL": "warning",
        }  # fmt: skip
        place = directory / "run"
        place.mkdir()
        with engines.running([sys.executable, "-m", "services.console"], place, told) as console:
            address = f"http://127.0.0.1:{port}"
            _await(console, place, f"{address}/livez")
            processes = {"broker": psutil.Process(broker.pid), "console": psutil.Process(console.pid)}
            yield System(mqtt, address, name, cookie, processes)


def _monitor(directory: Path) -> tuple[str, str]:
    """(name, value) of the cookie of an account for a wall display."""
    (directory / "console").mkdir(parents=True, exist_ok=True)
    store = Store(f"sqlite:///{directory / 'console' / 'console.db'}")
    try:
        accounts = Accounts(store, secure=False)
        user = store.add_user(NAME, "Wall display", [Grant("monitor")])
        return accounts.cookie, accounts.open(user, "127.0.0.1").cookie
    finally:
        store.close()


def _await(process: subprocess.Popen[bytes], place: Path, url: str) -> None:
    deadline = time.monotonic() + START_S
    while True:
        with contextlib.suppress(OSError, ValueError):
            fetch(url, timeout_s=1.0)
            return
        if process.poll() is not None or time.monotonic() > deadline:
            words = (place / "log").read_text(errors="replace").strip().splitlines()
            raise SpondylError(f"the console did not start: {words[-1:]}")
        time.sleep(0.1)


@contextlib.contextmanager
def _publishing(task: Task, system: System) -> Iterator[Callable[[], dict[str, Any]]]:
    """A publisher at work; what is given ends it and tells what it did."""
    command = [sys.executable, "-m", "services.console.benches.wall_publisher"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    system.processes["publisher"] = psutil.Process(process.pid)
    if process.stdin is not None:
        process.stdin.write(json.dumps(asdict(task)).encode())
        process.stdin.close()
        process.stdin = None  # for `communicate`

    def end() -> dict[str, Any]:
        process.terminate()
        out, _ = process.communicate(timeout=START_S)
        if process.returncode or not out:
            raise SpondylError(f"the publisher ended with {process.returncode}")
        return dict(json.loads(out))

    try:
        yield end
    finally:
        process.kill()
        process.communicate()


def _open_wall(page: Page, system: System, tiles: int) -> None:
    """The wall in the browser, its tiles drawing."""
    page.call("Network.enable")
    page.call("Network.setCookie", name=system.cookie_name, value=system.cookie, url=system.console)
    page.open(f"{system.console}/?size={PAGE_TILES}")
    page.until(
        f"[...document.querySelectorAll('.tile canvas')].filter((it) => it.sweep?.head > 0).length >= "
        f"Math.min({tiles}, 8)",
        "the wall's tiles drawn",
    )
    page.run((HERE / "latency.js").read_text())


def _measure_script(begin_at: float, beds: int, seconds: float) -> str:
    told = {
        "begin_ms": 1000 * begin_at, "block_ms": 1000 * BLOCK_S, "period_ms": PERIOD_MS,
        "samples": SAMPLES, "beds": beds, "seconds": seconds,
    }  # fmt: skip
    return f"measureWall({json.dumps(told)})"


def _tiles(page: Page, library: str, seconds: float) -> dict[str, Any]:
    """The same tiles drawn by this library, nothing else running."""
    told = {"library": library, "tiles": PEER_TILES, "seconds": seconds, "warm_s": PEER_WARM_S}
    with _serving() as address:
        page.open(f"{address}/peer.html")
        page.until("window.peerReady", "the page of the library")
        return dict(page.run(f"measureTiles({json.dumps(told)})"))


def _round(found: dict[str, Any]) -> dict[str, Any]:
    return {
        name: round(value, 2) if isinstance(value, float) else value for name, value in found.items() if value
    }


class _Files(http.server.SimpleHTTPRequestHandler):
    """The page of the peer, and the kit's scripts."""

    def translate_path(self, path: str) -> str:
        """From an address to a file below one of the two directories."""
        prefix = next(prefix for prefix in SERVED if path.startswith(prefix))
        self.directory = str(SERVED[prefix])
        return super().translate_path("/" + path.removeprefix(prefix))

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextlib.contextmanager
def _serving() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Files, directory=str(HERE)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _versions(browser: str) -> dict[str, str]:
    return {
        "browser": browser,
        "broker": engines.version_of([engines.program("mosquitto", "/usr/sbin/mosquitto"), "-h"]),
        "python": sys.version.split()[0],
    }


def tell(result: dict[str, Any]) -> str:
    """The result in words."""
    latency, peer, ours = result["latency_ms"], result["peer"], result["ours_at_64"]
    return (
        f"{result['beds']} beds, {result['browsers']} browsers: a sample is drawn after {latency['p50']} ms "
        f"(p99 {latency['p99']}), {result['frames_per_s']} frames a second with {result['tiles_visible']} "
        f"tiles in sight, {result['bytes_per_s']['total']} bytes a second and browser; console "
        f"{result['console']['cpu_share']:.0%} of a core and {result['console']['memory_mb']} MB; "
        f"{PEER_TILES} tiles: {ours['frames_per_s']} frames a second and {ours['update_ms']} ms of script "
        f"each, {peer['library']} {peer['frames_per_s']} and {peer['update_ms']} ms"
    )
