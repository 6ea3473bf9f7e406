"""The audit trail: who saw or changed what, in rows of which none can be changed or taken away unseen.

Every row carries the hash of the row before it, and its own hash is made with a key that the database does
not hold; the newest row is sealed in a file (``seal.py``). A service's table has the columns of ``COLUMNS``.
"""

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import structlog
from sqlalchemy import Connection, Engine, Select, Table, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from services.kit.auth.principal import Principal
from services.kit.database import reading, writing
from services.kit.errors import SpondylError
from services.kit.seal import GENESIS, Mark, Seal, SealBroken

log = structlog.get_logger(__name__)

COLUMNS: Final = (
    "seq", "at_us", "account", "name", "address", "action", "site", "record", "detail", "previous",
)  # fmt: skip
# Longest text of each column; what is longer is cut, for the trail refuses nobody's 10 000-character name.
LIMITS: Final = {
    "account": 36, "name": 80, "address": 80, "action": 80, "site": 40, "record": 200, "detail": 4000,
}  # fmt: skip
What = Literal["changed", "removed", "order", "cut", "rewound", "seal_missing", "seal_forged"]
RESEALED: Final = "trail.resealed"
START: Final = Mark(0, GENESIS)  # before the first row
_WAIT: Final = 0x5B_0D_71_A1  # PostgreSQL's advisory lock: one row after the other
TURN_S: Final = 5.0  # behind others of this process that wait for the database
_READ_AT_ONCE: Final = 1000


class TrailUnavailable(SpondylError):  # noqa: N818  (the name is the state)
    """A row could not be written."""

    status = 503


class RowsOfAnotherKey(TrailUnavailable):
    """The rows that are there were made with another key: one of ours would break their chain."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row as it is shown. ``at_us`` is microseconds since the epoch."""

    seq: int
    at_us: int
    account: str
    name: str
    address: str
    action: str
    site: str | None
    record: str | None
    detail: Mapping[str, Any]
    hash: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of a chain: whole, or the first row that is not as it was written."""

    rows: int
    head: Mark
    first_bad: int | None = None
    what: What | None = None

    @property
    def ok(self) -> bool:
        """Whether every row is as it was written, and none is missing."""
        return self.what is None

    def body(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {"ok": self.ok, **asdict(self)}


class Trail:
    """The rows of one table; safe for any number of threads and processes.

    ``one_key``: where machines may start at once on an empty table, each with a key that it has just made,
    the first row settles whose counts. Who has another key writes nothing.
    """

    def __init__(
        self, engine: Engine, table: Table, seal_path: Path, key_path: Path, *, one_key: bool = False
    ) -> None:
        self._engine, self.table = engine, table
        self._seal = Seal(seal_path, key_path)
        self._key_path, self._settled = key_path, not one_key
        self._turn = threading.Lock()  # threads wait here instead of in the database's retries

    def append(
        self,
        who: Principal,
        action: str,
        *,
        record: str | None = None,
        site: str | None = None,
        address: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> int:
        """Write one row and answer its number. Raises TrailUnavailable."""
        row: dict[str, Any] = {
            "at_us": time.time_ns() // 1000, "account": who.account, "name": who.name, "address": address,
            "action": action, "site": site, "record": record, "detail": canonical(detail or {}),
        }  # fmt: skip
        if len(row["detail"]) > LIMITS["detail"]:
            row["detail"] = canonical({"cut": row["detail"][: LIMITS["detail"] // 2]})
        try:
            with in_turn(self._turn):
                return self._append({name: _fit(name, value) for name, value in row.items()})
        except (SQLAlchemyError, OSError) as error:
            reason = getattr(error, "orig", None) or error
            raise TrailUnavailable(f"the audit trail cannot be written: {reason}") from None

    def _append(self, row: dict[str, Any]) -> int:
        with writing(self._engine) as connection:
            self._wait(connection)
            head = self._head(connection)
            if not self._settled:
                self._require_own(connection, head)
            sound = self._continues(connection)
            row = {"seq": head.seq + 1, **row, "previous": head.hash}
            row["hash"] = self._hash(row)
            connection.execute(insert(self.table).values(row))
        self._settled = True
        if sound:
            self._seal.advance(Mark(row["seq"], row["hash"]))
        elif row["action"] != RESEALED:
            log.error("the audit trail does not continue what was sealed", seq=row["seq"])
        return int(row["seq"])

    def verify(self, since: Mark = START, most: int | None = None) -> Finding:
        """Look at every row; or at those behind one that was looked at, at ``most`` so many of them.

        Where that one or the sealed one is another now, every row is looked at all the same. The first that
        is not as it was written is named.
        """
        broken, sealed = None, START
        try:
            sealed = self._seal.read()  # before the rows: they only become more
        except SealBroken as error:
            broken = error
        with reading(self._engine) as connection, _lenient(connection):
            if not self._stand(connection, since, (since, sealed)):
                since, most = START, None
            found = self._walk(connection, sealed, since, most)
        if found.ok and broken:
            what: What = "seal_missing" if str(broken) == "missing" else "seal_forged"
            return Finding(found.rows, found.head, None, what)
        return found

    def length(self) -> int:
        """How many rows were written, by the newest one's number."""
        with reading(self._engine) as connection:
            return self._head(connection).seq

    def expect(self, seq: int, digest: str, found: Finding) -> Finding:
        """The finding of ``verify`` once more, with a row that somebody wrote down elsewhere."""
        with reading(self._engine) as connection:
            if seq == 0 or self._hash_of(connection, seq) == digest:
                return found
        what: What = "cut" if seq > found.rows else "rewound"
        return Finding(found.rows, found.head, min(seq, found.rows + 1), what)

    def reseal(self, who: Principal, reason: str) -> Finding:
        """Seal the chain as it stands now; that somebody did, and what was found before, becomes a row."""
        found = self.verify()
        seq = self.append(who, RESEALED, detail={"reason": reason[:400], "found": found.body()})
        with reading(self._engine) as connection:
            self._seal.force(Mark(seq, self._hash_of(connection, seq)))
        return self.verify()

    def rows(self, query: Select[Any]) -> list[Entry]:
        """The rows of a query over this table's columns."""
        with reading(self._engine) as connection, _lenient(connection):
            return [_entry(dict(row)) for row in connection.execute(query).mappings()]

    def _stand(self, connection: Connection, last: Mark, marks: tuple[Mark, ...]) -> bool:
        """Whether the rows of these marks are the same still, as far as they are none behind the last one."""
        return all(
            self._hash_of(connection, mark.seq) == mark.hash for mark in marks if 0 < mark.seq <= last.seq
        )

    def _walk(self, connection: Connection, sealed: Mark, since: Mark, most: int | None) -> Finding:
        """Follow the chain from behind a row of it; ``sealed`` must be on it."""
        head, rows = since, since.seq
        query = select(self.table).order_by(self.table.c.seq).limit(most)
        if rows:  # else from whichever is the first, also one that was put in before number 1
            query = query.where(self.table.c.seq > rows)
        answer = connection.execution_options(yield_per=_READ_AT_ONCE).execute(query)
        with contextlib.closing(answer.mappings()) as found:
            for rows, row in enumerate(found, since.seq + 1):
                what = self._fault(dict(row), Mark(rows, head.hash), sealed)
                if what is not None:
                    return Finding(rows, head, rows, what)
                head = Mark(rows, str(row["hash"]))
        if sealed.seq > rows and (most is None or rows - since.seq < most):
            return Finding(rows, head, rows + 1, "cut")
        return Finding(rows, head)

    def _fault(self, row: Mapping[str, Any], due: Mark, sealed: Mark) -> What | None:
        """What is wrong with a row that should be number ``due.seq`` and follow on ``due.hash``."""
        if row["seq"] != due.seq:
            return "removed"
        if row["hash"] != self._hash(row):
            return "changed"
        if row["previous"] != due.hash:
            return "order"
        return "rewound" if due.seq == sealed.seq and row["hash"] != sealed.hash else None

    def _require_own(self, connection: Connection, head: Mark) -> None:
        """Raises RowsOfAnotherKey when the newest row was not made with our key; there may be none yet."""
        query = select(self.table).where(self.table.c.seq == head.seq)
        with _lenient(connection):
            row = connection.execute(query).mappings().first()
        if row is not None and row["hash"] != self._hash(dict(row)):
            raise RowsOfAnotherKey(
                f"the audit trail's row {head.seq} was not made with the key at {self._key_path}: copy "
                "the key of the machine that wrote it, or see what `spondyl audit-trail verify` says there"
            )

    def _hash(self, row: Mapping[str, Any]) -> str:
        return self._seal.digest(canonical({name: row[name] for name in COLUMNS}))

    def _wait(self, connection: Connection) -> None:
        """One at a time; SQLite's BEGIN IMMEDIATE has seen to that already."""
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WAIT})

    def _head(self, connection: Connection) -> Mark:
        columns = self.table.c
        row = connection.execute(
            select(columns.seq, columns.hash).order_by(columns.seq.desc()).limit(1)
        ).first()
        return START if row is None else Mark(int(row.seq), str(row.hash))

    def _continues(self, connection: Connection) -> bool:
        """Whether the sealed row is in the table: a seal moves only along its own chain."""
        try:
            sealed = self._seal.read()
        except SealBroken:
            return False
        return sealed.seq == 0 or self._hash_of(connection, sealed.seq) == sealed.hash

    def _hash_of(self, connection: Connection, seq: int) -> str:
        columns = self.table.c
        return str(connection.execute(select(columns.hash).where(columns.seq == seq)).scalar())


@contextlib.contextmanager
def in_turn(turn: threading.Lock) -> Iterator[None]:
    """One after the other. Raises TrailUnavailable where those before take too long: else waits add up."""
    if not turn.acquire(timeout=TURN_S):
        raise TrailUnavailable(f"the audit trail cannot be written: rows before wait since {TURN_S:g} s")
    try:
        yield
    finally:
        turn.release()


def canonical(value: Mapping[str, Any]) -> str:
    """The one way to write a value as JSON: keys in order, no space, ASCII only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)


def legible(text: str) -> str:
    """The text as it can stand in a row: no database takes NUL and lone surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _fit(name: str, value: Any) -> Any:
    """A text that every database takes, and that is not too long."""
    if not isinstance(value, str):
        return value
    clean = legible(value)
    limit = LIMITS[name]
    return clean if len(clean) <= limit else f"{clean[: limit - 1]}…"


@contextlib.contextmanager
def _lenient(connection: Connection) -> Iterator[None]:
    """Let SQLite give a text that is no UTF-8 any more, so that a damaged row is found and not a crash."""
    driver = connection.connection.driver_connection
    if connection.dialect.name != "sqlite" or driver is None:
        yield
        return
    driver.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    try:
        yield
    finally:
        driver.text_factory = str


def _entry(row: Mapping[str, Any]) -> Entry:
    """A row for a reader's eyes: a damaged one is shown as far as it can be."""
    values = {name: _shown(value) for name, value in row.items() if name != "previous"}
    try:
        detail = json.loads(values["detail"])
    except ValueError:
        detail = {"unreadable": values["detail"]}
    return Entry(**{**values, "detail": detail if isinstance(detail, dict) else {"value": detail}})


def _shown(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value
