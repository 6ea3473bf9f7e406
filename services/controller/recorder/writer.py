"""The stored lane of the recorder: ring -> blocks, black box and events -> spool, exactly once.

Blocks are cut at multiples of ``block_ms`` since boot, chunks at multiples of CHUNK_S and where parameters
are taken: whoever cuts the same samples again gets the same pieces. The newest samples stay in the ring until
a piece is complete; the cursor moves with the piece, in one transaction.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
import structlog

from broker.messages import Committed, Event, EventType
from broker.spool import Spool
from services.controller.alarms.events import GatewayAlarms, ParametersOf
from services.controller.blackbox.recording import Recordings
from services.controller.kernel import layout
from services.controller.loop.shared import GatewayMemory, Overrun
from services.controller.recorder import ledger
from services.controller.recorder.blocks import (
    PARAMETER_ACTIONS,
    blackbox_payload,
    chunk_edges,
    tension_payload,
)
from services.controller.recorder.books import Books, Note
from services.controller.recorder.events import Diary, FactsOf
from services.controller.recorder.known_sessions import KnownSessions
from services.controller.recorder.wallclock import ClockWatch

log = structlog.get_logger(__name__)

CHUNK_S: Final = 5.0
BATCH_S: Final = 5.0  # the most that is stored in one transaction, when catching up
TOO_LATE: Final = "the recorder came too late"
MARGIN: Final = 32  # a reader that was overrun goes on this part of the ring ahead of the writer

Samples = npt.NDArray[np.int32]
Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of all beds from ``first`` on; before them, ticks from ``lost_from`` on were lost."""

    first: int
    times: Times
    samples: Samples
    lost_from: int | None = None

    @property
    def next(self) -> int:
        """The first tick behind the batch."""
        return self.first + len(self.times)


@dataclass(slots=True)
class Writer:
    """Stores one boot's samples; ``store`` is one transaction, after any error nothing has changed."""

    memory: GatewayMemory
    spool: Spool
    sessions: KnownSessions
    recordings: Recordings
    block_ms: float
    boards: dict[str, Any] = field(default_factory=dict)  # the live lane's, kept here for a restart
    gateway_alarms: GatewayAlarms | None = None  # the live lane's: what it knows of the gateway itself
    next: int = 0
    clock: ClockWatch = field(default_factory=ClockWatch)
    books: list[Books] = field(default_factory=list)
    copy_failed_at: float | None = None  # monotonic (s), of a chunk that no local recording took
    _tail: tuple[Times, Samples] | None = None
    _saved: ledger.Position | None = None

    def __post_init__(self) -> None:
        ledger.prepare(self.spool.connection)
        saved = ledger.load(self.spool.connection)
        if saved is None or saved.boot != self.memory.boot:
            saved = self._position()
        self._restore(saved)

    # --- geometry ---------------------------------------------------------------------------------------
    @property
    def block_ticks(self) -> int:
        """Samples a block, at least one."""
        return max(1, round(self.block_ms * 1e6 / self.memory.period_ns))

    @property
    def chunk_ticks(self) -> int:
        """Samples a black-box chunk: whole blocks."""
        return self.block_ticks * max(1, round(CHUNK_S * 1e9 / self.memory.period_ns / self.block_ticks))

    @property
    def period_ms(self) -> float:
        """The loop's period."""
        return self.memory.period_ns / 1e6

    # --- one transaction --------------------------------------------------------------------------------
    def store(
        self,
        notes: Sequence[Note] = (),
        commits: Sequence[tuple[str, Committed]] = (),
        *,
        final: bool = False,
    ) -> int:
        """Store what is complete (``final``: all there is), with notes and commits; how many ticks went."""
        batch = self._read(final=final)
        before = self.next
        if batch.next == before and not notes and not commits:
            return 0
        try:
            with self.spool.transaction() as connection:
                tail = self._apply(batch, notes, final=final)
                self.trim(commits)
                position = self._position()
                ledger.save(connection, position)
                ledger.tell(connection, [note.report for note in notes if note.report is not None])
        except BaseException:
            self._restore(self._saved)
            raise
        self._tail, self._saved = tail, position
        return batch.next - before

    def trim(self, commits: Sequence[tuple[str, Committed]]) -> None:
        """Take note of what is stored at the far end, by device."""
        for device, committed in commits:
            for stream, next_ in committed.next.items():
                self.spool.trim(stream, device, committed.boot, next_)

    def recorded(self, stream: str, device: str) -> int:
        """The first number of a stream of this boot that is not in the spool yet; ValueError for no bed."""
        bed = self.memory.devices.index(device)
        book = self.books[bed]
        return {"tension": self.next, "blackbox": book.box_next, "event": book.diary.index}[stream]

    def finish(self, beat: Callable[[], None] = lambda: None) -> None:
        """The boot is over: store the rest, end what was open as aborted; ``beat`` after every piece."""
        while self.store(final=True):
            beat()
        end_boot(self.spool, self.sessions)

    # --- reading ----------------------------------------------------------------------------------------
    def _read(self, *, final: bool) -> Batch:
        head = self.memory.head()
        last = head if final else head - head % self.block_ticks
        last = min(last, self.next + max(self.block_ticks, self._ticks(BATCH_S)))
        try:
            return Batch(self.next, *self.memory.read(self.next, max(last, self.next)))
        except Overrun as overrun:
            return self._after_overrun(overrun.oldest)

    def _after_overrun(self, oldest: int) -> Batch:
        """Go on ahead of the writer, at the next block's beginning; what lies between is lost."""
        ahead = oldest + self.memory.capacity_ticks // MARGIN
        first = min(-(-ahead // self.block_ticks) * self.block_ticks, self.memory.head())
        empty = (np.empty((0, 3), np.int64), np.empty((0, len(layout.SAMPLES), self.memory.beds), np.int32))
        return Batch(first, *empty, lost_from=self.next)

    def _ticks(self, seconds: float) -> int:
        ticks = round(seconds * 1e9 / self.memory.period_ns)
        return max(1, ticks // self.block_ticks) * self.block_ticks

    def _box_samples(self, batch: Batch) -> tuple[int, Times, Samples]:
        """Samples from the first one that is in no chunk yet to the batch's end, and which tick that is."""
        first = min([book.box_next for book in self.books] + [batch.first])
        if first == batch.first:
            return first, batch.times, batch.samples
        tail = self._tail
        if tail is None or len(tail[0]) == 0 or tail[0][0, 0] > first:
            tail = self.memory.read(first, batch.first)
        skip = first - int(tail[0][0, 0])
        times = np.concatenate((tail[0][skip:], batch.times))
        return first, times, np.concatenate((tail[1][skip:], batch.samples))

    # --- applying, within the transaction ---------------------------------------------------------------
    def _apply(self, batch: Batch, notes: Sequence[Note], *, final: bool) -> tuple[Times, Samples]:
        box = self._box(batch)
        if batch.lost_from is not None:
            self._lose(batch.lost_from, batch.first)
        for bed, book in enumerate(self.books):
            self._blocks(book, batch, bed)
            self._events(book, self._observed(book, batch, bed))
            self._chunks(book, bed, box, final=final)
        for step in self.clock.observe(batch.times) if len(batch.times) else ():
            self._tell_all(batch.times[step.row], "clock.stepped", {"step_s": round(step.step_s, 3)})
        for note in notes:
            book = self.books[note.bed]
            seq = max(0, batch.next - 1)
            event = book.diary.note(note.kind, seq, note.realtime_ns, dict(note.data))
            of: dict[str, Any] = {} if note.session is None else {"session": note.session}
            of |= {"correlation": event.correlation or note.correlation}
            self._events(book, [event.model_copy(update=of)])
        self.next = batch.next
        first = min(book.box_next for book in self.books) - box[0]
        return box[1][first:], box[2][first:]

    def _observed(self, book: Books, batch: Batch, bed: int) -> list[Event]:
        """What happened at a bed, its alarms among it; then what changed with the gateway."""
        samples, facts_of = batch.samples[:, :, bed], self._facts_of(book)
        events = book.alarms.observe(
            book.diary, batch.times, samples, self.block_ticks, facts_of, self._parameters_of(book)
        )
        if self.gateway_alarms is None:
            return events
        return events + book.alarms.of_gateway(book.diary, max(0, batch.next - 1), self.gateway_alarms)

    def _box(self, batch: Batch) -> tuple[int, Times, Samples]:
        """``_box_samples``, or, when they were lost with the rest, the batch alone."""
        if batch.lost_from is not None:
            self._close_boxes(batch.lost_from)
        else:
            try:
                return self._box_samples(batch)
            except Overrun:
                self._lose(min(book.box_next for book in self.books), batch.first, ("blackbox",))
        for book in self.books:
            book.box_next = batch.first
        return batch.first, batch.times, batch.samples

    def _close_boxes(self, end: int) -> None:
        """Before a gap: what is still at hand goes into chunks that end there."""
        if self._tail is None:
            if (begin := min(book.box_next for book in self.books)) < end:
                self._lose(begin, end, ("blackbox",))
            return
        times, samples = self._tail
        if not len(times):
            return
        for bed, book in enumerate(self.books):
            if book.box_next < end:
                self._chunks(book, bed, (int(times[0, 0]), times, samples), final=True)

    def _lose(self, first: int, next_: int, streams: Sequence[str] = ("tension", "blackbox")) -> None:
        log.error("samples lost", why=TOO_LATE, first=first, next=next_)
        data = {
            "first": first,
            "next": next_,
            "samples": next_ - first,
            "streams": list(streams),
            "reason": TOO_LATE,
        }
        realtime_ns = max((book.diary.last.realtime_ns for book in self.books), default=0)
        self._tell_all(np.array([first, 0, realtime_ns]), "samples.lost", data)

    def _tell_all(self, time: Times, kind: EventType, data: dict[str, Any]) -> None:
        for book in self.books:
            self._events(book, [book.diary.note(kind, int(time[0]), int(time[2]), data)])

    def _blocks(self, book: Books, batch: Batch, bed: int) -> None:
        edges = [batch.first, *range(_above(batch.first, self.block_ticks), batch.next, self.block_ticks)]
        for first, last in pairwise([*edges, batch.next] if len(batch.times) else []):
            rows = slice(first - batch.first, last - batch.first)
            payload = tension_payload(
                self.memory.boot, self.period_ms, batch.times[rows], batch.samples[rows, :, bed]
            )
            _append(self.spool, "tension", book.diary.device, self.memory.boot, first, last, payload)

    def _events(self, book: Books, events: Sequence[Event]) -> None:
        for event in events:
            payload = event.model_dump_json().encode()
            if event.type.startswith("session."):
                log.info("event", type=event.type, device=book.diary.device, session=str(event.session),
                         correlation=event.correlation)  # fmt: skip
            _append(self.spool, "event", book.diary.device, event.boot, event.index, event.index + 1, payload)

    def _chunks(self, book: Books, bed: int, box: tuple[int, Times, Samples], *, final: bool) -> None:
        begin, times, samples = box
        skip = book.box_next - begin
        times, samples = times[skip:], samples[skip:, :, bed]
        for first, last in pairwise(self._cuts(book.box_next, samples, final=final)):
            rows = slice(first - book.box_next, last - book.box_next)
            self._chunk(book, bed, times[rows], samples[rows])
        if cuts := self._cuts(book.box_next, samples, final=final):
            book.box_next = cuts[-1]

    def _cuts(self, first: int, samples: Samples, *, final: bool) -> list[int]:
        """Ticks at which chunks begin and end, from ``first`` to the last complete end."""
        if not len(samples):
            return []
        end = first + len(samples)
        inner = chunk_edges(samples, int(samples[0, layout.S_SESSION]), int(samples[0, layout.S_PHASE]))
        cuts = {first, *(first + row for row in inner if row)}
        cuts |= set(range(_above(first, self.chunk_ticks), end + 1, self.chunk_ticks))
        return sorted(cuts | ({end} if final else set()))

    def _chunk(self, book: Books, bed: int, times: Times, samples: Samples) -> None:
        first, number = int(times[0, 0]), int(samples[0, layout.S_SESSION])
        treated = number > 0 and int(samples[0, layout.S_PHASE]) != layout.IDLE
        boot, device = self.memory.boot, book.diary.device
        session = self.sessions.session_id(boot, device, number) if treated else None
        payload = blackbox_payload(
            boot, self.period_ms, times, samples, session, self._taken(bed, first, samples[0])
        )
        if session is not None:
            self._record(session, payload)
        _append(self.spool, "blackbox", device, boot, first, first + len(times), payload)

    def _taken(self, bed: int, tick: int, sample: Samples) -> npt.NDArray[np.float64] | None:
        """The parameters this tick took, if it took any."""
        if sample[layout.S_ACTION] not in PARAMETER_ACTIONS or sample[layout.S_REFUSAL]:
            return None
        try:
            return self.memory.taken(bed, tick)
        except LookupError as error:
            log.error("a recording lacks its parameters", why=str(error))  # noqa: TRY400  (told in full)
            return None

    def _record(self, session: UUID, payload: bytes) -> None:
        try:
            self.recordings.append(session, payload)
        except OSError as error:
            self.copy_failed_at = time.monotonic()
            log.error("local recording not written", session=str(session), why=error.strerror)  # noqa: TRY400  (told in full)

    # --- state ------------------------------------------------------------------------------------------
    def _facts_of(self, book: Books) -> FactsOf:
        return partial(self.sessions.facts, book.diary.device)

    def _parameters_of(self, book: Books) -> ParametersOf:
        def of_session(number: int) -> Sequence[float] | None:
            session = self.sessions.shown(book.diary.device, number)
            return session.parameters or None if session else None

        return of_session

    def _position(self) -> ledger.Position:
        books = self.books or [self._fresh(device) for device in self.memory.devices]
        beds = {
            book.diary.device: book.dump() | {"board": self.boards.get(book.diary.device)} for book in books
        }
        return ledger.Position(self.memory.boot, self.next, self.clock.offset_ns, beds)

    def _restore(self, saved: ledger.Position | None) -> None:
        if saved is None:
            raise RuntimeError("no position to go back to")
        self.next, self.clock = saved.next, ClockWatch(saved.clock_offset)
        self.books = [
            Books.restore(saved.beds[device]) if device in saved.beds else self._fresh(device)
            for device in self.memory.devices
        ]
        self._saved = saved

    def _fresh(self, device: str) -> Books:
        return Books(Diary(self.memory.boot, device, self.memory.period_ns), self.next)


def end_boot(spool: Spool, sessions: KnownSessions) -> None:
    """The boot of the last position is over: sessions under way then are ended as aborted, once."""
    ledger.prepare(spool.connection)
    saved = ledger.load(spool.connection)
    if saved is None:
        return
    beds = dict(saved.beds)
    with spool.transaction() as connection:
        for device, row in saved.beds.items():
            diary = Diary.restore(row["diary"])
            for event in diary.interrupt(partial(sessions.facts, device)):
                payload = event.model_dump_json().encode()
                _append(spool, "event", device, event.boot, event.index, event.index + 1, payload)
            beds[device] = {**row, "diary": diary.dump()}
        ledger.save(connection, replace(saved, beds=beds))


_repeated: set[tuple[UUID, str]] = set()  # what has been told of already


def _append(
    spool: Spool, stream: str, device: str, boot: UUID, first: int, next_: int, payload: bytes
) -> None:
    """Append, unless the stream has a row there: a cursor behind its spool must not stop the record."""
    try:
        spool.append(stream, device, boot, first, next_, payload)
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_UNIQUE:
            raise
        if (boot, stream) not in _repeated:
            _repeated.add((boot, stream))
            why = f"{error}: the row that was stored first is kept"
            log.error("the cursor is behind the spool", stream=stream, device=device, first=first, why=why)  # noqa: TRY400  (told in full)


def _above(tick: int, step: int) -> int:
    """The first multiple of ``step`` above ``tick``."""
    return (tick // step + 1) * step
