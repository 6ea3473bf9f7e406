"""From the spool to the bus: what is new goes out at once, what is old follows in order and rate-limited.

Three lanes. *Live*: rows appended since the connection stands. *Backlog*: everything uncommitted from before,
oldest first. *Wanted*: what telemetry asks for because it never arrived. The last two share ``backlog_per_s``
rows a second and half of the window, so that live data stays live; a row that one of the other lanes has yet
to send is not sent as wanted, too. Within a lane the order of the spool is kept; a consumer of a gateway that
catches up sees all of them, told apart by seq.

Nothing is forgotten here: only the spool's ``trim`` does that. After every reconnect, and when nothing was
committed for long although all was sent, the drain begins again with the first uncommitted row.
"""

import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from uuid import UUID

import structlog

from broker.bus import Bus, BusBusy, BusOffline
from broker.codec import Malformed
from broker.contract import STREAMS
from broker.publication import Publication
from broker.spool import Row, Spool

log = structlog.get_logger(__name__)

BACKLOG_PER_S = 200.0  # the least; see backlog_rate
WINDOW = 80  # below the bus's own, which state, alarms and replies share
PATIENCE_S = 30.0  # without a commit before all is sent again; doubled each time in vain
MOST_PATIENCE_S = 600.0
MOST_WANTED = 256  # spans
REFUSED_S = (
    600.0  # a topic the broker refused is left alone so long: Mosquitto 2.0.11 hangs up after a refusal
)


def backlog_rate(live_per_s: float) -> float:
    """Rows a second for the backlog of a gateway that makes so many: an outage drains in half its length."""
    return max(BACKLOG_PER_S, 2.0 * live_per_s)


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers ``first`` .. ``next - 1`` of one stream, device and boot."""

    stream: str
    device: str
    boot: UUID
    first: int
    next: int


@dataclass(slots=True)
class Lane:
    """How far a lane has come, by row id."""

    after: int = 0
    until: int | None = None  # the last row of the backlog; the live lane has no end
    sent: int = 0


@dataclass(slots=True)
class Drain:
    """Publishes a spool's rows; one owner thread calls ``tick`` every few tens of milliseconds."""

    spool: Spool
    bus: Bus
    site: str
    backlog_per_s: float = BACKLOG_PER_S
    window: int = WINDOW
    patience_s: float = PATIENCE_S
    live: Lane = field(default_factory=Lane)
    backlog: Lane = field(default_factory=Lane)
    unsendable: int = 0
    resent: int = 0  # rows that telemetry had asked for
    _fresh: threading.Event = field(default_factory=threading.Event)
    _open: dict[Publication, Row] = field(default_factory=dict)
    _wanted: deque[Span] = field(default_factory=deque)
    _refused: dict[tuple[str, str], float] = field(default_factory=dict)  # until when they are left alone
    _allowance: float = 0.0
    _ticked_at: float = 0.0
    _first: int = 0  # the oldest uncommitted row when last looked at
    _progress_at: float = 0.0
    _patience: float = 0.0

    def __post_init__(self) -> None:
        self._fresh.set()
        self.bus.on_connected(self._fresh.set)

    def tick(self, now: float | None = None) -> int:
        """Publish what may go now, without waiting; how many rows went. ``now`` is monotonic seconds."""
        now = time.monotonic() if now is None else now
        elapsed, self._ticked_at = now - self._ticked_at, now
        self._allowance = min(self._allowance + elapsed * self.backlog_per_s, self.backlog_per_s)
        self._settle(now)
        if not self.bus.connected:
            self._fresh.set()
            return 0
        if self._fresh.is_set():
            self._begin_again(now)
        self._watch_progress(now)
        return (
            self._push(self.live, self.window - len(self._open)) + self._push_wanted() + self._push_backlog()
        )

    def want(self, span: Span) -> None:
        """Send these again; what is asked for while too much is wanted is left to be asked for again."""
        if span not in self._wanted and len(self._wanted) < MOST_WANTED:
            self._wanted.append(span)

    @property
    def catching_up(self) -> bool:
        """Whether the backlog lane has not yet come to its end."""
        return self.backlog.until is not None and self.backlog.after < self.backlog.until

    def _settle(self, now: float) -> None:
        """Let go of what was answered; remember what was refused."""
        for publication in [one for one in self._open if one.settled]:
            row = self._open.pop(publication)
            if publication.outcome == "refused":
                self._refused[row.stream, row.device] = now + REFUSED_S
        self._refused = {place: until for place, until in self._refused.items() if until > now}

    def _push_backlog(self) -> int:
        if not self.catching_up:
            return 0
        sent = self._push(self.backlog, self._room())
        self._allowance -= sent
        return sent

    def _room(self) -> int:
        """How many rows the paced lanes may send now."""
        return min(int(self._allowance), self.window // 2 - len(self._open))

    def _push_wanted(self) -> int:
        """The next rows of what is wanted: one look at the spool a tick."""
        before, room = self.resent, self._room()
        if not self._wanted or room <= 0:
            return 0
        span = self._wanted.popleft()
        rows = self.spool.within(span.stream, span.device, span.boot, span.first, span.next, room)
        for row in rows:
            if self._is_to_come(row):
                break  # and so is what lies behind it
            if self._is_on_its_way(row):
                continue
            if not self._publish(row):
                self._wanted.appendleft(replace(span, first=row.first))
                break
            self.resent += 1
            self._allowance -= 1
        else:
            if len(rows) == room and rows[-1].next < span.next:
                self._wanted.appendleft(replace(span, first=rows[-1].next))
        return self.resent - before

    def _is_to_come(self, row: Row) -> bool:
        """Whether another lane has yet to send this row."""
        ahead = self.backlog.after < row.id <= (self.backlog.until or 0)
        return row.id > self.live.after or (ahead and not row.committed)

    def _is_on_its_way(self, row: Row) -> bool:
        return any(row.id == other.id for other in self._open.values())

    def _push(self, lane: Lane, room: int) -> int:
        if room <= 0:
            return 0
        rows = self.spool.pending(lane.after, room, lane.until)
        if not rows and lane.until is not None:
            lane.after = lane.until
        for count, row in enumerate(rows):
            if not self._publish(row):
                return count
            lane.after = row.id
            lane.sent += 1
        return len(rows)

    def _publish(self, row: Row) -> bool:
        """Whether the lane may go on: a row that contract or broker forbid is passed over."""
        if (row.stream, row.device) in self._refused:
            return True
        try:
            publication = self.bus.publish(
                STREAMS[row.stream], row.payload, self.site, row.device, timeout_s=0.0
            )
        except (BusOffline, BusBusy):
            return False
        except (Malformed, KeyError) as error:
            self.unsendable += 1
            what = f"{row.stream} {row.device} {row.first}"
            log.warning("a row of the spool cannot be sent", row=row.id, what=what, why=str(error))
            return True
        self._open[publication] = row
        return True

    def _begin_again(self, now: float) -> None:
        self._fresh.clear()
        self._open.clear()
        last = self.spool.last_id()
        self.live.after = last
        self.backlog.after, self.backlog.until = 0, last
        self._first, self._progress_at, self._patience = 0, now, self.patience_s

    def _watch_progress(self, now: float) -> None:
        """Send all again when everything went out and nothing was committed for longer than our patience."""
        first = self.spool.first_id()
        if first != self._first or not first:
            self._first, self._progress_at, self._patience = first, now, self.patience_s
        if self.catching_up or now - self._progress_at < self._patience:
            return
        log.warning("nothing committed for long: sending again", seconds=round(now - self._progress_at))
        patience = min(2 * self._patience, MOST_PATIENCE_S)
        self._begin_again(now)
        self._first, self._patience = first, patience
