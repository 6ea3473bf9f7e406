"""The lease by which one replica of a service leads: taken, renewed, lost, and looked at in transactions.

PostgreSQL: an advisory lock of a session of its own. The server ends that session where the leader says
nothing for ``LEASE_S``: killed, frozen or cut off, it is replaced. What an old leader has begun is either
committed before the next one leads, or never: each transaction of a leader's holds a second lock, shared,
and looks whether the term it acts in is still held; the next leader ends those that are left, then it leads.

SQLite: a lock on a file beside the database. The kernel frees it when its holder is gone; a frozen holder
keeps it, as it keeps the database's own locks.
"""

import fcntl
import secrets
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final, Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import make_url

from services.kit.errors import SpondylError

LEASE_S: Final = 4.0  # a leader that is frozen or cut off is replaced after so long
MARGIN_S: Final = 0.5  # so much earlier it holds itself to be replaced
SILENT_S: Final = 1.5  # a server that says nothing for so long has not renewed the lease
UNDONE_MS: Final = 500  # in which a transaction that is ended has let go
IDLE_S: Final = 5.0  # between two statements of a leader's transaction; a frozen one is undone
_LEADS, _FENCE = 0, 1  # second keys; every other is a term


class NotLeading(SpondylError):  # noqa: N818  (the name is the state)
    """What was begun as leader may not be finished: the lease is over, another leads or will."""

    status = 503
    tellable = True  # it speaks of a term, never of a person


class Lease(Protocol):
    """One thread holds it and lets it go; any thread looks at it."""

    term: int  # changes whenever it is taken; 0: it is not held
    until_s: float  # on the clock of ``now_s``

    def hold(self) -> bool:
        """Take or renew it; whether it is ours. Raises the driver's errors and OSError."""

    def fence(self, connection: Connection, term: int) -> None:
        """Let this transaction be committed in that term or not at all. Raises NotLeading."""

    def let_go(self) -> None:
        """Give it up, so that another leads at once."""


def now_s() -> float:
    """Seconds that pass also while the process or the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def lease_of(engine: Engine, name: str) -> Lease:
    """The lease of the service of this name, in its database."""
    if engine.dialect.name == "postgresql":
        return PostgresLease(engine, name)
    return FileLease(make_url(str(engine.url)).database, name)


class FileLease:
    """A lock on a file beside an SQLite database; held until it is let go or the process is gone."""

    def __init__(self, database: str | None, name: str) -> None:
        in_memory = database in (None, "", ":memory:")
        self._path = None if in_memory else Path(f"{database}.{name}-leader")
        self._file: IO[bytes] | None = None
        self.term, self.until_s = 0, float("-inf")

    def hold(self) -> bool:
        """Whether it is ours."""
        if self.term:
            return True
        if self._path is not None and not self._lock(self._path):
            return False
        self.term, self.until_s = _new_term(), float("inf")
        return True

    def fence(self, _connection: Connection, term: int) -> None:
        """Nobody takes it from a process that lives. Raises NotLeading for an earlier term."""
        if term != self.term:
            raise NotLeading("this term of leading is over")

    def let_go(self) -> None:
        """Unlocked by closing."""
        self.term, self.until_s = 0, float("-inf")
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _lock(self, path: Path) -> bool:
        file = path.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._file = file
        return True


class PostgresLease:
    """An advisory lock of a session that the server ends when it is silent."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine, self._name = engine, name
        self._key = zlib.crc32(f"spondyl leader {name}".encode()) & 0x7FFFFFFF
        self._session: Any = None
        self._claimed = False  # nobody else may take it, but what an old leader has begun may go on still
        self.term, self.until_s = 0, float("-inf")

    def hold(self) -> bool:
        """Whether it is ours from now on for ``LEASE_S`` less the margin."""
        began_s = now_s()
        try:
            is_ours = self._ask() if self.term else self._take()
        except BaseException:
            self._drop()
            raise
        if is_ours:
            self.until_s = began_s + LEASE_S - MARGIN_S
        return is_ours

    def fence(self, connection: Connection, term: int) -> None:
        """Raises NotLeading."""
        if term != self.term or now_s() >= self.until_s:
            raise NotLeading("the lease is over: another replica leads or will")
        connection.exec_driver_sql(
            "SELECT set_config('idle_in_transaction_session_timeout', %s, true), "
            "pg_advisory_xact_lock_shared(%s, %s)",
            (str(round(IDLE_S * 1000)), self._key, _FENCE),
        )
        if not connection.exec_driver_sql(
            "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database "
            "WHERE locktype = 'advisory' AND datname = current_database() AND classid = %s AND objid = %s "
            "AND objsubid = 2 AND granted)",
            (self._key, term),
        ).scalar():
            raise NotLeading("the lease was lost: another replica leads or will")

    def let_go(self) -> None:
        """The session's end frees its locks."""
        self._drop()

    def _take(self) -> bool:
        if self._session is None:
            self._session = self._connect()
        self._claimed = self._claimed or self._try("pg_try_advisory_lock", _LEADS)
        if not self._claimed:
            return False
        if not self._try("pg_try_advisory_xact_lock", _FENCE):
            self._undo()
            if not self._try("pg_try_advisory_xact_lock", _FENCE):
                return False
        term = _new_term()
        self._try("pg_try_advisory_lock", term)
        self.term = term
        return True

    def _undo(self) -> None:
        """End what a leader that is none any more has begun: frozen, it may wait for its own other locks."""
        from psycopg.errors import InsufficientPrivilege

        with suppress(InsufficientPrivilege):  # of another user: they end by themselves
            self._session.execute(
                "SELECT pg_terminate_backend(pid, %s) FROM pg_locks JOIN pg_database ON pg_database.oid = "
                "pg_locks.database WHERE locktype = 'advisory' AND datname = current_database() AND "
                "classid = %s AND objid = %s AND objsubid = 2 AND granted",
                (UNDONE_MS, self._key, _FENCE),
            )

    def _ask(self) -> bool:
        self._session.execute("SELECT 1").fetchone()
        return True

    def _try(self, function: str, key: int) -> bool:
        row = self._session.execute(f"SELECT {function}(%s, %s)", (self._key, key)).fetchone()
        return bool(row[0])

    def _connect(self) -> Any:
        """A session of its own, outside of the engine's pool."""
        from services.kit.postgres import PatientConnection  # (the gateway has no PostgreSQL)

        arguments, options = self._engine.dialect.create_connect_args(self._engine.url)
        told = {**options, "connect_timeout": "2", "application_name": f"spondyl leader {self._name}"}
        session = PatientConnection.connect(*arguments, **told, autocommit=True)
        session.silent_s = SILENT_S
        session.execute(f"SET idle_session_timeout = {round(LEASE_S * 1000)}")
        return session

    def _drop(self) -> None:
        self.term, self.until_s, self._claimed = 0, float("-inf"), False
        session, self._session = self._session, None
        if session is not None:
            session.close()


def _new_term() -> int:
    """One that nobody had: no key of another meaning."""
    return secrets.randbelow(0x7FFFFFFF - 2) + 2
