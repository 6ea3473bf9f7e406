"""`spondyl bench fleet`: what a bed costs as beds become many, at the pace of real beds.

Real Mosquitto, Redis, ingest, archiver and HTTP API; the fleet is played by a process of its own. A few beds
first, not counted: what a process does once, however many beds there are, is done then. What the idle system
costs is measured next and taken off. Each step plays whole sessions, waits until they are archived and audits
them: a bed's cost holds everything up to the archive.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import redis as redis_client

from services.kit.benches.usage import Usage, percentile
from services.kit.errors import SpondylError
from services.kit.fetch import fetch
from services.telemetry import keys
from services.telemetry.benches import fleet
from services.telemetry.benches.fleet import BLOCK_SAMPLES, Fleet
from services.telemetry.benches.fleet_publisher import Played, Task
from services.telemetry.benches.fleet_system import System, system_for
from services.telemetry.benches.probe import Probe
from services.telemetry.models import Place, Source

FLAT_WITHIN: Final = 1.2  # the 20 %
ASKED: Final = "api"  # its work is the probe's questions, as many in every step
WARM_UP_BEDS: Final = 10
IDLE_S: Final = 15.0  # the kernel counts CPU in hundredths of a second
LEAD_S: Final = 2.0  # for the publisher to connect before its first block, and more for many gateways
LEAD_PER_BED_S: Final = 0.002
ARCHIVED_S: Final = 180.0
ARCHIVED_SHARE: Final = 0.9
AUDIT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Step:
    """One size of the fleet; CPU in milliseconds, disk in bytes per bed and second of treatment."""

    devices: int
    published_messages: int
    published_bytes: int
    cpu_ms: dict[str, float]  # by process, idle taken off
    cost_per_device: float  # the sum of those that work for every bed: the API answers the probe only
    memory_mb: dict[str, float]
    memory_kb_per_device: float  # above the idle system's
    disk_bytes_per_device_s: dict[str, float]  # hot, archive, index
    committed_ms: dict[str, float | None]
    served_ms: dict[str, float | None]
    publisher_late_ms: dict[str, float | None]  # above 100 ms the machine, not the system, is the limit
    lost_samples: int
    duplicate_samples: int
    archived: float  # the share of the sessions


def measure(steps: Sequence[int], seconds: int) -> dict[str, Any]:
    """Every step in one running system. SpondylError when it cannot be started."""
    if seconds % fleet.CHECKPOINT_S:
        raise SpondylError(
            f"--seconds is {seconds}: a multiple of {fleet.CHECKPOINT_S} is needed, because ingest tells the "
            "archiver how far a bed is stored every 1000 samples"
        )
    with tempfile.TemporaryDirectory(prefix="spondyl-fleet-") as name:
        directory = Path(name)
        recordings = directory / "recordings"
        fleet.record(recordings, seconds)
        with system_for(directory, max(steps)) as system:
            warm_up(system, Fleet(WARM_UP_BEDS, seconds, 0), recordings)
            idle = idle_of(system)
            rows = [
                step_of(system, Fleet(beds, seconds, number), recordings, idle)
                for number, beds in enumerate(steps, start=1)
            ]
    return _report(rows, idle, seconds)


def _report(rows: Sequence[Step], idle: Mapping[str, Usage], seconds: int) -> dict[str, Any]:
    costs = [row.cost_per_device for row in rows]
    return {
        "seconds": seconds,
        "idle_cpu_percent": {name: round(100 * one.cpu_s, 2) for name, one in idle.items()},
        "idle_memory_mb": {name: round(one.memory_mb, 1) for name, one in idle.items()},
        "steps": [asdict(row) for row in rows],
        "cost_per_device": {str(row.devices): row.cost_per_device for row in rows},
        **flatness(costs),
        "marginal_cost": marginal(rows),
        "lost_samples": sum(row.lost_samples for row in rows),
        "duplicate_samples": sum(row.duplicate_samples for row in rows),
    }


def flatness(costs: Sequence[float]) -> dict[str, Any]:
    """How far costs are apart, and whether larger fleets are the dearer ones.

    ``falls_to``: the last over the first; ``grows_by``: the most that a larger fleet costs over any smaller
    one, 1 when none does. Flat is what never grows by more than the goal; a bed that becomes cheaper is no
    harm, and ``flat_both_ways`` says whether it does not do that either.
    """
    grows = max(later / earlier for i, earlier in enumerate(costs) for later in costs[i:])
    apart = max(costs) / min(costs)
    return {
        "largest_over_smallest": round(apart, 3),
        "falls_to": round(costs[-1] / costs[0], 3),
        "grows_by": round(grows, 3),
        "goal": FLAT_WITHIN,
        "flat": grows <= FLAT_WITHIN,
        "flat_both_ways": apart <= FLAT_WITHIN,
    }


def marginal(rows: Sequence[Step]) -> dict[str, float]:
    """{"100-1000": CPU milliseconds a second of each bed on top}: what any fleet needs is left out."""
    return {
        f"{less.devices}-{more.devices}": round(
            (more.cost_per_device * more.devices - less.cost_per_device * less.devices)
            / (more.devices - less.devices),
            4,
        )
        for less, more in pairwise(rows)
        if more.devices != less.devices
    }


# --- a step -------------------------------------------------------------------------------------------------
def warm_up(system: System, beds: Fleet, recordings: Path) -> None:
    """Let every process do once what it does only once."""
    _play(_task(system, beds, recordings, time.monotonic() + LEAD_S))
    _wait_archived(system, beds, wanted_share=0.5 / beds.beds)  # one of them


def idle_of(system: System) -> dict[str, Usage]:
    """What every process costs a second without a bed."""
    time.sleep(1.0)  # the last of its work
    before, began = system.usage(), time.monotonic()
    time.sleep(IDLE_S)
    after, elapsed = system.usage(), time.monotonic() - began
    return {
        name: Usage((after[name].cpu_s - before[name].cpu_s) / elapsed, after[name].memory_mb)
        for name in system.pids
    }


def step_of(system: System, beds: Fleet, recordings: Path, idle: Mapping[str, Usage]) -> Step:
    """Play whole sessions, see them archived, audit them."""
    before, disk_before, began = system.usage(), system.disk(), time.monotonic()
    begin_at = began + LEAD_S + LEAD_PER_BED_S * beds.beds
    task = _task(system, beds, recordings, begin_at)
    with Probe(system.api, system.token(), beds, begin_at) as probe:
        played = _play(task)
    memory = {name: one.memory_mb for name, one in system.usage().items()}
    archived = _wait_archived(system, beds)
    elapsed, after, disk = time.monotonic() - began, system.usage(), system.disk()
    treated_s = beds.beds * beds.seconds
    cpu_ms = {
        name: 1000 * (after[name].cpu_s - before[name].cpu_s - idle[name].cpu_s * elapsed) / treated_s
        for name in system.pids
    }
    audit = _audit(system, beds)
    above_kb = 1000 * (sum(memory.values()) - sum(one.memory_mb for one in idle.values()))
    return Step(
        devices=beds.beds,
        published_messages=played.messages,
        published_bytes=played.bytes,
        cpu_ms={name: round(value, 4) for name, value in cpu_ms.items()},
        cost_per_device=round(sum(value for name, value in cpu_ms.items() if name != ASKED), 4),
        memory_mb={name: round(value, 1) for name, value in memory.items()},
        memory_kb_per_device=round(above_kb / beds.beds, 1),
        disk_bytes_per_device_s={
            name: round((disk[name] - disk_before[name]) / treated_s, 1) for name in disk
        },
        committed_ms=_percentiles(played.committed_ms),
        served_ms=_percentiles(probe.served_ms),
        publisher_late_ms=_percentiles(played.late_ms),
        archived=archived,
        **audit,
    )


def _percentiles(values: list[float]) -> dict[str, float | None]:
    return {"p50": percentile(values, 50), "p99": percentile(values, 99)}


def _task(system: System, beds: Fleet, recordings: Path, begin_at: float) -> Task:
    return Task(system.mqtt, system.passwords, beds.beds, beds.seconds, beds.step, begin_at, str(recordings))


def _play(task: Task) -> Played:
    command = [sys.executable, "-m", "services.telemetry.benches.fleet_publisher"]
    done = subprocess.run(
        command, input=json.dumps(asdict(task)), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SpondylError(f"the fleet's publisher failed: {done.stderr.strip().splitlines()[-1:]}")
    return Played(**json.loads(done.stdout))


def _wait_archived(system: System, beds: Fleet, wanted_share: float = ARCHIVED_SHARE) -> float:
    """Until (nearly) every bed's session is in the archive; the share that is.

    A bed whose last checkpoint fell between two batches waits for its next samples, which do not come here.
    """
    client = redis_client.Redis.from_url(system.redis)
    wanted = beds.seconds * BLOCK_SAMPLES
    names = [keys.archived(Source(Place(*beds.place(bed)), beds.boot(bed))) for bed in range(beds.beds)]
    deadline = time.monotonic() + ARCHIVED_S
    while len(names) > (1 - wanted_share) * beds.beds and time.monotonic() < deadline:
        pipe = client.pipeline(transaction=False)
        for name in names:
            pipe.hget(name, "tension")
        names = [name for name, after in zip(names, pipe.execute(), strict=True) if int(after or 0) < wanted]
        time.sleep(0.2)
    client.close()
    return round(1 - len(names) / beds.beds, 3)


def _audit(system: System, beds: Fleet) -> dict[str, int]:
    """Lost and doubled samples of this step's boots, a boot that is not there at all included."""
    report = json.loads(fetch(f"{system.api}/audit", AUDIT_S, system.token()))
    boots = {str(beds.boot(bed)) for bed in range(beds.beds)}
    rows = [row for row in report["streams"] if row["boot"] in boots]
    stored = sum(row["samples"] for row in rows)
    twice = sum(row["duplicates"] + row["blackbox"]["duplicates"] for row in rows)
    return {"lost_samples": beds.blocks * BLOCK_SAMPLES - stored, "duplicate_samples": twice}
