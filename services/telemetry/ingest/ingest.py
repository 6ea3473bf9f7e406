"""Broker -> Redis: take, store, flush, acknowledge, then promise by `committed`. In this order, always."""

import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import structlog

from broker import contract
from broker.backoff import full_jitter
from broker.bus import Bus, BusError, Delivery
from broker.messages import Committed
from broker.topics import ANY
from services.kit.errors import SpondylError
from services.telemetry.ingest.handlers import Unstorable, collect
from services.telemetry.models import KINDS, Batch, Fate, Gap, Kind, Place, Source
from services.telemetry.progress import Spans
from services.telemetry.settings import TelemetrySettings
from services.telemetry.store import Store
from services.telemetry.watch import IngestMetrics

log = structlog.get_logger(__name__)

STREAMS: Final = (
    contract.COMMITTED, contract.STATUS, contract.STATE, contract.ALARM,
    contract.EVENT, contract.BLACKBOX, contract.TENSION,
)  # fmt: skip
TAKE_S: Final = 0.2
LOOK_S: Final = 10.0  # between two looks at the server's settings and memory
LONGEST_WAIT_S: Final = 5.0
LOST_AFTER_COMMIT: Final = "lost by the store after it was committed"


def open_bus(settings: TelemetrySettings) -> Bus:
    """The broker session that keeps what ingest misses; receive maximum two batches and more.

    Raises SpondylError when the broker's address is not one.
    """
    try:
        bus = Bus(
            settings.mqtt_url,
            settings.ingest_client,
            username=settings.mqtt_username,
            password=settings.mqtt_secret,
            session_expiry_s=int(settings.ingest_session_h * 3600),
            receive_maximum=min(2 * settings.ingest_batch + 100, 65_535),
        )
    except ValueError as error:
        raise SpondylError(f"SPONDYL_MQTT_URL is {settings.mqtt_url!r}: {error}") from None
    for stream in STREAMS:
        for site in settings.ingest_sites or (ANY,):
            bus.subscribe(stream, site)
    return bus


class Ingest:
    """One thread that stores what the bus delivers; everything it waits for shows in ``trouble``."""

    def __init__(self, bus: Bus, store: Store, settings: TelemetrySettings, metrics: IngestMetrics) -> None:
        self._bus = bus
        self._store = store
        self._settings = settings
        self._metrics = metrics
        self._progress: dict[Source, dict[Kind, Spans]] = {}
        self._promises: dict[Source, dict[Kind, int]] = {}
        self._unsaid: dict[Place, dict[Source, None]] = {}
        self._said_at: dict[Place, float] = {}
        self._looked_at = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)
        self._heard: dict[Place, float] = {}
        self._refusal: str | None = None
        self.trouble: str | None = "Redis was not asked yet"

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """End after the batch at hand; what is not stored by then is not acknowledged and comes again."""
        self._stopping.set()
        self._thread.join(timeout_s)

    def age_s(self, place: Place) -> float | None:
        """Seconds since the newest block of a device came in, None when none did since the start."""
        heard = self._heard.get(place)
        return None if heard is None else time.monotonic() - heard

    def broker_trouble(self) -> str | None:
        """What is wrong with the broker, for the readiness check."""
        return self._refusal if self._bus.connected else (self._bus.last_error or "not connected")

    def store_trouble(self) -> str | None:
        """What is wrong with the store, for the readiness check."""
        return self.trouble

    # --- the thread -----------------------------------------------------------------------------------------
    def _run(self) -> None:
        attempt = 0
        while not self._stopping.is_set():
            try:
                self._turn()
                attempt = 0
            except BusError as error:
                self._refusal = str(error)
                log.warning("the broker refuses ingest", why=self._refusal)
                self._stopping.wait(LONGEST_WAIT_S)
            except Exception as error:
                log.exception("ingest failed; it tries again")
                attempt = self._wait(f"{type(error).__name__}: {error}", attempt)

    def _turn(self) -> None:
        """One batch, or one look around when nothing comes."""
        self._look()
        deliveries = self._gather()
        self._refusal = None
        if deliveries:
            batch = self._collect(deliveries)
            if self._keep(batch):
                self._bus.acknowledge(deliveries)
                self._metrics.taken(len(deliveries))
        self._say_committed()

    def _look(self) -> None:
        """Wait for a server that keeps what it takes; look again every few seconds."""
        attempt = 0
        while not self._stopping.is_set():
            if self._store.server is not None and time.monotonic() - self._looked_at < LOOK_S:
                return
            try:
                server = self._store.prepare()
            except SpondylError as error:
                attempt = self._wait(error.message, attempt)
                continue
            self._looked_at = time.monotonic()
            self._metrics.looked(server, self._settings.memory_warning)
            if self.trouble is not None:
                log.info("redis takes telemetry", flush=server.flush)
            self.trouble = None

    def _gather(self) -> list[Delivery]:
        """A batch: full, or as much as came within the time it may linger."""
        deliveries = self._bus.take(self._settings.ingest_batch, TAKE_S)
        until = time.monotonic() + self._settings.ingest_linger_ms / 1000
        while deliveries and (left := until - time.monotonic()) > 0:
            room = self._settings.ingest_batch - len(deliveries)
            if room <= 0 or self._stopping.wait(left):
                break
            deliveries += self._bus.take(room, 0)
        return deliveries

    def _collect(self, deliveries: Iterable[Delivery]) -> Batch:
        batch = Batch()
        for delivery in deliveries:
            try:
                collect(delivery, batch)
            except Unstorable as error:
                self._metrics.unstorable.inc()
                log.warning("unstorable message", site=delivery.site, device=delivery.device, why=str(error))
        return batch

    def _keep(self, batch: Batch) -> bool:
        """Store until it is stored; False when told to stop before that."""
        attempt = 0
        while not self._stopping.is_set():
            try:
                self._look()
                if self._stopping.is_set():
                    break
                self._commit(batch)
            except Exception as error:
                self._progress.clear()  # the store may have lost something: it is read again
                if not isinstance(error, SpondylError):
                    log.exception("a batch cannot be stored")
                attempt = self._wait(str(error), attempt)
            else:
                return True
        return False

    def _commit(self, batch: Batch) -> None:
        for source in batch.sources:
            self._know(source)
        self._take_promises(batch)
        checkpoints = {source: self._next(source) for source in batch.sources}
        began = time.perf_counter()
        fates = self._store.commit(batch, checkpoints)
        self._metrics.flushed(time.perf_counter() - began, batch, fates)
        self._advance(batch, fates)

    def _advance(self, batch: Batch, fates: list[Fate]) -> None:
        """Everything of the batch is on disk: what is contiguous now may be promised."""
        now = time.monotonic()
        for gap in batch.gaps:
            self._progress[gap.source][gap.kind].add(gap.first, gap.after)
        for entry, fate in zip(batch.entries, fates, strict=True):
            self._progress[entry.source][entry.kind].add(entry.first, entry.after)
            if entry.kind == "tension" and fate == "stored":
                self._heard[entry.source.place] = now
        for source in batch.sources:
            self._unsaid.setdefault(source.place, {})[source] = None
        holes = (len(spans.holes) for kinds in self._progress.values() for spans in kinds.values())
        self._metrics.holes.set(sum(holes))

    def _know(self, source: Source) -> None:
        if source not in self._progress:
            self._progress[source] = self._store.progress(source)

    def _next(self, source: Source) -> dict[Kind, int]:
        return {kind: spans.next for kind, spans in self._progress[source].items()}

    def _take_promises(self, batch: Batch) -> None:
        """What was promised once and is not there now was lost by the store: named, and not waited for."""
        for source, promise in batch.promises:
            known = self._promises.setdefault(source, dict.fromkeys(KINDS, 0))
            known |= {kind: max(known[kind], after) for kind, after in promise.items()}
        for source in batch.sources:
            for kind, after in self._promises.get(source, {}).items():
                stored = self._progress[source][kind].next
                gap = Gap(kind, source, stored, after, LOST_AFTER_COMMIT)
                if stored < after and gap not in batch.gaps:
                    log.error("the store has lost what it had committed", place=str(source.place),
                              boot=str(source.boot), stream=kind, first=stored, last=after - 1)  # fmt: skip
                    batch.gaps.append(gap)

    def _say_committed(self) -> None:
        """Tell the gateways how far all is stored; each device at most every ``committed_ms``."""
        now = time.monotonic()
        for place in list(self._unsaid):
            early = now - self._said_at.get(place, -1e9) < self._settings.committed_ms / 1000
            if early or not self._bus.connected:
                continue
            source = next(
                iter(self._unsaid[place])
            )  # one boot at a time: each is said before the next replaces it
            del self._unsaid[place][source]
            if not self._unsaid[place]:
                del self._unsaid[place]
            self._said_at[place] = now
            if source in self._progress:
                self._announce(source)

    def _announce(self, source: Source) -> None:
        stored = self._next(source)
        self._promises[source] = stored
        message = Committed(boot=source.boot, next=stored, at=datetime.now(UTC))
        self._bus.announce(contract.COMMITTED, message, source.place.site, source.place.device)

    def _wait(self, trouble: str, attempt: int) -> int:
        if trouble != self.trouble:
            log.error("ingest waits; nothing is acknowledged", why=trouble)
        self.trouble = trouble
        self._metrics.waits.inc()
        self._stopping.wait(full_jitter(attempt, most_s=LONGEST_WAIT_S))
        return attempt + 1
