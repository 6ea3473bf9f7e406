"""What a service has to tell: written with the change, published behind it, in order, until acknowledged."""

import threading
import time
from collections.abc import Sequence
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Engine, Table, delete, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from broker import codec
from broker.bus import Bus, BusBusy, BusError, BusOffline
from broker.contract import STREAMS, Stream
from broker.messages import Message
from services.kit.database import reading, writing

log = structlog.get_logger(__name__)

BATCH: Final = 100
LOOK_S: Final = 1.0  # a change of another process of this service is found so soon
AGAIN_S: Final = 1.0
ANSWER_S: Final = 5.0


class Outbox:
    """The rows; safe from any thread."""

    def __init__(self, engine: Engine, table: Table) -> None:
        self.engine, self.table = engine, table
        self.woken = threading.Event()

    def add(
        self, connection: Connection, stream: Stream, site: str, message: Message, device: str | None = None
    ) -> None:
        """Tell this once the transaction of ``connection`` is committed. Raises codec.Malformed at once."""
        row = {
            "stream": stream.name, "site": site, "device": device, "payload": codec.encode(stream, message),
            "at_us": time.time_ns() // 1000,
        }  # fmt: skip
        connection.execute(insert(self.table), row)

    def first(self, count: int) -> list[dict[str, Any]]:
        """The oldest that wait."""
        query = select(self.table).order_by(self.table.c.number).limit(count)
        with reading(self.engine) as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def told(self, numbers: Sequence[int]) -> None:
        """These are the broker's now."""
        with writing(self.engine) as connection:
            connection.execute(delete(self.table).where(self.table.c.number.in_(numbers)))

    def waiting(self) -> int:
        """How many the broker has not got yet."""
        with reading(self.engine) as connection:
            return int(connection.execute(select(func.count()).select_from(self.table)).scalar_one())


class Publisher:
    """Hands the outbox to the broker, in order; a crash between answer and deletion tells one twice, by the
    same id.
    """

    def __init__(self, outbox: Outbox, bus: Bus) -> None:
        self._outbox, self._bus = outbox, bus
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def start(self) -> None:
        """Begin in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End; what waits is told by the next start."""
        self._ending.set()
        self._outbox.woken.set()
        self._thread.join(ANSWER_S + AGAIN_S)

    def _run(self) -> None:
        while not self._ending.is_set():
            self._outbox.woken.wait(LOOK_S)
            self._outbox.woken.clear()
            try:
                while not self._ending.is_set() and self._some():
                    pass
            except (BusOffline, BusBusy):
                self._ending.wait(AGAIN_S)  # nothing is lost: it waits in the table
            except (BusError, SQLAlchemyError) as error:
                log.warning("the outbox cannot be published; trying again", why=str(error)[:300])
                self._ending.wait(AGAIN_S)

    def _some(self) -> bool:
        rows = self._outbox.first(BATCH)
        sent = [
            self._bus.publish(STREAMS[row["stream"]], bytes(row["payload"]), row["site"], row["device"])
            for row in rows
        ]
        told = []
        try:
            for row, publication in zip(rows, sent, strict=True):
                if not publication.wait(ANSWER_S):
                    break
                told.append(row["number"])
        finally:
            if told:
                self._outbox.told(told)
        return len(told) == BATCH
