"""The archiver's metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.kit.metrics import latency


class ArchiveMetrics:
    """What the archiver counts; one for a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._objects = Counter(
            "spondyl_archive_objects", "Objects written, read back and found whole.", registry=registry
        )
        self._bytes = Counter("spondyl_archive_bytes", "Bytes of these objects.", registry=registry)
        self._seconds = latency(
            "spondyl_archive_object_seconds", "Writing and reading back one object.", registry
        )
        self.waiting = Gauge(
            "spondyl_archive_waiting_samples", "Samples that are in Redis only.", registry=registry
        )
        self.turn = latency("spondyl_archive_turn_seconds", "One look at every device of my sites.", registry)
        self.failures = Counter(
            "spondyl_archive_failures",
            "Turns and devices whose archiving failed; they are tried again.",
            registry=registry,
        )
        self.strays = Counter(
            "spondyl_archive_strays",
            "Stored entries that cannot be read and are kept aside, byte for byte.",
            registry=registry,
        )
        self.oldest = Gauge(
            "spondyl_archive_oldest_seconds",
            "Age of the oldest sample that is in Redis only, by its device's clock.",
            registry=registry,
        )
        self.sites = Gauge("spondyl_archive_sites", "Sites that this archiver works on.", registry=registry)

    def stored(self, size: int, seconds: float) -> None:
        """An object is in the store."""
        self._objects.inc()
        self._bytes.inc(size)
        self._seconds.observe(seconds)
