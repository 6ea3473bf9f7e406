"""The loop's own histograms as Prometheus metrics: the panel's process reads them from shared memory."""

import time
from collections.abc import Iterator

import numpy as np
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from services.controller.alarms.table import SPOOL_FULL
from services.controller.beds.addresses import SIMULATED
from services.controller.errors import BedUnavailable
from services.controller.kernel import memory as m
from services.controller.loop.histograms import Histogram, bucket_start_ns
from services.controller.loop.link import LoopLink
from services.controller.loop.shared import GatewayMemory
from services.kit.metrics import Looked, Row

# name in shared memory, metric, meaning
EXPOSED = (
    ("late", "spondyl_loop_late_seconds", "How late the loop woke for a tick."),
    ("compute", "spondyl_loop_compute_seconds", "How long a tick took, the beds' answers included."),
    ("link", "spondyl_loop_link_seconds", "How long the beds took to answer."),
    ("command", "spondyl_loop_command_seconds", "From a drive's reading to its command, within a tick."),
)
MISSED = "spondyl_loop_missed_deadlines"
# Upper edges in seconds; the 3 % buckets of shared memory are summed into them.
EDGES_S = (10e-6, 20e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 0.1)


class LoopMetrics(Collector):
    """Lateness, compute and link time of the living loop, and its missed deadlines."""

    def __init__(self, link: LoopLink) -> None:
        self._link = link

    def collect(self) -> Iterator[Metric]:
        """Nothing while no loop has started."""
        try:
            memory = self._link.memory()
        except BedUnavailable:
            return
        histograms = memory.histograms()
        for name, metric, text in EXPOSED:
            family = HistogramMetricFamily(metric, text)
            family.add_metric([], buckets=_buckets(histograms[name]), sum_value=histograms[name].sum_ns / 1e9)
            yield family
        missed = CounterMetricFamily(MISSED, "Ticks that ended after the next one's start.")
        missed.add_metric([], memory.word(m.W_MISSED))
        yield missed
        yield from Looked(lambda: _drives(memory)).collect()
        yield from Looked(lambda: _standing(memory)).collect()

    def describe(self) -> list[Metric]:
        """Nothing is known before a loop runs."""
        return []


def _standing(memory: GatewayMemory) -> Iterator[Row]:
    """How the loop and its recorder are, and what waits in the spool."""
    health, period_s = memory.health, memory.period_ns / 1e9
    recorder_s = (time.monotonic_ns() - health["recorder_ns"]) / 1e9
    behind_s = max(0, memory.head() - health["recorder_tick"]) * period_s
    values = {
        "spondyl_loop_realtime": memory.word(m.W_PRIORITY) > 0,
        "spondyl_loop_heartbeat_age_seconds": memory.heartbeat_age_s(),
        "spondyl_loop_period_seconds": period_s,
        "spondyl_recorder_age_seconds": recorder_s if health["recorder_ns"] else -1.0,
        "spondyl_recorder_behind_seconds": behind_s,
        "spondyl_recorder_connected": health["mqtt_connected"],
        "spondyl_spool_rows": health["spool_rows"],
        "spondyl_spool_bytes": health["spool_bytes"],
        "spondyl_spool_oldest_seconds": health["oldest_uncommitted_ms"] / 1000,
        "spondyl_spool_full": int(health["disk_full"] == SPOOL_FULL),
    }
    yield from ((name, (), float(value)) for name, value in values.items())


def _drives(memory: GatewayMemory) -> Iterator[Row]:
    """Every bed that is reached over a bus: what became of its exchanges."""
    for bed, (device, address) in enumerate(zip(memory.devices, memory.addresses, strict=True)):
        if address == SIMULATED:
            continue
        counts = memory.link_counts(bed)
        yield "spondyl_drive_connected", (device,), float(counts["connected"])
        yield "spondyl_drive_answers", (device,), float(counts["answers"])
        yield "spondyl_drive_released", (device,), float(counts["released"])
        yield "spondyl_drive_other_wrote", (device,), float(counts["other_wrote"])
        for kind in m.LINK_REFUSALS:
            yield "spondyl_drive_refused", (device, kind), float(counts[kind])


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Cumulative counts at EDGES_S and at infinity."""
    ends_s = np.array([bucket_start_ns(bucket + 1) for bucket in range(len(histogram.counts))]) / 1e9
    cumulative = np.cumsum(histogram.counts)
    places = np.searchsorted(ends_s, EDGES_S, side="right")
    counts = [int(cumulative[place - 1]) if place else 0 for place in places]
    return [*((f"{edge:g}", float(n)) for edge, n in zip(EDGES_S, counts, strict=True)),
            ("+Inf", float(histogram.total))]  # fmt: skip
