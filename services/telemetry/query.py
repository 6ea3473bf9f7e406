"""Hot and archive as one: whatever is asked for, nobody sees where it lies.

Hot is read before the archive. What is moved is in the archive before it is trimmed, so that it is found in
one of them at least; what is found in both is taken once.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar
from uuid import UUID

import orjson

from services.kit.auth.principal import Sites
from services.kit.errors import SpondylError
from services.telemetry.archive.hot_side import session_row
from services.telemetry.archive.models import UNMEASURED, Run, join
from services.telemetry.archive.pyramid import Buckets, reduce, stride_for
from services.telemetry.archive.reader import Archive
from services.telemetry.archive.rows import SessionRow, parse_cursor
from services.telemetry.archive.runs import blackbox_runs
from services.telemetry.archive.statistics import session_statistics
from services.telemetry.decoded import Decoded
from services.telemetry.errors import (
    AmbiguousDevice,
    ArchiveUnavailable,
    StoreUnavailable,
    UnknownDevice,
    UnknownSession,
)
from services.telemetry.hot import Hot
from services.telemetry.models import Gap, Kind, Place, Source

T = TypeVar("T")
RUNNING: Final = "running"
LOST: Final = "lost"  # archived, and its end was never heard of
HOT_SESSIONS: Final = 100_000  # Redis knows those that are not archived yet: far fewer


@dataclass(frozen=True, slots=True)
class Span:
    """Samples ``first`` .. ``after - 1`` of one device and boot."""

    source: Source
    first: int
    after: int

    @property
    def count(self) -> int:
        """How many there would be without a gap."""
        return self.after - self.first


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sessions; None: any."""

    site: str | None = None
    device: str | None = None
    cure: UUID | None = None
    since_us: int | None = None
    until_us: int | None = None
    state: str | None = None  # running, completed, aborted, lost
    region: str | None = None
    patient: UUID | None = None
    appointment: UUID | None = None
    sites: Sites = None  # all that may be looked at

    def takes(self, row: SessionRow) -> bool:
        """Whether a session that Redis still has is wanted; none of those is lost."""
        have = {
            "site": row.place.site, "device": row.place.device, "state": state_of(row), "cure": row.cure,
            "region": row.region, "patient": row.patient, "appointment": row.appointment,
        }  # fmt: skip
        return (
            _is_in(row.place, self.sites)
            and all(getattr(self, name) in (None, value) for name, value in have.items())
            and (self.since_us is None or row.started_at_us >= self.since_us)
            and (self.until_us is None or row.started_at_us < self.until_us)
        )

    def of_archive(self) -> dict[str, Any]:
        """For Index.sessions."""
        return {name: getattr(self, name) for name in self.__slots__}


class History:
    """What is stored, wherever. Either part may be away: a stopped system has its archive alone.

    One that does not answer fails only those questions that cannot be answered without it: every method
    raises StoreUnavailable, ArchiveUnavailable, CorruptObject. ``archive`` is given as what opens it where it
    may be opened later. For any number of threads.
    """

    def __init__(self, hot: Hot | None, archive: Archive | Callable[[], Archive] | None) -> None:
        self.hot = hot
        self._archive = archive
        self._decoded = Decoded(hot) if hot else None

    @property
    def archive(self) -> Archive | None:
        """None where there is none at all. Raises ArchiveUnavailable when it cannot be opened."""
        return self._archive() if callable(self._archive) else self._archive

    # --- devices --------------------------------------------------------------------------------------------
    def places(self, sites: Sites = None) -> list[Place]:
        """Every device of which anything was ever stored, of these sites."""
        return self._places(sites)[0]

    def _places(self, sites: Sites) -> tuple[list[Place], SpondylError | None]:
        """Those that are known, and why one of the two could not be asked."""
        found, trouble = self._whoever_answers(
            lambda hot: hot.places(), lambda archive: archive.index.places()
        )
        return sorted({place for part in found for place in part if _is_in(place, sites)}), trouble

    def _whoever_answers(
        self, of_hot: Callable[[Hot], T], of_archive: Callable[[Archive], T]
    ) -> tuple[list[T], SpondylError | None]:
        """What Redis and the archive say, Redis first, and why one of them did not answer.

        Raises what is wrong when neither does.
        """
        found: list[T] = []
        trouble: SpondylError | None = None
        try:
            if self.hot:
                found.append(of_hot(self.hot))
        except StoreUnavailable as error:
            trouble = error
        try:
            if archive := self.archive:
                found.append(of_archive(archive))
        except ArchiveUnavailable as error:
            if trouble:
                raise trouble from None
            trouble = error
        if trouble and not found:
            raise trouble
        return found, trouble

    def place(self, device: str, site: str | None = None, sites: Sites = None) -> Place:
        """Where a device of this name stands, in these sites. Raises UnknownDevice, AmbiguousDevice."""
        known, trouble = self._places(sites)
        found = [place for place in known if place.device == device and site in (None, place.site)]
        if trouble and not found:
            raise trouble  # who is away may know it
        if not found:
            at = "" if site is None else f" at site {site[:40]!r}"
            raise UnknownDevice(
                f"device {device[:40]!r}{at} is not known here: GET /devices lists those that are"
            )
        if len(found) > 1:
            named = " and ".join(place.site for place in found)
            raise AmbiguousDevice(f"device {device!r} stands in {named}: add ?site=")
        return found[0]

    def boots(self, place: Place) -> list[UUID]:
        """A device's boots, oldest first; those that only the archive has come before those of Redis."""
        found, _ = self._whoever_answers(
            lambda hot: hot.boots(place), lambda archive: archive.index.boots(place)
        )
        hot = found[0] if found else []
        return [*(boot for part in found[1:] for boot in part if boot not in set(hot)), *hot]

    def after(self, source: Source) -> int:
        """The seq behind the newest sample of a boot."""
        found, trouble = self._whoever_answers(
            lambda hot: block.after if (block := hot.newest(source)) else 0,
            lambda archive: archive.index.marks(source)["tension"],
        )
        after = max(found, default=0)
        if trouble and not after:
            raise trouble
        return after

    # --- samples --------------------------------------------------------------------------------------------
    def runs(
        self,
        kind: Kind,
        source: Source,
        first: int = 0,
        after: int | None = None,
        columns: Collection[str] | None = None,
    ) -> list[Run]:
        """Samples ``first`` .. ``after - 1`` (None: all) of tension or black box, joined where they touch."""
        try:
            hot = self._hot_runs(kind, source, first, after)
        except StoreUnavailable:
            if not self._is_all_archived(kind, source, after):
                raise
            hot = []
        end = max((run.after for run in hot), default=first) if after is None else after
        found = [
            _only(run.slice(first, end), columns) for run in hot if run.first < end and run.after > first
        ]
        if (after is None or _holes(found, first, after)) and (archive := self.archive):
            found += archive.runs(kind, source, first, after, columns)
        return join(found)

    def _is_all_archived(self, kind: Kind, source: Source, after: int | None) -> bool:
        """Whether everything below ``after`` has left Redis."""
        archive = self.archive
        return archive is not None and after is not None and archive.index.marks(source)[kind] >= after

    def buckets(self, span: Span, points: int) -> list[Buckets]:
        """The tension of a span in at most ``points`` buckets (or two): its least, greatest and mean."""
        stride = stride_for(span.count, points)
        try:
            fresh = self._hot_runs("tension", span.source, span.first, span.after)
        except StoreUnavailable:
            if not self._is_all_archived("tension", span.source, span.after):
                raise
            fresh = []
        holes = _holes(fresh, span.first, span.after)
        if not holes or not self.archive:
            return [reduce(run, stride) for run in fresh]
        old = [bucket for low, high in holes for bucket in self._archived(span.source, low, high, stride)]
        return sorted([*old, *(reduce(run, stride) for run in fresh)], key=lambda part: part.first)

    def _hot_runs(self, kind: Kind, source: Source, first: int, after: int | None) -> list[Run]:
        if kind == "tension":
            return self._decoded.runs(source, first, after) if self._decoded else []
        return blackbox_runs(self.hot.raw(kind, source, first, after)) if self.hot else []

    def _archived(self, source: Source, first: int, after: int, stride: int) -> list[Buckets]:
        """The archive's buckets, of the very stride."""
        archive = self.archive
        return archive.buckets_of(source, first, after, stride) if archive else []

    # --- events and gaps ------------------------------------------------------------------------------------
    def events(self, source: Source) -> list[dict[str, Any]]:
        """Every event of a device and boot, in order, each once."""
        parts, trouble = self._whoever_answers(
            lambda hot: {index: orjson.loads(payload) for index, _, payload in hot.raw("event", source)},
            lambda archive: {event["index"]: event for event in archive.events(source)},
        )
        events = parts[-1] | parts[0] if parts else {}
        if trouble and 0 not in events:
            raise trouble  # the first ones lie with who is away
        return [events[index] for index in sorted(events)]

    def gaps(self, source: Source) -> list[Gap]:
        """Numbers that are known to come never, with the reason."""
        hot = self.hot.gaps(source) if self.hot else []
        return list(dict.fromkeys([*hot, *(self.archive.gaps(source) if self.archive else [])]))

    # --- sessions -------------------------------------------------------------------------------------------
    def session(self, session: UUID, sites: Sites = None) -> SessionRow:
        """One session. Raises UnknownSession, also for one of any but these sites."""
        absent: SpondylError = UnknownSession(f"session {session} is not known here")
        try:
            if (found := self._hot_session(session)) and _is_in(found.place, sites):
                return found
        except StoreUnavailable as error:
            absent = error  # it may be one of those that only Redis knows
        if (found := self._archived_session(session)) and _is_in(found.place, sites):
            return found
        raise absent

    def _hot_session(self, session: UUID) -> SessionRow | None:
        try:
            return _own_end(session, self.hot.session(session)) if self.hot else None
        except UnknownSession:
            return None

    def _archived_session(self, session: UUID) -> SessionRow | None:
        try:
            return _over(archive.session(session)) if (archive := self.archive) else None
        except UnknownSession:
            return None

    def sessions(self, wanted: Wanted, cursor: str | None, limit: int) -> tuple[list[SessionRow], str | None]:
        """A page of sessions, those that started last first, and the cursor of the next. Raises BadCursor.

        Without Redis these are those of the archive, which are over.
        """
        behind = parse_cursor(cursor) if cursor is not None else None
        try:
            hot = self.hot.sessions(HOT_SESSIONS) if self.hot else []
        except StoreUnavailable:
            if wanted.state == RUNNING or self.archive is None:
                raise
            hot = []
        rows = {row.id: row for row in (_own_end(*session) for session in hot) if wanted.takes(row)}
        known = {session for session, _ in hot}
        if wanted.state != RUNNING and (archive := self.archive):
            archived, _ = archive.sessions(cursor=cursor, limit=limit + 1, **wanted.of_archive())
            rows |= {row.id: _over(row) for row in archived if row.id not in known}
        ordered = sorted(rows.values(), key=_place_in_pages, reverse=True)
        page = [row for row in ordered if behind is None or _place_in_pages(row) < behind]
        last = page[limit - 1] if len(page) > limit else None
        return page[:limit], f"{last.started_at_us}.{last.id}" if last else None

    def span(self, session: SessionRow) -> Span | None:
        """Where its samples lie, up to now when it goes on; None when its start was never heard of."""
        source = session.source
        if source is None or session.first_seq is None:
            return None
        ended = session.end_seq is not None and session.end_seq >= session.first_seq
        after = (session.end_seq or 0) + 1 if ended else self.after(source)
        return Span(source, session.first_seq, max(after, session.first_seq))

    def session_runs(self, session: SessionRow, columns: Collection[str] | None = None) -> list[Run]:
        """All tension samples of a session."""
        span = self.span(session)
        return self.runs("tension", span.source, span.first, span.after, columns) if span else []

    def session_events(self, session: SessionRow) -> list[dict[str, Any]]:
        """What happened in a session."""
        events = self.events(session.source) if session.source else []
        return [event for event in events if event.get("session") == str(session.id)]

    def statistics(self, session: SessionRow) -> dict[str, Any]:
        """What its samples come to: as archived, else measured now."""
        return session.statistics or session_statistics(self.session_runs(session))


def _is_in(place: Place, sites: Sites) -> bool:
    return sites is None or place.site in sites


def _own_end(session: UUID, fields: dict[str, str]) -> SessionRow:
    """The row; a session that was ended in a later boot has no end in its own."""
    row = session_row(session, fields)
    if row.end_seq is None or fields.get("end_boot") == fields.get("boot"):
        return row
    return replace(row, end_seq=None)


def _over(row: SessionRow) -> SessionRow:
    """An archived session whose end was never heard of will not go on."""
    return row if row.ended_by else replace(row, ended_by=f"session.{LOST}")


def state_of(session: SessionRow) -> str:
    """running, completed, aborted or lost."""
    return session.ended_by.removeprefix("session.") if session.ended_by else RUNNING


def _place_in_pages(row: SessionRow) -> tuple[int, str]:
    return row.started_at_us, str(row.id)


def _only(run: Run, columns: Collection[str] | None) -> Run:
    if columns is None:
        return run
    kept = {name: column for name, column in run.columns.items() if name in {*columns, UNMEASURED}}
    return Run(run.first, run.period_ms, run.times, kept, run.decimals, run.note)


def _holes(runs: Sequence[Run], first: int, after: int) -> list[tuple[int, int]]:
    """What of ``first`` .. ``after - 1`` is in none of the runs, which are in order."""
    found, reached = [], first
    for run in runs:
        if run.first > reached:
            found.append((reached, run.first))
        reached = max(reached, run.after)
    if reached < after:
        found.append((reached, after))
    return found
