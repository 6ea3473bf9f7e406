"""A real Redis filled as ingest fills it, and an archiver on it whose clock the test moves."""

from uuid import UUID, uuid4

import orjson
from gateway_stand_in import STARTED, block, chunk, event, summary
from prometheus_client import CollectorRegistry

from services.telemetry.archive.archiving import Archiver
from services.telemetry.archive.hot_side import HotSide, source_of
from services.telemetry.archive.index import Index
from services.telemetry.archive.reader import Archive
from services.telemetry.archive.stores import open_store
from services.telemetry.archive.watch import ArchiveMetrics
from services.telemetry.models import KINDS, Batch, Entry, Gap, Place, Source
from services.telemetry.store import Store

SESSION = UUID("5e551011-0000-4000-8000-0000000000aa")
MINUTE = 3000


class Rig:
    """Samples in blocks of 50, black box in chunks of 50, one device."""

    def __init__(self, redis_url, store_url, database_url, credentials=None):
        self.redis_url = redis_url
        self.source = Source(Place("north", "bed-01"), uuid4())
        self.store = Store(redis_url)
        self.hot = HotSide(redis_url)
        self.archive = Archive(Index(database_url), open_store(store_url, credentials))
        self.now = 1000.0
        self.index_of_event = 0
        self.fresh_archiver()

    def fresh_archiver(self):
        """As after a restart: nothing is remembered."""
        metrics = ArchiveMetrics(CollectorRegistry())
        self.archiver = Archiver(self.hot, self.archive, 60.0, metrics, clock=lambda: self.now)

    def close(self):
        """Let go of the servers."""
        self.store.close()
        self.hot.close()
        self.archive.index.close()

    # --- what ingest does -----------------------------------------------------------------------------------
    def keep(self, entries=(), gaps=(), sessions=None):
        """Store like ingest: everything in one transaction; then the cursor."""
        batch = Batch(entries=list(entries), gaps=list(gaps), sessions=sessions or {})
        batch.session_starts = dict.fromkeys(sessions or {}, STARTED.timestamp())
        fates = self.store.commit(batch, {})
        spans = self.store.progress(self.source)
        self.store.commit(Batch(promises=[(self.source, {})]), {
            self.source: {kind: spans[kind].next for kind in KINDS}})  # fmt: skip
        return fates

    def tension(self, first, count, samples=50, level=100.0):
        """Blocks that begin at ``first``."""
        return [
            self.entry("tension", seq, samples, block(self.source.boot, seq, samples, level))
            for seq in range(first, first + count, samples)
        ]

    def blackbox(self, first, count):
        """Chunks that begin at ``first``."""
        return [
            self.entry("blackbox", seq, 50, chunk(self.source.boot, seq))
            for seq in range(first, first + count, 50)
        ]

    def entry(self, kind, first, count, message):
        """As ingest hands it to the store."""
        return Entry(kind, self.source, first, first + count, message.model_dump_json().encode())

    def event(self, kind, seq, **more):
        """The next event."""
        index, self.index_of_event = self.index_of_event, self.index_of_event + 1
        return self.entry("event", index, 1, event(self.source.boot, index, kind, seq, **more))

    def session(self, first, end, session=SESSION):
        """The events and notes of a session that is over."""
        said = summary(session)
        events = [
            self.event("session.started", first, session=session),
            self.event("session.completed", end, session=session, summary=said),
        ]
        fields = {
            "site": "north", "device": "bed-01", "boot": str(self.source.boot), "first_seq": str(first),
            "started_at": STARTED.isoformat(), "end_boot": str(self.source.boot), "end_seq": str(end),
            "ended_by": "session.completed", "summary": said.model_dump_json(), "region": "lumbar",
        }  # fmt: skip
        return events, {session: fields}

    def gap(self, first, after, kind="tension"):
        """Numbers that will not come."""
        return Gap(kind, self.source, first, after, "declared lost by the gateway")

    # --- what the archiver does -----------------------------------------------------------------------------
    def turn(self, *, hurry=False, after_s=0.0):
        """One look at everything."""
        self.now += after_s
        sessions = {}
        for session, fields in self.hot.sessions():
            sessions.setdefault(source_of(fields), []).append((session, fields))
        for boot in self.hot.boots({"north"}):
            self.archiver.boot(boot, sessions.get(boot.source, []), hurry=hurry)
        return self.archiver.flush()

    def hot_numbers(self, kind="tension"):
        """(first, after) of what Redis still has."""
        return [(entry.first, entry.after) for entry in self.hot.entries(kind, self.source)]

    def archived(self, kind="tension"):
        """(first, after) of what the archive has."""
        return self.archive.spans(kind, self.source)

    def payloads(self, entries):
        """What was published."""
        return [orjson.loads(entry.content) for entry in entries]
