"""Broker -> Redis: take, store, flush, acknowledge, then promise by `committed`. In this order, always."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from broker import contract, release
from broker.backoff import full_jitter
from broker.bus import Bus
from broker.links import Packet
from broker.messages import Committed
from broker.receive import Receiver
from services.kit import connections, tracing
from services.kit.errors import SpondylError
from services.telemetry.holes import Hole
from services.telemetry.ingest.collector import Collector
from services.telemetry.ingest.memory import Announcements, Memory, Track
from services.telemetry.ingest.missing import IsHeard
from services.telemetry.models import Batch, Fate, Gap, Place, Source
from services.telemetry.settings import TelemetrySettings
from services.telemetry.store import Store
from services.telemetry.watch import IngestMetrics

log = structlog.get_logger(__name__)

STREAMS: Final = (
    contract.STATUS, contract.STATE, contract.ALARM, contract.EVENT, contract.BLACKBOX, contract.TENSION,
)  # fmt: skip
ONCE: Final = (contract.COMMITTED,)  # our own promises as the broker kept them
TAKE_S: Final = 0.2
LULL_S: Final = 0.01  # nothing more comes for so long: the broker waits for acknowledgements, or it was all
LULL_LEAST: Final = 20  # Mosquitto's default window
GLANCE_S: Final = 0.002  # at the receiver, while Redis writes
LOOK_S: Final = 10.0  # between two looks at the server's settings and memory
CHORES_S: Final = 0.5
HEARD_S: Final = 1.0
PROMISES_PER_S: Final = 250.0  # each costs as much as ten blocks; beyond it every device waits its turn
LONGEST_WAIT_S: Final = 5.0
LOST_AFTER_COMMIT: Final = "lost by the store after it was committed"


class KeepsHoles(Protocol):
    """Asks for what is missing."""

    def recall(self, site: str) -> list[Source]:
        """The sources of a site that an earlier owner has asked for: nothing need come from them any more."""

    def forget(self, site: str) -> None:
        """Somebody else asks for the holes of this site now."""

    def __call__(self, holes: list[Hole], is_heard: IsHeard) -> list[Gap]:
        """Told every open hole: ask for what is due; what is given up."""


def open_receiver(settings: TelemetrySettings) -> Receiver:
    """The broker sessions that keep what ingest misses; receive maximum two batches and more.

    Raises SpondylError when the broker's address is not one.
    """
    try:
        return Receiver(
            settings.mqtt_url,
            settings.ingest_client,
            STREAMS,
            once=ONCE,
            **connections.broker_of(settings),
            session_expiry_s=int(settings.ingest_session_h * 3600),
            receive_maximum=min(2 * settings.ingest_batch + 100, 65_535),
            gather_s=settings.ingest_linger_ms / 1000,
        )
    except ValueError as error:
        raise SpondylError(f"SPONDYL_MQTT_URL is {settings.mqtt_url!r}: {error}") from None


def open_bus(settings: TelemetrySettings, worker: str) -> Bus:
    """What says `committed` and asks for what is missing: no session, nothing is received on it.

    Raises SpondylError when the broker's address is not one.
    """
    return connections.open_bus(settings, f"{settings.ingest_client}-says-{worker}")


@dataclass(slots=True)
class Taken:
    """Packets and what they mean for the store."""

    packets: list[Packet] = field(default_factory=list)
    batch: Batch = field(default_factory=Batch)


class Ingest:
    """One thread that stores what the receiver brings, for all its sites in one batch.

    While Redis writes a batch, the next one is read and looked at; it is begun when this one is acknowledged.

    ``keeper`` is told every open hole twice a second, with a way to ask whether a device is heard from, and
    answers what is given up: these numbers are named, and nobody waits for them any longer.
    """

    def __init__(
        self,
        receiver: Receiver,
        store: Store,
        bus: Bus,
        settings: TelemetrySettings,
        metrics: IngestMetrics,
        keeper: KeepsHoles | None = None,
    ) -> None:
        self._receiver = receiver
        self._store = store
        self._bus = bus
        self._settings = settings
        self._metrics = metrics
        self._keeper = keeper
        self._collector = Collector(receiver.refusals, metrics)
        self._memory = Memory()
        self._next = Taken()
        self._unsaid = Announcements()
        self._allowance, self._allowed_at = PROMISES_PER_S, time.monotonic()
        self._changes: deque[tuple[str, bool]] = deque()  # site, adopted or released
        self._given_up: list[Gap] = []
        self._adopted: dict[str, None] = {}
        self._to_recall: dict[str, None] = {}  # sites of which it is not known yet who has holes
        self._heard: dict[Place, float] = {}  # monotonic
        self._heard_now: dict[Place, int] = {}  # not yet told to the store, ms since the epoch
        self._looked_at = self._chores_at = self._heard_at = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)
        self._trouble: str | None = "Redis was not asked yet"

    def start(self) -> None:
        """Begin, in a thread of its own; receiver and bus are started by whoever made them."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """End after the batch at hand; what is not stored by then is not acknowledged and comes again."""
        self._stopping.set()
        self._thread.join(timeout_s)

    def adopt(self, site: str) -> None:
        """Store for this site from now on; what is known of it is read anew. From any thread."""
        self._changes.append((site, True))
        self._receiver.open(site)

    def release(self, site: str) -> None:
        """Leave this site to others; what is not acknowledged comes again to them. From any thread."""
        self._receiver.close(site)
        self._changes.append((site, False))

    def age_s(self, place: Place) -> float | None:
        """Seconds since the newest block of a device came in, None when none did since the start."""
        heard = self._heard.get(place)
        return None if heard is None else time.monotonic() - heard

    def broker_trouble(self) -> str | None:
        """What is wrong with the broker, for the readiness check."""
        if not self._receiver.connected:
            return self._receiver.last_error or "not connected"
        return None if self._bus.connected else (self._bus.last_error or "not connected")

    def store_trouble(self) -> str | None:
        """What is wrong with the store, for the readiness check."""
        return self._trouble

    # --- the thread -----------------------------------------------------------------------------------------
    def _run(self) -> None:
        attempt = 0
        while not self._stopping.is_set():
            try:
                self._turn()
                attempt = 0
            except SpondylError as error:
                self._looked_at = 0.0
                attempt = self._wait(error.message, attempt)
            except Exception as error:
                log.exception("ingest failed; it tries again")
                attempt = self._wait(f"{type(error).__name__}: {error}", attempt)

    def _turn(self) -> None:
        """One batch, or one look around when nothing comes."""
        self._look()
        self._gather()
        self._take_changes()
        if self._next.packets or self._given_up or (self._heard_now and self._is_time_to_tell):
            taken, self._next = self._next, Taken()
            taken.batch.gaps += self._given_up
            if self._keep(taken.batch):
                self._given_up.clear()
                self._receiver.acknowledge(taken.packets)
                self._metrics.taken(len(taken.packets))
        self._say_committed()
        self._do_chores()

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
            if self._trouble is not None:
                log.info("redis takes telemetry", flush=server.flush)
            self._trouble = None

    def _gather(self) -> None:
        """Fill the next batch: full, or what came while it may linger, or until nothing more comes."""
        if not self._next.packets:
            self._take(TAKE_S)
        until = time.monotonic() + self._settings.ingest_linger_ms / 1000
        while self._next.packets and self._has_room() and (left := until - time.monotonic()) > 0:
            enough = len(self._next.packets) >= LULL_LEAST
            if not self._take(min(left, LULL_S) if enough else left) and enough:
                break

    def _take(self, timeout_s: float) -> bool:
        """Add what has come to the next batch; whether something had."""
        packets = self._receiver.take(self._settings.ingest_batch - len(self._next.packets), timeout_s)
        self._collector.collect(packets, self._next.batch)
        self._next.packets += packets  # what could not be looked at is not acknowledged
        return bool(packets)

    def _has_room(self) -> bool:
        return len(self._next.packets) < self._settings.ingest_batch and not self._stopping.is_set()

    def _take_meanwhile(self) -> bool:
        """A look at the receiver while Redis writes; whether to look again."""
        self._take(GLANCE_S)
        return self._has_room()

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
                self._memory.forget_all()  # the store may have lost something: it is read again
                self._to_recall |= self._adopted
                if not isinstance(error, SpondylError):
                    log.exception("a batch cannot be stored")
                attempt = self._wait(str(error), attempt)
            else:
                return True
        return False

    def _commit(self, batch: Batch) -> None:
        sources = batch.sources
        behind = set(self._memory.behind(batch.promises))  # another owner may have stored more than I know
        unknown = [source for source in sources if source not in self._memory.tracks or source in behind]
        for source, spans in self._store.progress_of(unknown).items():
            self._memory.tracks[source] = Track(spans)
        self._take_promises(batch, unknown)
        self._add_heard(batch)
        checkpoints = self._memory.checkpoints()
        began = time.perf_counter()
        said: dict[str, tracing.Value] = {"messaging.system": "mqtt"}
        said |= {"messaging.batch.message_count": len(batch.entries)}
        with tracing.span("store batch", "consumer", said):
            fates = self._store.commit(batch, checkpoints, self._take_meanwhile)
        self._metrics.flushed(time.perf_counter() - began, batch, fates)
        self._memory.written(checkpoints)
        self._memory.advance(batch)
        self._note_heard(batch, fates)
        self._unsaid.add(sources)
        self._greet(batch.births)

    def _greet(self, births: list[Source]) -> None:
        """Tell a gateway that is there again how far it is stored: the broker need not have kept that."""
        unknown = [source for source in births if source not in self._memory.tracks]
        for source, spans in self._store.progress_of(unknown).items():
            track = Track(spans)
            if any(track.next().values()):
                self._memory.tracks[source] = track
        self._unsaid.add(source for source in births if source in self._memory.tracks)

    def _take_promises(self, batch: Batch, read: list[Source]) -> None:
        """What was promised once and is not there now was lost by the store: named, and not waited for.

        Only sources that were just ``read``, or promised, can be behind their promise.
        """
        for source, promise in batch.promises:
            self._memory.promised(source, promise)
        for gap in self._memory.broken_promises(
            {*read, *(source for source, _ in batch.promises)}, LOST_AFTER_COMMIT
        ):
            if gap not in batch.gaps:
                log.error("the store has lost what it had committed", place=str(gap.source.place),
                          boot=str(gap.source.boot), stream=gap.kind,
                          first=gap.first, last=gap.after - 1)  # fmt: skip
                batch.gaps.append(gap)

    def _add_heard(self, batch: Batch) -> None:
        """Once a second is enough to know how old a device's newest block is."""
        if self._is_time_to_tell:
            self._heard_at = time.monotonic()
            batch.heard, self._heard_now = self._heard_now, {}

    @property
    def _is_time_to_tell(self) -> bool:
        return time.monotonic() - self._heard_at >= HEARD_S

    def _note_heard(self, batch: Batch, fates: list[Fate]) -> None:
        now, now_ms = time.monotonic(), int(time.time() * 1000)
        for entry, fate in zip(batch.entries, fates, strict=True):
            if fate == "stored" and entry.kind == "tension":
                place = entry.source.place
                self._heard[place] = now
                self._heard_now[place] = now_ms

    def _say_committed(self) -> None:
        """Tell the gateways how far all is stored; each device at most every ``committed_ms``."""
        now = time.monotonic()
        self._allowance += (now - self._allowed_at) * PROMISES_PER_S
        self._allowance, self._allowed_at = min(self._allowance, PROMISES_PER_S), now
        if not self._bus.connected:
            return
        for source in self._unsaid.due(int(self._allowance), self._settings.committed_ms / 1000):
            track = self._memory.tracks.get(source)
            if track is not None:
                self._allowance -= 1
                stored = track.next()
                self._memory.promised(source, stored)
                message = Committed(boot=source.boot, next=stored, at=datetime.now(UTC), release=release.OURS)
                self._bus.announce(contract.COMMITTED, message, source.place.site, source.place.device)

    # --- now and then ---------------------------------------------------------------------------------------
    def _do_chores(self) -> None:
        """What need not be done with every batch: holes, and forgetting."""
        now = time.monotonic()
        if now - self._chores_at < CHORES_S:
            return
        self._chores_at = now
        self._recall_holes()
        holes = self._memory.holes()
        self._metrics.holes.set(len(holes))
        if self._keeper is not None:
            self._given_up = self._keeper(holes, self._is_heard)
        self._let_go(self._memory.forget_idle())
        self._collector.prune()

    def _let_go(self, sources: list[Source]) -> None:
        """Of all that is kept beside the memory, so that months of boots and moves leave nothing."""
        for source in sources:
            self._store.forget(source)
            self._heard.pop(source.place, None)
        self._unsaid.prune(source.place for source in sources)

    def _recall_holes(self) -> None:
        """Know the holes of adopted sites, also of boots and devices from which nothing comes any more."""
        while self._keeper is not None and self._to_recall:
            site = next(iter(self._to_recall))
            for source in self._keeper.recall(site):
                if source not in self._memory.tracks:
                    self._memory.tracks[source] = Track(self._store.progress(source))
                self._memory.watch(source)
            del self._to_recall[site]

    def _is_heard(self, place: Place) -> bool:
        age = self.age_s(place)
        return age is not None and age < LOOK_S

    def _take_changes(self) -> None:
        """Sites that came or went since the last batch: others may have stored for them meanwhile."""
        while self._changes:
            site, adopted = self._changes.popleft()
            self._unsaid.forget(site)
            self._let_go(self._memory.forget_site(site))
            self._adopted.pop(site, None)
            self._to_recall.pop(site, None)
            if self._keeper is not None:
                self._keeper.forget(site)
            if adopted:
                self._adopted[site] = self._to_recall[site] = None

    def _wait(self, trouble: str, attempt: int) -> int:
        if trouble != self._trouble:
            log.error("ingest waits; nothing is acknowledged", why=trouble)
        self._trouble = trouble
        self._metrics.waits.inc()
        self._stopping.wait(full_jitter(attempt, most_s=LONGEST_WAIT_S))
        return attempt + 1
