"""Metrics in the Prometheus text format: one registry a process, with the process's own figures in it."""

from prometheus_client import CollectorRegistry, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
# Seconds; from one fast query to a client that has long given up.
LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def process_registry(service: str, version: str) -> CollectorRegistry:
    """A registry with CPU, memory, open files and start time of this process, and what it is."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    build = Gauge(
        "spondyl_build_info", "What runs here; always 1.", ("service", "version"), registry=registry
    )
    build.labels(service, version).set(1)
    return registry


def latency(name: str, text: str, registry: CollectorRegistry, labels: tuple[str, ...] = ()) -> Histogram:
    """A histogram of seconds with the house's buckets."""
    return Histogram(name, text, labels, registry=registry, buckets=LATENCY_BUCKETS)


def exposition(registry: CollectorRegistry) -> bytes:
    """All metrics of the registry in the Prometheus text format."""
    return generate_latest(registry)
