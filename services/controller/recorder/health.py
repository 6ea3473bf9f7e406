"""The health words that the recorder keeps in shared memory, for supervisor, panel and metrics."""

import time

from broker.spool import Spool
from services.controller.loop.shared import GatewayMemory


def beat(memory: GatewayMemory) -> None:
    """Show the supervisor that this process lives."""
    memory.health["recorder_ns"] = time.monotonic_ns()


def measure(memory: GatewayMemory, spool: Spool) -> None:
    """The words that cost a query: the spool's size, and how old the oldest is; raises SpoolError."""
    size, oldest = spool.size(), spool.pending(0, 1)
    age_ms = 0
    if oldest and oldest[0].boot == memory.boot and oldest[0].stream != "event":
        age_ms = (memory.head() - oldest[0].first) * memory.period_ns // 1_000_000
    elif size.oldest_at is not None:
        age_ms = round(1000 * max(0.0, time.time() - size.oldest_at))
    memory.health["spool_rows"] = size.rows
    memory.health["spool_bytes"] = size.bytes
    memory.health["oldest_uncommitted_ms"] = max(0, age_ms)
