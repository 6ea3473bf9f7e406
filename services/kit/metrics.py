"""Metrics in the Prometheus text format: one registry a process, with the process's own figures in it.

METRICS is the list of all of them: docs/operations.md is written from it, rules and dashboards are tested
against it. No label ever tells of a person, a session, a patient or an appointment: their number is bounded
by the chain's size.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal, NamedTuple

from prometheus_client import CollectorRegistry, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST
# Seconds; from one fast query to a client that has long given up.
LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Kind = Literal["gauge", "counter", "histogram"]


class Known(NamedTuple):
    """One metric of the list; SERIES tells what its series are called."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    services: str
    text: str


G: Final[Kind] = "gauge"
C: Final[Kind] = "counter"
H: Final[Kind] = "histogram"
_BUSINESS: Final = "screening, scheduler, billing, homecare"
METRICS: Final = tuple(
    Known(*row)
    for row in (
        # --- every process with /metrics
        ("spondyl_build_info", G, ("service", "version"), "all", "What runs here; always 1."),
        ("spondyl_http_seconds", H, ("route", "status"), "all", "Time to the first byte of an answer."),
        ("spondyl_certificate_expires_seconds", G, ("use",), "all",
         "Seconds until a certificate of this process ends: `mqtt`, `http`, `ca`; negative: it has."),
        ("spondyl_disk_free_bytes", G, (), "all", "Room that is left where this process keeps its data."),
        ("spondyl_disk_bytes", G, (), "all", "Size of that file system."),
        ("spondyl_backup_age_seconds", G, (), "all",
         "Time since the last backup of this data ended well; where none has, there is no such series."),
        # --- the fleet, as the console's process hears it
        ("spondyl_fleet_gateways", G, ("site", "state"), "console", "Gateways: `online`, `stopped`, `lost`."),
        ("spondyl_fleet_gateway_info", G, ("site", "gateway", "version"), "console",
         "A gateway and its release; always 1."),
        ("spondyl_fleet_beds", G, ("site", "phase"), "console", "Beds by what they are doing."),
        ("spondyl_fleet_beds_silent", G, ("site",), "console",
         "Beds of gateways that are online, without a sample for 2 s."),
        ("spondyl_fleet_alarms", G, ("site", "priority"), "console", "Alarms that are on at beds."),
        ("spondyl_fleet_unstored_seconds", G, ("site",), "console",
         "Samples of the site's worst bed that no commit has covered yet, in seconds."),
        ("spondyl_fleet_connected", G, (), "console", "1: connected with the broker; else this is old."),
        # --- the loop, at the panel of its gateway
        ("spondyl_loop_late_seconds", H, (), "panel", "How late the loop woke for a tick."),
        ("spondyl_loop_compute_seconds", H, (), "panel", "How long a tick took, the beds' answers included."),
        ("spondyl_loop_link_seconds", H, (), "panel", "How long the beds took to answer."),
        ("spondyl_loop_command_seconds", H, (), "panel",
         "From a drive's reading to its command, within a tick."),
        ("spondyl_drive_connected", G, ("device",), "panel", "1: the loop has this drive on the line."),
        ("spondyl_drive_answers", C, ("device",), "panel", "Answers of the drive that became readings."),
        ("spondyl_drive_refused", C, ("device", "kind"), "panel",
         "Answers that were refused or missed, by what was wrong with them: docs/modbus.md."),
        ("spondyl_drive_released", C, ("device",), "panel",
         "Times the drive's own watchdog let go while it was on the line."),
        ("spondyl_drive_other_wrote", C, ("device",), "panel",
         "Answers that told of another master's commands to this drive."),
        ("spondyl_loop_missed_deadlines", C, (), "panel", "Ticks that ended after the next one's start."),
        ("spondyl_loop_realtime", G, (), "panel", "1: the loop runs in the real-time class."),
        ("spondyl_loop_heartbeat_age_seconds", G, (), "panel", "Time since the loop's last tick."),
        ("spondyl_loop_period_seconds", G, (), "panel", "Period of the loop."),
        # --- recorder and spool, at the panel of their gateway
        ("spondyl_recorder_age_seconds", G, (), "panel", "Time since the recorder's last round."),
        ("spondyl_recorder_behind_seconds", G, (), "panel", "Samples in the ring that are not recorded yet."),
        ("spondyl_recorder_connected", G, (), "panel", "1: the recorder is connected with the broker."),
        ("spondyl_gateway_version_mismatch", G, (), "panel",
         "1: gateway and centre are of releases that are not made to work together."),
        ("spondyl_spool_rows", G, (), "panel", "Messages in the spool that telemetry has not committed."),
        ("spondyl_spool_bytes", G, (), "panel", "Their bytes."),
        ("spondyl_spool_oldest_seconds", G, (), "panel", "Age of the oldest of them."),
        ("spondyl_spool_full", G, (), "panel", "1: the disk has no room for a batch."),
        # --- ingest and archive
        ("spondyl_ingest_lag_seconds", G, (), "ingest", "Age of the newest block when it was committed."),
        ("spondyl_ingest_entries", C, ("stream", "fate"), "ingest",
         "Blocks, chunks and events by what became of them: stored, duplicate (it was there), late."),
        ("spondyl_ingest_batch_messages", H, (), "ingest", "Messages stored in one transaction."),
        ("spondyl_ingest_flush_seconds", H, (), "ingest", "Writing one batch and seeing it on disk."),
        ("spondyl_ingest_sites", G, (), "ingest", "Sites that this worker ingests."),
        ("spondyl_ingest_holes", G, (), "ingest",
         "Missing spans that gateways still owe: `committed` waits before them."),
        ("spondyl_ingest_unstorable", C, (), "ingest", "Messages of the contract that no store can keep."),
        ("spondyl_ingest_malformed", C, ("sender",), "ingest",
         "Messages that the contract does not allow, by sender."),
        ("spondyl_ingest_waits", C, (), "ingest", "Times ingest waited for Redis or the broker."),
        ("spondyl_redis_memory_bytes", G, (), "ingest", "Memory that Redis uses: what is not archived yet."),
        ("spondyl_redis_memory_limit_bytes", G, (), "ingest",
         "Redis's limit; without one, the machine's memory."),
        ("spondyl_redis_memory_warning", G, (), "ingest",
         "1 when Redis uses more of its limit than it should: all of it is archived early."),
        ("spondyl_archive_waiting_samples", G, (), "archiver",
         "Samples that are in Redis only: growing for hours, the archiver is behind."),
        ("spondyl_archive_oldest_seconds", G, (), "archiver",
         "Age of the oldest sample that is in Redis only, by its device's clock: `lag` in `spondyl status`."),
        ("spondyl_archive_sites", G, (), "archiver", "Sites that this archiver works on."),
        ("spondyl_archive_strays", G, (), "archiver",
         "Stored entries that cannot be read: kept byte for byte in the index's table `archive_strays`."),
        ("spondyl_archive_failures", C, (), "archiver",
         "Turns that failed and devices that could not be archived; nothing is lost, it is tried again."),
        ("spondyl_archive_objects", C, (), "archiver", "Objects written, read back and found whole."),
        ("spondyl_archive_bytes", C, (), "archiver", "Bytes of these objects."),
        ("spondyl_archive_object_seconds", H, (), "archiver", "Writing and reading back one object."),
        ("spondyl_archive_turn_seconds", H, (), "archiver", "One look at every device of its sites."),
        # --- business services
        ("spondyl_leader", G, (), _BUSINESS, "1: this replica leads, the others serve HTTP alone."),
        ("spondyl_database_up", G, (), _BUSINESS, "1: the service's database answered this scrape."),
        ("spondyl_database_connections", G, ("state",), _BUSINESS,
         "Connections of this process's pool: `busy`, `idle`."),
        ("spondyl_database_connections_limit", G, (), _BUSINESS, "The most that the pool opens."),
        ("spondyl_inbox_refused", G, (), _BUSINESS,
         "Messages that could not be handled or told: kept with the reason in SERVICE_refused."),
        ("spondyl_outbox_waiting", G, (), _BUSINESS, "Messages that the broker has not got yet."),
        ("spondyl_outbox_oldest_seconds", G, (), _BUSINESS, "Age of the oldest of them; 0: none waits."),
        # --- billing
        ("spondyl_billing_drafts", G, ("site",), "billing", "Drafts that wait for somebody to check them."),
        ("spondyl_billing_oldest_draft_seconds", G, ("site",), "billing", "Age of the oldest of them."),
        ("spondyl_billing_charges_undrafted", G, ("site",), "billing",
         "Open charges on no draft: their cure or month goes on."),
        ("spondyl_billing_oldest_unbilled_seconds", G, ("site",), "billing",
         "Age of the oldest charge on no invoice, by the day of its service."),
        ("spondyl_billing_sessions_waiting", G, ("site",), "billing",
         "Sessions whose patient has no file: screening is asked."),
        ("spondyl_billing_invoices", G, ("site",), "billing", "Invoices issued so far, cancelled ones too."),
        ("spondyl_billing_payments_unmatched", G, ("site",), "billing",
         "Entries of bank statements that nobody has matched."),
        # --- registry
        ("spondyl_crl_age_seconds", G, (), "registry", "Time since the oldest revocation list was made."),
        ("spondyl_registry_certificates_ending", G, (), "registry",
         "Gateways and bridges whose newest certificate ends within 14 days: none was renewed."),
    )
)  # fmt: skip
SERIES: Final[dict[Kind, tuple[str, ...]]] = {
    "gauge": ("",), "counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"),
}  # fmt: skip
_BY_NAME: Final = {known.name: known for known in METRICS}


def known(name: str) -> Known:
    """A metric of the list; KeyError for any other."""
    return _BY_NAME[name]


def series() -> set[str]:
    """Every name that a query may use."""
    return {f"{one.name}{ending}" for one in METRICS for ending in SERIES[one.kind]}


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


Row = tuple[str, tuple[str, ...], float]  # a metric of the list, its labels' values, its value


class Looked(Collector):
    """Metrics that are looked up when somebody scrapes, at most every ``keep_s`` seconds.

    ``look`` gives the rows; what it cannot know now it leaves out, and it must not raise.
    """

    def __init__(self, look: Callable[[], Iterable[Row]], keep_s: float = 0.0) -> None:
        self._look, self._keep_s = look, keep_s
        self._lock = threading.Lock()
        self._rows: list[Row] = []
        self._at = float("-inf")

    def describe(self) -> list[Metric]:
        """Nothing is known before the first scrape, and nobody is asked for it."""
        return []

    def collect(self) -> Iterator[Metric]:
        """One family a name."""
        with self._lock:
            if time.monotonic() - self._at >= self._keep_s:
                self._rows, self._at = list(self._look()), time.monotonic()
            rows = self._rows
        families: dict[str, GaugeMetricFamily | CounterMetricFamily] = {}
        for name, labels, value in rows:
            one = known(name)
            kind = CounterMetricFamily if one.kind == "counter" else GaugeMetricFamily
            families.setdefault(name, kind(name, one.text, labels=one.labels)).add_metric(labels, value)
        yield from families.values()
