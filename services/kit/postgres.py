"""PostgreSQL with patience: nobody waits without end for a lock, a slow disk or a server that is frozen."""

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, Engine, event, text

GRACE_S: Final = 2.0  # in which the server may say itself that it took too long


class PatientConnection(psycopg.Connection[Any]):
    """Closes itself when its server says nothing for ``silent_s``: a frozen one ends no statement itself."""

    silent_s = float("inf")

    def wait(self, gen: Generator[Any, Any, Any], *more: Any, **named: Any) -> Any:
        """Like the driver's. Raises OperationalError, too, when nothing comes."""
        return super().wait(self._heard(gen), *more, **named)

    def _heard(self, work: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """The driver's steps as they are; it is told every 0.1 s whether anything came."""
        heard_s = time.monotonic()
        try:
            state = next(work)
            while True:
                ready = yield state
                if ready:
                    heard_s = time.monotonic()
                elif time.monotonic() - heard_s > self.silent_s:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"the server says nothing for {self.silent_s:g} s")
                state = work.send(ready)
        except StopIteration as end:
            return end.value


def be_patient(engine: Engine, patience_s: float) -> None:
    """Let the engine's connections wait so long for their server, and a little longer for a frozen one."""

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: object, _record: object, arguments: Any, options: Any) -> PatientConnection:
        connection = PatientConnection.connect(*arguments, **options)
        connection.silent_s = patience_s + GRACE_S
        return connection


@contextmanager
def unhurried(connection: Connection) -> Iterator[None]:
    """A transaction that may take as long as it takes: tables of ten years are not migrated in seconds."""
    driver: Any = connection.connection.driver_connection
    silent_s, driver.silent_s = driver.silent_s, float("inf")
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    try:
        yield
    finally:
        driver.silent_s = silent_s
