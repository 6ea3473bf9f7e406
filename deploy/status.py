"""`spondyl status`: every process of a running system, its memory, CPU, uptime and lag."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from deploy.local import ingest_names
from services.controller.loop.shared import ForeignMemory, GatewayMemory, LoopFile
from services.kit.fetch import fetch
from services.kit.runfile import Run, is_process, read_json

INGEST_LAG = "spondyl_ingest_lag_seconds"
MOST_MS = 10_000  # of a lag in milliseconds
ARCHIVE_LAG = "spondyl_archive_oldest_seconds"


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process: memory as resident, as proportional set size (shared pages counted once over all) and as
    what only it has allocated, which no other process's start or end changes.
    """

    name: str
    pid: int
    rss_mb: float
    memory_mb: float  # proportional set size; resident where the system does not tell
    private_mb: float  # anonymous pages, in memory or swapped out; resident where the system does not tell
    cpu_percent: float  # of one core, average since it started
    uptime_s: float
    restarts: int
    lag_ms: float | None  # loop: p99 lateness; recorder: oldest not yet spooled; ingest, archiver: ditto


def status(run: Run) -> dict[str, Any]:
    """All processes and their sums."""
    lags = _lags(run)
    rows = [row for name, entry in _known(run).items() if (row := _measure(name, entry, lags.get(name)))]
    return {
        "data": str(run.data),
        "version": run.version,
        "started_at": run.started_at.isoformat(),
        "processes": [asdict(row) for row in rows],
        "memory_mb": round(sum(row.memory_mb for row in rows), 1),
        "rss_mb": round(sum(row.rss_mb for row in rows), 1),
        "cpu_percent": round(sum(row.cpu_percent for row in rows), 1),
        "beds": sum(len(site.devices) for site in run.sites.values()),
    }


def targets(run: Run) -> list[dict[str, Any]]:
    """Every process with /metrics, as Prometheus reads it from a file."""
    services = ("console", "telemetry", "screening", "scheduler", "billing", "homecare")
    found = {name: [getattr(run, name)] for name in services}
    found |= {"ingest": list(run.ingest), "archiver": [run.archiver or ""]}
    rows: list[tuple[str, list[str], dict[str, str]]] = [(job, found[job], {}) for job in found]
    rows += [("panel", [known.panel], {"site": site}) for site, known in run.sites.items()]
    return [
        {"targets": [urlsplit(one).netloc for one in addresses if one], "labels": {"job": job, **labels}}
        for job, addresses, labels in rows
        if any(addresses)
    ]


def table(report: dict[str, Any]) -> str:
    """The report as lines for a person."""
    lines = [f"{'process':<22}{'pid':>8}{'memory':>10}{'CPU':>8}{'up':>9}{'restarts':>10}{'lag':>10}"]
    lines += [
        f"{row['name']:<22}{row['pid']:>8}{row['memory_mb']:>7.0f} MB{row['cpu_percent']:>6.1f} %"
        f"{row['uptime_s']:>7.0f} s{row['restarts']:>10}{_lag(row['lag_ms']):>10}"
        for row in report["processes"]
    ]
    lines.append(f"{'all':<22}{'':>8}{report['memory_mb']:>7.0f} MB{report['cpu_percent']:>6.1f} %")
    return "\n".join(lines)


def _lag(lag_ms: float | None) -> str:
    """In a unit that fits: the archiver's is minutes as a rule."""
    if lag_ms is None:
        return ""
    return f"{lag_ms:.1f} ms" if lag_ms < MOST_MS else f"{lag_ms / 1000:.0f} s"


def _known(run: Run) -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = {
        "up": {"pid": run.pid, "started_at": run.pid_started_at, "restarts": 0}
    }
    entries |= read_json(run.data / "processes.json")
    for site in run.sites:
        folder = gateway_directory(run, site)
        children = read_json(folder / "processes.json")
        entries |= {f"{site}/{name}": entry for name, entry in children.items()}
        loop = read_json(folder / "loop.json")
        if loop.get("pid"):
            entries[f"{site}/loop"] = {"restarts": 0, **children.get("loop", {}), **loop}
    return entries


def gateway_directory(run: Run, site: str) -> Path:
    """Where a site's gateway keeps its files."""
    return run.data / "gateways" / site


def _measure(name: str, entry: dict[str, Any], lag_ms: float | None) -> ProcessStatus | None:
    """One living process; None when it is gone, or goes while it is looked at."""
    pid, started_at = int(entry["pid"]), float(entry.get("started_at") or 0.0)
    if not is_process(pid, started_at):
        return None
    try:
        return _measured(name, psutil.Process(pid), int(entry.get("restarts", 0)), lag_ms)
    except psutil.NoSuchProcess:
        return None


def _measured(name: str, process: psutil.Process, restarts: int, lag_ms: float | None) -> ProcessStatus:
    uptime_s = max(time.time() - process.create_time(), 0.001)
    cpu = process.cpu_times()
    rss = process.memory_info().rss / 1e6
    try:
        memory = process.memory_full_info().pss / 1e6
    except (psutil.Error, AttributeError, OSError):
        memory = rss
    return ProcessStatus(
        name,
        process.pid,
        round(rss, 1),
        round(memory, 1),
        round(_private_mb(process.pid) or rss, 2),
        round(100 * (cpu.user + cpu.system) / uptime_s, 2),
        round(uptime_s, 1),
        restarts,
        lag_ms,
    )


def _private_mb(pid: int) -> float | None:
    """Anonymous memory of a process, proc(5): RssAnon and VmSwap; None on a system without them."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    sizes_kib = [int(fields[name].split()[0]) for name in ("RssAnon", "VmSwap") if name in fields]
    return sum(sizes_kib) * 1024 / 1e6 if sizes_kib else None


def _lags(run: Run) -> dict[str, float | None]:
    workers = zip(ingest_names(len(run.ingest)), run.ingest, strict=True)
    lags = {name: _metric_ms(address, INGEST_LAG) for name, address in workers}
    if run.archiver:
        lags["archiver"] = _metric_ms(run.archiver, ARCHIVE_LAG)
    for site in run.sites:
        lags |= {
            f"{site}/{name}": value for name, value in _gateway_lags(gateway_directory(run, site)).items()
        }
    return lags


def _gateway_lags(folder: Path) -> dict[str, float]:
    """Loop: p99 lateness; recorder: age of the newest sample it has not stored yet."""
    loop = LoopFile.load(folder)
    try:
        memory = GatewayMemory.attach(loop.path) if loop else None
    except (OSError, ForeignMemory):
        memory = None
    if memory is None:
        return {}
    late_ms = memory.histograms()["late"].percentile_us(99) / 1000
    behind_ms = (memory.head() - memory.health["recorder_tick"]) * memory.period_ns / 1e6
    memory.close()
    return {"loop": round(late_ms, 3), "recorder": round(behind_ms, 1)}


def _metric_ms(address: str, name: str) -> float | None:
    """The greatest value of a process's own metric in seconds, as milliseconds; None when it is down.

    Ingest: age of the newest block when it was committed; archiver: of the oldest sample in Redis only.
    """
    try:
        lines = fetch(f"{address}/metrics", timeout_s=2.0).decode().splitlines()
    except (OSError, ValueError):
        return None
    values = [float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name)]
    return round(1000 * max(values), 1) if values else None
