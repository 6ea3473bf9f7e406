"""What processes cost: processor time, memory, bytes on disk."""

from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Usage:
    """One process at one moment."""

    cpu_s: float  # user and system, of ended children too
    memory_mb: float  # proportional set size; resident where the system does not tell


def usage(pid: int) -> Usage:
    """Of a living process."""
    process = psutil.Process(pid)
    cpu = process.cpu_times()
    return Usage(cpu.user + cpu.system + cpu.children_user + cpu.children_system, memory_mb(process))


def memory_mb(process: psutil.Process) -> float:
    """Proportional set size: shared pages counted once over all who share them."""
    try:
        return float(process.memory_full_info().pss) / 1e6
    except (psutil.AccessDenied, AttributeError, OSError):
        return float(process.memory_info().rss) / 1e6


def disk_bytes(directory: Path) -> int:
    """What the files below take; a file that goes while it is counted counts nothing."""
    total = 0
    for path in directory.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total


def percentile(values: list[float], percent: float) -> float | None:
    """Nearest rank; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))], 1)
