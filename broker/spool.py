"""The gateway's durable outbound queue: on disk before it is published, kept until stored at the far end.

One SQLite file (WAL, flushed at every commit) holds the spool and whatever its owner keeps beside it, so that
rows, cursor and accumulators change in one transaction:

    spool = Spool(Spool.open(path))
    with spool.transaction() as connection:
        spool.append("tension", "bed-01", boot, first=500, next_=510, payload=block)
        connection.execute("UPDATE cursor SET next = 510")

Committed rows stay as long as there is room for them: they are the reserve that a full disk takes first.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

log = structlog.get_logger(__name__)

MAX_BYTES = 2 * 1024**3  # a day of six beds
KEEP_BYTES = 16 * 1024**2  # of committed rows
PRUNE_ROWS = 500
LOOK_ROWS = 5000  # a quarter of an hour of one bed

_SCHEMA = """
CREATE TABLE IF NOT EXISTS spool (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,    -- the order of appending; never used twice
    committed INTEGER NOT NULL DEFAULT 0,
    at        REAL    NOT NULL,                     -- wall clock, for people: nothing is decided by it
    stream    TEXT    NOT NULL,
    device    TEXT    NOT NULL,
    boot      BLOB    NOT NULL,
    first     INTEGER NOT NULL,
    next      INTEGER NOT NULL,
    payload   BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS spool_once ON spool (device, stream, boot, first);
CREATE INDEX IF NOT EXISTS spool_open ON spool (id) WHERE committed = 0;
CREATE INDEX IF NOT EXISTS spool_reserve ON spool (id) WHERE committed = 1;
"""
_OLDEST = "SELECT id FROM spool WHERE committed = 0 ORDER BY id LIMIT 1"
_NEWEST = "SELECT seq FROM sqlite_sequence WHERE name = 'spool'"
_BEFORE = "WHERE device = ? AND stream = ? AND boot = ? AND first < ? AND next <= ? AND committed = 0"
_MEASURE = f"SELECT count(*), coalesce(sum(length(payload)), 0) FROM spool {_BEFORE}"  # noqa: S608  (constants)
_COMMIT = f"UPDATE spool SET committed = 1 {_BEFORE}"  # noqa: S608  (constants)
_SHED = (
    "DELETE FROM spool WHERE id IN (SELECT id FROM spool WHERE committed = 1 ORDER BY id"
    " LIMIT (SELECT (count(*) + 1) / 2 FROM spool WHERE committed = 1))"
)
_IN = "FROM spool WHERE device = ? AND stream = ? AND boot = ?"
_WITHIN = (  # rows are disjoint: the one that begins at or before `first` may reach in, none before it does
    f"{_IN} AND first >= coalesce((SELECT max(first) {_IN} AND first <= ?), 0)"
    " AND first < ? AND next > ? ORDER BY first LIMIT ?"
)
_ALL = "SELECT committed, count(*), sum(length(payload)) FROM spool GROUP BY committed"
_RESERVE = "SELECT count(*), coalesce(sum(length(payload)), 0) FROM spool WHERE committed = 1"
_WAITING = (  # one look a device, through the index: a day of rows is not counted through
    "WITH RECURSIVE devices (device) AS (SELECT min(device) FROM spool UNION ALL SELECT"
    " (SELECT min(device) FROM spool WHERE device > devices.device) FROM devices WHERE device NOT NULL)"
    " SELECT 1 FROM devices CROSS JOIN spool ON spool.device = devices.device"
    " WHERE stream = ? AND boot = ? AND first < ? AND committed = 0 LIMIT 1"
)
_NO_SPACE = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


class SpoolError(Exception):
    """The spool could not be read or written.

    SpoolError
    +- SpoolFull    no room, and nothing committed is left to make some
    """


class SpoolFull(SpoolError):  # noqa: N818  (a state of the disk, not a fault of the caller)
    """No room on the disk or within ``max_bytes``: the transaction did nothing, try it again later."""


@dataclass(frozen=True, slots=True)
class Row:
    """One message, covering ``first`` (included) to ``next`` (excluded) of its stream and boot."""

    id: int
    stream: str
    device: str
    boot: UUID
    first: int
    next: int
    payload: bytes
    committed: bool = False


@dataclass(frozen=True, slots=True)
class Size:
    """What the spool holds; the reserve is what is committed and kept while there is room."""

    rows: int
    bytes: int
    reserve_rows: int
    reserve_bytes: int


@dataclass(frozen=True, slots=True)
class _Held:
    """Rows and bytes, uncommitted and in reserve: counted once, then kept up with every change.

    Counting a day of six beds takes a second, and the owner asks twice a second.
    """

    rows: int = 0
    bytes: int = 0
    reserve_rows: int = 0
    reserve_bytes: int = 0

    def appended(self, size: int) -> "_Held":
        """One more uncommitted row."""
        return replace(self, rows=self.rows + 1, bytes=self.bytes + size)

    def committed(self, rows: int, size: int) -> "_Held":
        """Uncommitted rows that are in reserve now."""
        return _Held(self.rows - rows, self.bytes - size, self.reserve_rows + rows, self.reserve_bytes + size)

    def dropped(self, rows: int, size: int) -> "_Held":
        """So much less in reserve."""
        return replace(self, reserve_rows=self.reserve_rows - rows, reserve_bytes=self.reserve_bytes - size)


class Spool:
    """The queue in a SQLite file; one object per thread, on a connection of ``open``."""

    def __init__(
        self, connection: sqlite3.Connection, max_bytes: int = MAX_BYTES, keep_bytes: int = KEEP_BYTES
    ) -> None:
        self._connection = connection
        self._max_bytes = max_bytes
        self._keep_bytes = keep_bytes
        with _mapped():
            connection.executescript(_SCHEMA)
            self._held = self._count()
        self._before = self._held  # the transaction under way

    @staticmethod
    def open(path: Path | str) -> sqlite3.Connection:
        """A connection that loses nothing committed: WAL, fully synchronous; SpoolError when it cannot be."""
        with _mapped():
            connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA journal_size_limit = 16777216")
            return connection

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, for the owner's own tables."""
        return self._connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, on disk when it returns.

        SpoolFull when there is no room: then the oldest committed rows are dropped, so that the next try
        may succeed. Any other error leaves everything as it was, too.
        """
        self._before = self._held
        try:
            with _mapped():
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
        except BaseException as error:
            self._roll_back()
            if isinstance(error, SpoolFull):
                self._shed()
            raise

    def append(self, stream: str, device: str, boot: UUID, first: int, next_: int, payload: bytes) -> None:
        """Add a message behind all others, within the caller's transaction.

        SpoolFull when ``max_bytes`` are reached and nothing committed is left to drop; sqlite3.IntegrityError
        when the range of this stream and boot was added before.
        """
        if not self._connection.in_transaction:
            raise SpoolError("append belongs into `with spool.transaction()`")
        while self._held.bytes + self._held.reserve_bytes + len(payload) > self._max_bytes:
            if not self._drop_reserve():
                raise SpoolFull(
                    f"spool holds {self._held.bytes} uncommitted bytes of {self._max_bytes} allowed"
                )
        self._connection.execute(
            "INSERT INTO spool (at, stream, device, boot, first, next, payload) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (time.time(), stream, device, boot.bytes, first, next_, payload),
        )
        self._held = self._held.appended(len(payload))

    def pending(self, after: int = 0, limit: int = 100, until: int | None = None) -> list[Row]:
        """The oldest uncommitted rows with an id above ``after`` and at most ``until``, in order."""
        with _mapped():
            found = self._connection.execute(
                "SELECT id, stream, device, boot, first, next, payload FROM spool"
                " WHERE committed = 0 AND id > ? AND id <= ? ORDER BY id LIMIT ?",
                (after, 2**62 if until is None else until, limit),
            ).fetchall()
        return [Row(row[0], row[1], row[2], UUID(bytes=row[3]), *row[4:]) for row in found]

    def within(
        self, stream: str, device: str, boot: UUID, first: int, next_: int, limit: int = 100
    ) -> list[Row]:
        """The first rows that hold any of ``first`` .. ``next_ - 1``, committed or not, in order."""
        found = self._within("id, payload, committed", stream, device, boot, first, next_, limit)
        return [Row(row[2], stream, device, boot, row[0], row[1], row[3], bool(row[4])) for row in found]

    def absent(
        self, stream: str, device: str, boot: UUID, first: int, next_: int, limit: int = LOOK_ROWS
    ) -> list[tuple[int, int]]:
        """Which of the numbers ``first`` .. ``next_ - 1`` are in no row, as spans (first, next).

        It looks at ``limit`` rows at most: what lies behind them is not told.
        """
        rows = self._within("id", stream, device, boot, first, next_, limit)
        spans = []
        for begins, ends, _ in rows:
            if begins > first:
                spans.append((first, begins))
            first = ends
        if len(rows) < limit and first < next_:
            spans.append((first, next_))
        return spans

    def trim(self, stream: str, device: str, boot: UUID, next_: int) -> int:
        """Everything of this stream and boot before ``next_`` is stored elsewhere; how many rows it settles.

        Opens its own transaction unless one is open.
        """
        if not self._connection.in_transaction:
            with self.transaction():
                return self.trim(stream, device, boot, next_)
        key = (device, stream, boot.bytes, next_, next_)
        settled, size = self._connection.execute(_MEASURE, key).fetchone()
        if settled:
            self._connection.execute(_COMMIT, key)
            self._held = self._held.committed(settled, size)
            while self._held.reserve_bytes > self._keep_bytes and self._drop_reserve():
                pass
        return int(settled)

    def waits(self, stream: str, boot: UUID, next_: int) -> bool:
        """Whether anything of this stream and boot before ``next_`` is uncommitted, of any device."""
        with _mapped():
            return self._connection.execute(_WAITING, (stream, boot.bytes, next_)).fetchone() is not None

    def first_id(self) -> int:
        """The id of the oldest uncommitted row; 0 when there is none."""
        with _mapped():
            found = self._connection.execute(_OLDEST).fetchone()
        return int(found[0]) if found else 0

    def last_id(self) -> int:
        """The id of the newest row ever appended; 0 when there was none."""
        with _mapped():
            found = self._connection.execute(_NEWEST).fetchone()
        return int(found[0]) if found else 0

    def size(self) -> Size:
        """Rows and bytes, uncommitted and in reserve."""
        held = self._held
        return Size(held.rows, held.bytes, held.reserve_rows, held.reserve_bytes)

    def _within(
        self, columns: str, stream: str, device: str, boot: UUID, first: int, next_: int, limit: int
    ) -> list[tuple[Any, ...]]:
        """(first, next, *columns) of the rows that hold any of these numbers."""
        key = (device, stream, boot.bytes)
        with _mapped():
            return self._connection.execute(
                f"SELECT first, next, {columns} {_WITHIN}",
                (*key, *key, first, next_, first, limit),
            ).fetchall()

    def _drop_reserve(self) -> bool:
        """Forget the oldest committed rows; False when there is none."""
        found = self._connection.execute(
            "SELECT id, length(payload) FROM spool WHERE committed = 1 ORDER BY id LIMIT ?", (PRUNE_ROWS,)
        ).fetchall()
        reserve = self._held.reserve_bytes
        needed = min(reserve, max(1, reserve - self._keep_bytes))
        dropped = []
        for row_id, size in found:
            if needed <= 0:
                break
            needed -= size
            self._held = self._held.dropped(1, size)
            dropped.append((row_id,))
        self._connection.executemany("DELETE FROM spool WHERE id = ?", dropped)
        return bool(dropped)

    def _shed(self) -> None:
        """After a full disk: drop half of the reserve, so that its pages can take new rows."""
        try:
            with _mapped():
                dropped = self._connection.execute(_SHED).rowcount
                left = self._connection.execute(_RESERVE).fetchone()
                self._held = replace(self._held, reserve_rows=left[0], reserve_bytes=left[1])
        except SpoolError as error:
            log.error("spool is full and cannot even drop what is committed", why=str(error))  # noqa: TRY400  (told in full)
            return
        log.error("spool is full", dropped_committed_rows=dropped, uncommitted_bytes=self._held.bytes)

    def _roll_back(self) -> None:
        with _mapped():
            if self._connection.in_transaction:  # SQLite may have rolled back by itself
                self._connection.execute("ROLLBACK")
        self._held = self._before

    def _count(self) -> _Held:
        counts = {row[0]: row[1:] for row in self._connection.execute(_ALL)}
        return _Held(*counts.get(0, (0, 0)), *counts.get(1, (0, 0)))


@contextmanager
def _mapped() -> Iterator[None]:
    """sqlite3's errors as ours: full when the disk or the file is, SpoolError otherwise."""
    try:
        yield
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        kind = SpoolFull if code in _NO_SPACE else SpoolError
        raise kind(f"spool: {error}") from error
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.IntegrityError):
            raise
        raise SpoolError(f"spool: {error}") from error
