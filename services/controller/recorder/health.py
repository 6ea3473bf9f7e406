"""The health words that the recorder keeps in shared memory, for supervisor, panel and metrics."""

import time
from typing import Final

import orjson

from broker.spool import Row, Spool
from services.controller.loop.shared import GatewayMemory

NS_PER_MS: Final = 1_000_000


def beat(memory: GatewayMemory) -> None:
    """Show the supervisor that this process lives."""
    memory.health["recorder_ns"] = time.monotonic_ns()


def measure(memory: GatewayMemory, spool: Spool) -> None:
    """The words that cost a query: the spool's size, and how old the oldest is; raises SpoolError."""
    size, oldest = spool.size(), spool.pending(0, 1)
    memory.health["spool_rows"] = size.rows
    memory.health["spool_bytes"] = size.bytes
    memory.health["oldest_uncommitted_ms"] = max(0, _age_ms(memory, oldest[0])) if oldest else 0


def _age_ms(memory: GatewayMemory, row: Row) -> int:
    """How long a row has waited, by the loop's ticks: a step of the wall clock makes no alarm and hides none.

    One of an earlier loop has waited for at least as long as this one runs; by how much more nobody knows.
    """
    if row.boot != memory.boot:
        return (time.monotonic_ns() - memory.created_ns) // NS_PER_MS
    tick = orjson.loads(row.payload)["seq"] if row.stream == "event" else row.first
    return (memory.head() - tick) * memory.period_ns // NS_PER_MS
