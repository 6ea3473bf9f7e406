"""`spondyl bench scale`: what a bed costs the centre by ingest workers and beds, and so what chains need.

The fleet, system and steps of `bench fleet`, once for every number of ingest workers. Then once more with
`mosquitto_sub` beside them at the same broker: a receiver that stores nothing, the least a bed can cost.
Sizes of chains are made of the measured costs; where they speak of more beds than were played, they say so.
"""

import contextlib
import json
import math
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from services.kit.benches import engines
from services.kit.benches.usage import Usage
from services.kit.errors import SpondylError
from services.telemetry.benches import bench_fleet, fleet
from services.telemetry.benches.bench_fleet import Step
from services.telemetry.benches.bench_ingest import versions
from services.telemetry.benches.fleet import Fleet
from services.telemetry.benches.fleet_system import System, system_for

PEER: Final = "mosquitto_sub"
PARTS: Final = ("broker", "ingest", "redis", "archiver")  # what works for every bed
CLINICS: Final = (1, 10, 100, 1000)
BEDS_A_CLINIC: Final = 6
BUSY: Final = 0.6  # of a core, that one process is planned for: a backlog after an outage needs the rest
HOT_H: Final = 1.5  # samples wait in Redis for so long: an idle hour, or a session and its object
PAYLOAD_SHARE: Final = 1.1  # of the bytes on the line, with topics and headers
_KB, _MB = 1000.0, 1_000_000.0


def measure(replicas: Sequence[int], devices: Sequence[int], seconds: int) -> dict[str, Any]:
    """Every number of workers with every number of beds. SpondylError when a system cannot be started."""
    if seconds % fleet.CHECKPOINT_S:
        raise SpondylError(
            f"--seconds is {seconds}: a multiple of {fleet.CHECKPOINT_S} is needed, because ingest tells the "
            "archiver how far a bed is stored every 1000 samples"
        )
    with tempfile.TemporaryDirectory(prefix="spondyl-scale-") as name:
        recordings = Path(name) / "recordings"
        fleet.record(recordings, seconds)
        rows: list[dict[str, Any]] = []
        for workers in replicas:
            with system_for(Path(name) / f"workers-{workers}", max(devices), workers) as system:
                rows += _steps(system, workers, devices, seconds, recordings)
        with (
            system_for(Path(name) / "peer", max(devices)) as system,
            _receiving(system, Path(name) / PEER) as pid,
        ):
            system.pids[PEER] = pid
            peer = _steps(system, 1, devices[-1:], seconds, recordings)[0]
    return {
        "rows": rows,
        "peer": _peer(peer),
        "lost_samples": sum(row["lost_samples"] for row in (*rows, peer)),
        "duplicate_samples": sum(row["duplicate_samples"] for row in (*rows, peer)),
        "sizes": sizes(rows),
        "seconds": seconds,
        "beds_a_clinic": BEDS_A_CLINIC,
        "machine": {
            "cpus": os.cpu_count(), "processor": _processor(), "load_average": os.getloadavg()[0],
            "memory_mb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _MB),
        },
        "versions": versions() | {"spondyl": version("spondyl"), "system": platform.platform()},
    }  # fmt: skip


def sizes(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What chains of 1, 10, 100 and 1000 clinics need at the centre, by the cost in the largest step."""
    most = max(row["devices"] for row in rows)
    measured = min((row for row in rows if row["devices"] == most), key=lambda row: row["replicas"])
    return [
        _size(measured, clinics) | {"extrapolated": clinics * BEDS_A_CLINIC > most} for clinics in CLINICS
    ]


def _size(row: Mapping[str, Any], clinics: int) -> dict[str, Any]:
    beds = clinics * BEDS_A_CLINIC
    cores = {part: max(0.0, beds * row["cpu_ms"][part] / 1000) for part in PARTS}
    idle_mb = sum(row["idle_memory_mb"].values())
    grown_mb = beds * sum(row["memory_kb"][part] for part in PARTS if part != "redis") / _KB
    bytes_s = beds * row["bytes_per_device_s"]
    return {
        "clinics": clinics,
        "devices": beds,
        "messages_per_s": round(beds * row["messages_per_device_s"], 1),
        "line_mbit_s": round(8 * PAYLOAD_SHARE * bytes_s / _MB, 2),
        "cores": round(sum(cores.values()) / BUSY, 2),
        "ingest_workers": max(1, math.ceil(cores["ingest"] / BUSY)),
        "busiest_process_cores": round(max(cores[part] for part in PARTS if part != "ingest"), 2),
        "memory_mb": round(idle_mb + grown_mb),
        "redis_memory_mb": round(row["redis_bytes_per_device_s"] * beds * 3600 * HOT_H / _MB),
        "archive_gb_a_year": round(row["archive_bytes_per_device_s"] * beds * 3600 * 10 * 300 / 1e9, 1),
    }


# --- measuring ----------------------------------------------------------------------------------------------
def _steps(
    system: System, workers: int, devices: Sequence[int], seconds: int, recordings: Path
) -> list[dict[str, Any]]:
    """Each size in one running system, warmed up; what it costs idle is taken off."""
    bench_fleet.warm_up(system, Fleet(bench_fleet.WARM_UP_BEDS, seconds, 0), recordings)
    idle = bench_fleet.idle_of(system)
    return [
        _row(
            bench_fleet.step_of(system, Fleet(beds, seconds, number), recordings, idle),
            idle,
            workers,
            seconds,
        )
        for number, beds in enumerate(devices, start=1)
    ]


def _row(step: Step, idle: Mapping[str, Usage], workers: int, seconds: int) -> dict[str, Any]:
    """Ingest workers are one part; CPU in milliseconds a bed and second, memory in kB a bed."""
    bed_seconds = step.devices * (seconds + 1)
    cpu_ms: dict[str, float] = {}
    memory_kb: dict[str, float] = {}
    for name, spent in step.cpu_ms.items():
        part = "ingest" if name.startswith("ingest") else name
        grown_kb = 1000 * (step.memory_mb[name] - idle[name].memory_mb) / step.devices
        cpu_ms[part] = round(cpu_ms.get(part, 0.0) + spent, 4)
        memory_kb[part] = round(memory_kb.get(part, 0.0) + grown_kb, 1)
    disk = step.disk_bytes_per_device_s
    return {
        "replicas": workers,
        "devices": step.devices,
        "cpu_ms": cpu_ms,
        "cpu_ms_per_device_s": round(sum(cpu_ms[part] for part in PARTS), 4),
        "memory_kb": memory_kb,
        "idle_memory_mb": {name: round(one.memory_mb, 1) for name, one in idle.items()},
        "messages_per_s": round(step.published_messages / (seconds + 1), 1),
        "messages_per_device_s": step.published_messages / bed_seconds,
        "bytes_per_device_s": step.published_bytes / bed_seconds,
        "redis_bytes_per_device_s": step.published_bytes / bed_seconds,  # kept as they came
        "archive_bytes_per_device_s": disk["archive"] + disk["index"],
        "committed_ms": step.committed_ms,
        "publisher_late_ms": step.publisher_late_ms,
        "archived": step.archived,
        "lost_samples": step.lost_samples,
        "duplicate_samples": step.duplicate_samples,
    }


def _peer(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the same beds cost a receiver that stores nothing, beside ours in that very run."""
    theirs, ours = row["cpu_ms"][PEER], row["cpu_ms"]["ingest"]
    return {
        "name": PEER,
        "devices": row["devices"],
        "cpu_ms_per_device_s": theirs,
        "ingest_cpu_ms_per_device_s": ours,
        "ratio": round(ours / theirs, 2) if theirs > 0 else None,
    }


@contextlib.contextmanager
def _receiving(system: System, directory: Path) -> Iterator[int]:
    """`mosquitto_sub` at the same broker as the same user; its process id. The password is in a file."""
    home = directory / "home"
    home.mkdir(parents=True)
    options = home / "mosquitto_sub"
    options.touch(mode=0o600)
    options.write_text(f"-u telemetry\n-P {system.passwords['telemetry']}\n")
    port = system.mqtt.rpartition(":")[2]
    command = [
        engines.program("mosquitto_sub", "/usr/bin/mosquitto_sub"), "-h", "127.0.0.1", "-p", port,
        "-V", "mqttv5", "-q", "1", "-i", "bench-peer", "-F", "x",
        *(part for stream in ("tension", "blackbox", "event") for part in ("-t", f"spondyl/v1/+/+/{stream}")),
    ]  # fmt: skip
    environment = os.environ | {"XDG_CONFIG_HOME": str(home)}
    with engines.running(command, directory, environment) as process:
        _require_running(process, directory)
        yield process.pid


def _require_running(process: subprocess.Popen[bytes], directory: Path) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1.0)
        raise SpondylError(f"{PEER} ended: {(directory / 'log').read_text(errors='replace')[-300:]}")


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def tell(result: Mapping[str, Any]) -> str:
    """The same for people."""
    rows = [
        f"{row['replicas']} ingest, {row['devices']} beds: {row['cpu_ms_per_device_s']} ms CPU a bed and "
        f"second ({json.dumps(row['cpu_ms'])}), {row['messages_per_s']} messages/s, committed after "
        f"{row['committed_ms']['p50']} ms (p99 {row['committed_ms']['p99']}), {row['lost_samples']} lost"
        for row in result["rows"]
    ]
    planned = [
        f"{one['clinics']} clinics, {one['devices']} beds: {one['cores']} cores, "
        f"{one['ingest_workers']} ingest, {one['memory_mb']} MB, Redis {one['redis_memory_mb']} MB, "
        f"{one['line_mbit_s']} Mbit/s"
        f"{' (extrapolated)' if one['extrapolated'] else ''}"
        for one in result["sizes"]
    ]
    peer = result["peer"]
    beside = (
        f"{peer['name']}: {peer['cpu_ms_per_device_s']} ms; ingest {peer['ingest_cpu_ms_per_device_s']} ms"
    )
    return "\n".join([*rows, beside, *planned])
