"""Redis -> archive, one device and boot at a time: build, put, read back, index, and only then take away.

Killed between any two steps, the next one begins where the index says: an object that is in the store only
is built again, byte for byte, under the same name; what is indexed and still in Redis is compared with the
archive and taken away.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Final
from uuid import UUID

import orjson
import structlog

from broker.messages import MAX_BLOCK_SAMPLES
from services.telemetry.archive import objects
from services.telemetry.archive.comparing import not_archived
from services.telemetry.archive.hot_side import (
    HotBoot,
    HotEntry,
    HotSide,
    hot_session,
    session_row,
    spans_of_gaps,
)
from services.telemetry.archive.models import join
from services.telemetry.archive.planning import Cut, Situation, cuts, layers, reach, take
from services.telemetry.archive.reader import Archive
from services.telemetry.archive.rows import NOTHING, Commit, Marks, NewObject, SessionRow
from services.telemetry.archive.runs import blackbox_runs, tension_runs
from services.telemetry.archive.statistics import session_statistics
from services.telemetry.archive.watch import ArchiveMetrics
from services.telemetry.errors import Corrupt, CorruptObject
from services.telemetry.models import KINDS, Gap, Kind, Source

log = structlog.get_logger(__name__)

SETTLE_S: Final = (
    60.0  # a boot that is over, and a session's black box, may still be on their way for so long
)
LOOK_S: Final = 60.0  # between two looks for what came late
HURRY_MS: Final = 10_000.0  # when Redis fills up, objects are small, but not without end
PERIOD_MS: Final = 20.0  # of a device that has sent events only
EVERYTHING: Final = 2**53
HotSessions = Sequence[tuple[UUID, Mapping[str, str]]]


@dataclass(slots=True)
class _Watch:
    """What is remembered of a device and boot from turn to turn; all of it can be found again."""

    marks: Marks
    period_ms: float | None = None
    stored: Marks = field(default_factory=dict)
    changed_at: float = 0.0
    looked_at: float = float("-inf")
    waiting: int = 0  # samples
    ended_at: dict[UUID, float] = field(default_factory=dict)  # when a session's end was first seen


@dataclass(frozen=True, slots=True)
class _Load:
    """What goes into objects, and the marks behind it."""

    entries: Mapping[Kind, Sequence[HotEntry]]
    marks: Marks


class Archiver:
    """Not for more than one thread."""

    def __init__(
        self,
        hot: HotSide,
        archive: Archive,
        span_min: float,
        metrics: ArchiveMetrics,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hot = hot
        self._archive = archive
        self._span_min = span_min
        self._metrics = metrics
        self._clock = clock
        self._watches: dict[Source, _Watch] = {}

    def expect(self, sources: Iterable[Source]) -> None:
        """Ask the index about those that are new, all at once."""
        new = [source for source in sources if source not in self._watches]
        known = self._archive.index.all_marks(new) if new else {}
        now = self._clock()
        for source in new:
            self._watches[source] = _Watch(known.get(source, dict(NOTHING)), changed_at=now)

    def boot(self, boot: HotBoot, sessions: HotSessions, *, hurry: bool = False) -> None:
        """Archive what is due of one device and boot; ``hurry``: all there is, Redis is filling up.

        Raises StoreUnavailable, ArchiveUnavailable, Corrupt: nothing is lost, the next turn tries again.
        """
        source, now = boot.source, self._clock()
        watch = self._watch(boot, now)
        quiet_s = now - watch.changed_at
        over = quiet_s >= SETTLE_S and (not boot.newest or quiet_s >= self._span_min * 60)
        if now - watch.looked_at >= LOOK_S:
            if self._hot.is_late(source, watch.marks):
                self._settle_late(source, watch)
            watch.looked_at = now
        waiting_ms = (boot.stored["tension"] - watch.marks["tension"]) * (watch.period_ms or PERIOD_MS)
        closing = over or (hurry and waiting_ms >= HURRY_MS)
        gaps = self._hot.gaps(source) if self._is_due(boot, watch, sessions, closing=closing) else []
        stored = self._reached(source, watch, gaps) if closing else boot.stored
        for cut in cuts(self._situation(watch, stored, sessions, now, closing=closing), self._span_min):
            if not self._archive_to(source, watch, cut, gaps, sessions):
                return
        if closing and any(stored[kind] > watch.marks[kind] for kind in KINDS):
            rest = Cut(max(stored["tension"], stored["blackbox"]), None, whole=True)
            self._archive_to(source, watch, rest, gaps, sessions, all_events=True)
        self._record_sessions(source, watch, sessions, over=over and not boot.newest)
        watch.waiting = max(0, stored["tension"] - watch.marks["tension"])

    @property
    def waiting(self) -> int:
        """Samples that are in Redis only."""
        return sum(watch.waiting for watch in self._watches.values())

    def is_done(self, boot: HotBoot) -> bool:
        """Whether a boot that is over has been archived as far as it is stored."""
        watch = self._watches.get(boot.source)
        return (
            watch is not None
            and not boot.newest
            and all(boot.stored[kind] <= watch.marks[kind] for kind in KINDS)
        )

    def forget(self, source: Source) -> None:
        """Another archiver may work on it now: look anew when it comes back."""
        self._watches.pop(source, None)

    # --- what is due ----------------------------------------------------------------------------------------
    def _watch(self, boot: HotBoot, now: float) -> _Watch:
        self.expect([boot.source])
        watch = self._watches[boot.source]
        if watch.period_ms is None:
            watch.period_ms = self._hot.period_ms(boot.source)
        if watch.stored != boot.stored:
            watch.stored, watch.changed_at = boot.stored, now
        return watch

    def _is_due(self, boot: HotBoot, watch: _Watch, sessions: HotSessions, *, closing: bool) -> bool:
        """Spares a look at the gaps of a device of which nothing is to be archived yet."""
        situation = self._situation(watch, boot.stored, sessions, self._clock(), closing=closing)
        return closing or bool(cuts(situation, self._span_min))

    def _situation(
        self, watch: _Watch, stored: Marks, sessions: HotSessions, now: float, *, closing: bool
    ) -> Situation:
        known = [found for found in (hot_session(*session) for session in sessions) if found is not None]
        ended = {one.id for one in known if one.after is not None and one.after <= stored["tension"]}
        watch.ended_at = {session: watch.ended_at.get(session, now) for session in ended}
        patient = all(now - since < SETTLE_S for since in watch.ended_at.values())
        return Situation(watch.marks, stored, watch.period_ms or PERIOD_MS, known, closing, patient)

    def _reached(self, source: Source, watch: _Watch, gaps: Sequence[Gap]) -> Marks:
        """How far all is stored without a hole, counted from the entries themselves."""
        marks = watch.marks
        return {
            kind: reach(self._hot.entries(kind, source, marks[kind]), spans_of_gaps(gaps, kind), marks[kind])
            for kind in KINDS
        }

    # --- archiving ------------------------------------------------------------------------------------------
    def _archive_to(
        self,
        source: Source,
        watch: _Watch,
        cut: Cut,
        gaps: Sequence[Gap],
        sessions: HotSessions,
        *,
        all_events: bool = False,
    ) -> bool:
        """Archive up to a cut; False when another archiver was quicker."""
        load = self._load(source, watch.marks, cut, gaps, all_events=all_events)
        if load.marks == watch.marks:
            return True
        made = self._objects(source, load.entries, cut.session)
        rows = self._ended(source, load, sessions)
        behind = [gap for gap in gaps if gap.after <= load.marks[gap.kind]]
        step = Commit(source, watch.marks, load.marks, made, rows, behind)
        return self._finish(step, watch, load.entries)

    def _load(
        self, source: Source, marks: Marks, cut: Cut, gaps: Sequence[Gap], *, all_events: bool
    ) -> _Load:
        entries: dict[Kind, Sequence[HotEntry]] = {}
        after: Marks = {}
        for kind in ("tension", "blackbox"):
            named = spans_of_gaps(gaps, kind)
            limit = reach([], named, cut.seq + MAX_BLOCK_SAMPLES)
            waiting = self._hot.entries(kind, source, marks[kind], limit)
            entries[kind], after[kind] = take(waiting, named, marks[kind], cut.seq, whole=cut.whole)
        waiting = self._hot.entries("event", source, marks["event"])
        named = spans_of_gaps(gaps, "event")
        end = EVERYTHING if all_events else _first_behind(waiting, after["tension"])
        entries["event"], after["event"] = take(waiting, named, marks["event"], end, whole=True)
        return _Load(entries, after)

    def _objects(
        self, source: Source, entries: Mapping[Kind, Sequence[HotEntry]], session: UUID | None
    ) -> list[NewObject]:
        """In the store, flushed, read back and found whole; more than one only where entries overlap."""
        by_kind = [layers(entries[kind]) for kind in KINDS]
        return [
            self._store_object(source, dict(zip(KINDS, layer, strict=True)), session)
            for layer in zip_longest(*by_kind, fillvalue=[])
        ]

    def _store_object(
        self, source: Source, entries: Mapping[Kind, Sequence[HotEntry]], session: UUID | None
    ) -> NewObject:
        began = time.perf_counter()
        data, directory = objects.build(_sections(source, entries, session))
        sha256 = hashlib.sha256(data).hexdigest()
        path = _path(source, directory, min(e.first for kind in KINDS for e in entries[kind][:1]), sha256)
        self._archive.store.put(path, data)
        try:
            objects.verify(self._archive.store.get(path), directory, sha256)
        except Corrupt as error:
            raise CorruptObject(f"{path} was written and is read back otherwise: {error.message}") from None
        self._metrics.stored(len(data), time.perf_counter() - began)
        spans = {kind: directory.spans(kind) for kind in KINDS}
        return NewObject(
            path, source, sha256, len(data), directory.dump(), spans,
            directory.started_at_us, directory.ended_at_us, session,
        )  # fmt: skip

    def _finish(self, step: Commit, watch: _Watch, entries: Mapping[Kind, Sequence[HotEntry]]) -> bool:
        """Index, then take away from Redis."""
        if not self._archive.index.commit(step):
            log.warning("another archiver was quicker", place=str(step.source.place))
            self.forget(step.source)
            return False
        watch.marks = step.after
        self._hot.take_away(step.source, step.after, [e for kind in KINDS for e in entries[kind]])
        self._hot.forget_sessions([row.id for row in step.sessions])
        for new in step.objects:
            log.info("archived", path=new.path, bytes=new.size, session=str(new.session))
        return True

    # --- what came late -------------------------------------------------------------------------------------
    def _settle_late(self, source: Source, watch: _Watch) -> None:
        """What lies below the marks: already archived, or a correction, which becomes a further object."""
        below = {kind: self._hot.entries(kind, source, 0, watch.marks[kind]) for kind in KINDS}
        if not any(below.values()):
            return
        new = {kind: not_archived(self._archive, kind, source, below[kind]) for kind in KINDS}
        made = self._objects(source, new, None)
        if made:
            log.warning("late samples are archived as a correction", place=str(source.place),
                        paths=[one.path for one in made])  # fmt: skip
        self._finish(Commit(source, watch.marks, watch.marks, made), watch, below)

    # --- sessions -------------------------------------------------------------------------------------------
    def _ended(self, source: Source, load: _Load, sessions: HotSessions) -> list[SessionRow]:
        """The sessions whose last sample is below the new marks, with their statistics."""
        rows = []
        for session, fields in sessions:
            place = hot_session(session, fields)
            if place is None or place.after is None or place.after > load.marks["tension"]:
                continue
            archived = self._archive.runs("tension", source, place.first, place.after)
            fresh = tension_runs(_stored(load.entries["tension"]))
            inside = [run for run in fresh if run.first < place.after and run.after > place.first]
            runs = join([*archived, *(run.slice(place.first, place.after) for run in inside)])
            statistics = session_statistics(runs)
            rows.append(replace(session_row(session, fields), statistics=statistics))
        return rows

    def _record_sessions(self, source: Source, watch: _Watch, sessions: HotSessions, *, over: bool) -> None:
        """Those whose samples were archived before their end was heard of; when the boot is over, all."""
        ended = [(session, fields) for session, fields in sessions if over or "ended_by" in fields]
        if not ended:
            return
        known = self._archive.index.known_sessions([session for session, _ in ended])
        self._hot.forget_sessions(sorted(known))
        new = [(session, fields) for session, fields in ended if session not in known]
        load = _Load(dict.fromkeys(KINDS, ()), watch.marks)
        rows = self._ended(source, load, new)
        if over:
            told = {row.id for row in rows}
            rows += [session_row(session, fields) for session, fields in new if session not in told]
        if rows:
            self._finish(Commit(source, watch.marks, watch.marks, sessions=rows), watch, load.entries)


def _sections(
    source: Source, entries: Mapping[Kind, Sequence[HotEntry]], session: UUID | None
) -> objects.Sections:
    return objects.Sections(
        source.place.site,
        source.place.device,
        source.boot,
        tension_runs(_stored(entries["tension"])),
        blackbox_runs(_stored(entries["blackbox"])),
        [(entry.first, entry.payload) for entry in entries["event"]],
        session,
    )


def _stored(entries: Iterable[HotEntry]) -> list[tuple[int, int, bytes]]:
    return [(entry.first, entry.after - entry.first, entry.payload) for entry in entries]


def _path(source: Source, directory: objects.Directory, first: int, sha256: str) -> str:
    month = datetime.fromtimestamp(directory.started_at_us / 1e6, UTC).strftime("%Y/%m")
    return f"{source.place}/{month}/{source.boot}-{first:012d}-{sha256[:16]}.spa"


def _first_behind(events: Iterable[HotEntry], seq: int) -> int:
    """The index of the first event that happened at ``seq`` or behind it."""
    for event in events:
        if int(orjson.loads(event.payload)["seq"]) >= seq:
            return event.first
    return EVERYTHING
