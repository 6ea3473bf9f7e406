"""Ingest's metrics."""

import time
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import psutil
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from services.kit.metrics import latency
from services.telemetry.models import Batch, Fate
from services.telemetry.store import Server

log = structlog.get_logger(__name__)
_BATCHES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


class IngestMetrics:
    """What ingest counts; one for a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.memory_is_high = False
        self._entries = Counter(
            "spondyl_ingest_entries",
            "Blocks, chunks and events by what became of them: stored, duplicate (it was there), late.",
            ("stream", "fate"),
            registry=registry,
        )
        self._batch = Histogram(
            "spondyl_ingest_batch_messages", "Messages stored in one transaction.",
            registry=registry, buckets=_BATCHES,
        )  # fmt: skip
        self._flush = latency(
            "spondyl_ingest_flush_seconds", "Writing one batch and seeing it on disk.", registry
        )
        self._lag = Gauge(
            "spondyl_ingest_lag_seconds", "Age of the newest block when it was committed.", registry=registry
        )
        self.holes = Gauge(
            "spondyl_ingest_holes", "Missing spans that gateways still owe: `committed` waits before them.",
            registry=registry,
        )  # fmt: skip
        self.unstorable = Counter(
            "spondyl_ingest_unstorable", "Messages of the contract that no store can keep.", registry=registry
        )
        self.waits = Counter(
            "spondyl_ingest_waits", "Times ingest waited for Redis or the broker.", registry=registry
        )
        self._used = Gauge("spondyl_redis_memory_bytes", "Memory that Redis uses.", registry=registry)
        self._limit = Gauge(
            "spondyl_redis_memory_limit_bytes", "Redis's limit; without one, the machine's memory.",
            registry=registry,
        )  # fmt: skip
        self._warning = Gauge(
            "spondyl_redis_memory_warning",
            "1 when Redis uses more of its limit than it should.",
            registry=registry,
        )

    def taken(self, messages: int) -> None:
        """A batch was stored and acknowledged."""
        self._batch.observe(messages)

    def flushed(self, seconds: float, batch: Batch, fates: list[Fate]) -> None:
        """A batch is on disk."""
        self._flush.observe(seconds)
        kinds = (entry.kind for entry in batch.entries)
        for (kind, fate), count in Tally(zip(kinds, fates, strict=True)).items():
            self._entries.labels(kind, fate).inc(count)
        if batch.newest_at:
            self._lag.set(time.time() - batch.newest_at)

    def looked(self, server: Server, warn_above: float) -> None:
        """What the server says of its memory; one line in the log when it becomes too much."""
        limit = server.limit_bytes or psutil.virtual_memory().total
        high = server.used_bytes > warn_above * limit
        if high and not self.memory_is_high:
            log.warning("redis is filling up: nothing is dropped, ingest stops when it is full",
                        used_bytes=server.used_bytes, limit_bytes=limit)  # fmt: skip
        self.memory_is_high = high
        self._used.set(server.used_bytes)
        self._limit.set(limit)
        self._warning.set(high)


class Malformed(Collector):
    """What the bus refused on the way in, by sender."""

    def __init__(self, counts: Callable[[], Mapping[str, int]]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """One counter a sender."""
        family = CounterMetricFamily(
            "spondyl_ingest_malformed",
            "Messages that the contract does not allow, by sender.",
            labels=("sender",),
        )
        for sender, count in self._counts().items():
            family.add_metric([sender], count)
        yield family
