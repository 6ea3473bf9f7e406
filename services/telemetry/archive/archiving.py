"""Redis -> archive: build, put, read back, index, and only then take away.

What is due is found one device at a time and made for several together (`group.py`). Killed between any two
steps, the next one begins where the index says: an object that is in the store only is built again, byte for
byte, under the same name; what is indexed and still in Redis is compared with the archive and taken away.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from types import MappingProxyType
from typing import Final
from uuid import UUID

import msgspec
import structlog

from broker.fields import MAX_BLOCK_SAMPLES
from services.telemetry.archive.aside import Entries, named
from services.telemetry.archive.comparing import not_archived
from services.telemetry.archive.entries import HotEntries, HotEntry
from services.telemetry.archive.group import Group
from services.telemetry.archive.hot_side import (
    HotBoot,
    HotSide,
    hot_session,
    session_row,
    spans_of_gaps,
)
from services.telemetry.archive.making import make
from services.telemetry.archive.models import Run, join
from services.telemetry.archive.planning import NO_SPANS, Cut, Situation, cuts, reach, take
from services.telemetry.archive.reader import Archive
from services.telemetry.archive.rows import NOTHING, Commit, Marks, SessionRow
from services.telemetry.archive.statistics import session_statistics
from services.telemetry.archive.watch import ArchiveMetrics
from services.telemetry.archive.writing import Built
from services.telemetry.errors import Corrupt
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
    head_at: int = -1  # the mark at which ``oldest_us`` was looked up
    oldest_us: int | None = None
    staged: set[UUID] = field(default_factory=set)  # sessions that a step of this turn holds
    stored: Marks = field(default_factory=dict)
    changed_at: float = 0.0
    looked_at: float = float("-inf")
    waiting: int = 0  # samples
    ended_at: dict[UUID, float] = field(default_factory=dict)  # when a session's end was first seen


@dataclass(frozen=True, slots=True)
class _Load:
    """What goes into objects, and the marks behind it."""

    entries: Entries
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
        self._group = Group(hot, archive, metrics)
        self._troubles: dict[Source, str] = {}  # since the last flush that was asked for

    def look(self, boots: Iterable[HotBoot]) -> None:
        """Ask about all that are new at once: the index for their marks, Redis for their oldest block."""
        known = list(boots)
        new = [boot.source for boot in known if boot.source not in self._watches]
        marks = self._archive.index.all_marks(new) if new else {}
        now = self._clock()
        for source in new:
            self._watches[source] = _Watch(marks.get(source, dict(NOTHING)), changed_at=now)
        unseen = {
            boot.source: watch.marks["tension"]
            for boot in known
            if (watch := self._watches[boot.source]).head_at != watch.marks["tension"]
            and boot.stored["tension"] > watch.marks["tension"]
        }
        heads = self._hot.heads(unseen) if unseen else {}
        for source, mark in unseen.items():
            watch, head = self._watches[source], heads.get(source)
            watch.head_at, watch.oldest_us = mark, head.started_at_us if head else None
            watch.period_ms = head.period_ms if head else watch.period_ms

    def oldest_s(self) -> float:
        """Age of the oldest sample that is in Redis only, by its device's clock; 0 when there is none."""
        waiting = [
            watch.oldest_us
            for watch in self._watches.values()
            if watch.waiting and watch.oldest_us is not None and watch.head_at == watch.marks["tension"]
        ]
        return max(0.0, time.time() - min(waiting) / 1e6) if waiting else 0.0

    def flush(self) -> dict[Source, str]:
        """Make what was staged of all devices; what is wrong with just some of them, by device.

        Raises StoreUnavailable, ArchiveUnavailable: nothing is lost, the next turn tries again.
        """
        self._flush_now()
        found, self._troubles = self._troubles, {}
        return found

    def drop(self) -> None:
        """Forget what is staged: the next turn finds all of it again."""
        for source in self._group.clear():
            self.forget(source)

    def boot(self, boot: HotBoot, sessions: HotSessions, *, hurry: bool = False) -> None:
        """Stage what is due of one device and boot; ``hurry``: all there is, Redis is filling up.

        It is made with what is due of others, at the latest by ``flush``. Raises StoreUnavailable,
        ArchiveUnavailable: nothing is lost, the next turn tries again.
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
            self._archive_to(source, watch, cut, gaps, sessions)
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
        self.look([boot])
        watch = self._watches[boot.source]
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
            kind: reach(
                self._hot.entries(kind, source, marks[kind]).spans, spans_of_gaps(gaps, kind), marks[kind]
            )
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
    ) -> None:
        """Stage what lies before a cut."""
        load = self._load(source, watch.marks, cut, gaps, all_events=all_events)
        if load.marks == watch.marks:
            return
        made = make(source, load.entries, cut.session)
        rows = self._ended(source, watch.marks, load.marks, made.runs, sessions)
        behind = [gap for gap in gaps if gap.after <= load.marks[gap.kind]]
        behind += named(source, made.strays, made.sound)
        step = Commit(source, watch.marks, load.marks, (), rows, behind, made.strays)
        self._stage(step, watch, made.built, load.entries)

    def _stage(
        self,
        step: Commit,
        watch: _Watch,
        built: Sequence[Built] = (),
        entries: Entries = MappingProxyType({}),
    ) -> None:
        """From here on it counts as archived, until the group is made or fails."""
        watch.marks = step.after
        watch.staged |= {row.id for row in step.sessions}
        self._group.add(step, built, chain.from_iterable(entries.values()))
        if self._group.is_full:
            self._flush_now()

    def _flush_now(self) -> None:
        touched = self._group.sources
        try:
            outcome = self._group.flush()
        except BaseException:
            for source in touched:
                self.forget(source)
            raise
        for source in touched:
            if source in outcome.quicker or source in outcome.troubles:
                self.forget(source)
            elif source in self._watches:
                self._watches[source].staged.clear()
        self._troubles |= outcome.troubles

    def _settle(self, source: Source) -> None:
        """Before the archive is asked about a device: what is staged of it is not there yet."""
        if source in self._group.sources:
            self._flush_now()

    def _load(
        self, source: Source, marks: Marks, cut: Cut, gaps: Sequence[Gap], *, all_events: bool
    ) -> _Load:
        entries: dict[Kind, HotEntries] = {}
        after: Marks = {}
        for kind in ("tension", "blackbox"):
            named = spans_of_gaps(gaps, kind)
            limit = reach(NO_SPANS, named, cut.seq + MAX_BLOCK_SAMPLES)
            waiting = self._hot.entries(kind, source, marks[kind], limit)
            taken, after[kind] = take(waiting.spans, named, marks[kind], cut.seq, whole=cut.whole)
            entries[kind] = waiting.pick(taken)
        waiting = self._hot.entries("event", source, marks["event"])
        named = spans_of_gaps(gaps, "event")
        end = EVERYTHING if all_events else _first_behind(waiting, after["tension"])
        taken, after["event"] = take(waiting.spans, named, marks["event"], end, whole=True)
        entries["event"] = waiting.pick(taken)
        return _Load(entries, after)

    # --- what came late -------------------------------------------------------------------------------------
    def _settle_late(self, source: Source, watch: _Watch) -> None:
        """What lies below the marks: already archived, or a correction, which becomes a further object."""
        below = {kind: self._hot.entries(kind, source, 0, watch.marks[kind]) for kind in KINDS}
        if not any(below.values()):
            return
        self._settle(source)
        checked = make(source, below, None)
        try:
            new = {
                kind: not_archived(self._archive, kind, source, rows) for kind, rows in checked.sound.items()
            }
        except Corrupt as error:  # an object of the archive: what is newer must not wait until it is mended
            self._troubles[source] = f"{source.place}: what came late waits: {error.message}"
            return
        made = make(source, new, None)
        if made.built:
            log.warning("late samples are archived as a correction", place=str(source.place),
                        paths=[one.path for one in made.built])  # fmt: skip
        step = Commit(source, watch.marks, watch.marks, strays=checked.strays)
        self._stage(step, watch, made.built, below)

    # --- sessions -------------------------------------------------------------------------------------------
    def _ended(
        self, source: Source, before: Marks, after: Marks, fresh: Sequence[Run], sessions: HotSessions
    ) -> list[SessionRow]:
        """The sessions whose last sample is below the new marks, with their statistics."""
        rows = []
        for session, fields in sessions:
            place = hot_session(session, fields)
            if place is None or place.after is None or place.after > after["tension"]:
                continue
            runs = [
                run.slice(place.first, place.after)
                for run in fresh
                if run.first < place.after and run.after > place.first
            ]
            if place.first < before["tension"]:
                self._settle(source)
                runs += self._archived(source, place.first, place.after)
            statistics = session_statistics(join(runs)) if runs else None
            rows.append(replace(session_row(session, fields), statistics=statistics))
        return rows

    def _archived(self, source: Source, first: int, after: int) -> list[Run]:
        try:
            return self._archive.runs("tension", source, first, after)
        except Corrupt as error:
            log.warning("a session's figures are made without its damaged part", place=str(source.place),
                      why=error.message)  # fmt: skip
            return []

    def _record_sessions(self, source: Source, watch: _Watch, sessions: HotSessions, *, over: bool) -> None:
        """Those whose samples were archived before their end was heard of; when the boot is over, all."""
        ended = [
            (session, fields)
            for session, fields in sessions
            if (over or "ended_by" in fields) and session not in watch.staged
        ]
        if not ended:
            return
        known = self._archive.index.known_sessions([session for session, _ in ended])
        self._hot.forget_sessions(sorted(known))
        new = [(session, fields) for session, fields in ended if session not in known]
        rows = self._ended(source, watch.marks, watch.marks, (), new)
        if over:
            told = {row.id for row in rows}
            rows += [session_row(session, fields) for session, fields in new if session not in told]
        if rows:
            self._stage(Commit(source, watch.marks, watch.marks, sessions=rows), watch)


def _first_behind(events: Iterable[HotEntry], seq: int) -> int:
    """The index of the first event at ``seq`` or behind it; what cannot be read goes along."""
    for event in events:
        try:
            if msgspec.json.decode(event.payload, type=_EventSeq).seq >= seq:
                return event.first
        except msgspec.MsgspecError:
            continue
    return EVERYTHING


class _EventSeq(msgspec.Struct):
    seq: int
