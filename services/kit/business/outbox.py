"""What a service has to tell: written with the change, published behind it, in order, until acknowledged."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Engine, delete, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from broker import codec, topics
from broker.bus import Bus, BusBusy, BusError, BusOffline, BusRefused, Publication
from broker.contract import STREAMS, Stream
from broker.messages import Message
from services.kit.business import belonging
from services.kit.business.leading import NotLeading, thread_of_term
from services.kit.business.tables import BusinessTables
from services.kit.database import reading, writing
from services.kit.told import told

log = structlog.get_logger(__name__)

BATCH: Final = 100
LOOK_S: Final = 1.0  # a change of another process of this service is found so soon
AGAIN_S: Final = 1.0
ANSWER_S: Final = 5.0
TRIES: Final = 20  # of a row that the broker refuses: rights that are being changed come back meanwhile
Row = dict[str, Any]


class Outbox:
    """The rows; safe from any thread."""

    def __init__(self, engine: Engine, tables: BusinessTables) -> None:
        self.engine, self.table, self.refused = engine, tables.outbox, tables.refused
        self.woken = threading.Event()

    def add(
        self, connection: Connection, stream: Stream, site: str, message: Message, device: str | None = None
    ) -> None:
        """Tell this once the transaction of ``connection`` is committed. Raises codec.Malformed at once."""
        row = {
            "stream": stream.name, "site": site, "device": device,
            "payload": codec.encode(stream, belonging.belonging(message)),
            "at_us": time.time_ns() // 1000,
        }  # fmt: skip
        connection.execute(insert(self.table), row)

    def first(self, count: int) -> list[Row]:
        """The oldest that wait."""
        query = select(self.table).order_by(self.table.c.number).limit(count)
        with reading(self.engine) as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def told(self, numbers: Sequence[int]) -> None:
        """These are the broker's now."""
        with writing(self.engine) as connection:
            connection.execute(delete(self.table).where(self.table.c.number.in_(numbers)))

    def set_aside(self, row: Row, why: str) -> None:
        """It can never be told: kept with the reason, so that /readyz counts it and the rest goes on."""
        place = "/".join(filter(None, (row["site"], row["stream"], row["device"])))
        with suppress(KeyError, topics.TopicError):
            place = topics.topic(STREAMS[row["stream"]], row["site"], row["device"])
        log.error("a message could not be told and is set aside", topic=place, why=why)
        kept = {
            "topic": place[:200], "payload": bytes(row["payload"]), "why": f"not published: {why}"[:1000],
            "at_us": time.time_ns() // 1000,
        }  # fmt: skip
        with writing(self.engine) as connection:
            connection.execute(insert(self.refused), kept)
            connection.execute(delete(self.table).where(self.table.c.number == row["number"]))

    def waiting(self) -> int:
        """How many the broker has not got yet."""
        with reading(self.engine) as connection:
            return int(connection.execute(select(func.count()).select_from(self.table)).scalar_one())


class Publisher:
    """Hands the outbox to the broker, in order; a crash between answer and deletion tells one twice, by the
    same id.

    A row that the contract forbids, or that the broker goes on refusing, is set aside: one message must not
    stop all others.
    """

    def __init__(self, outbox: Outbox, bus: Bus) -> None:
        self._outbox, self._bus = outbox, bus
        self._ending = threading.Event()
        self._thread = thread_of_term(self._run, "outbox")
        self._tries: tuple[int, int] = (0, 0)  # the row that was refused last, and how often
        self.last_error: str | None = None

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
                self.last_error = None
            except (BusOffline, BusBusy):
                self._ending.wait(AGAIN_S)  # nothing is lost: it waits in the table
            except (BusError, NotLeading, SQLAlchemyError) as error:
                self._failed(told(error))
            except Exception as error:
                log.exception("the outbox cannot be published; trying again")
                self._failed(told(error))

    def _failed(self, why: str) -> None:
        log.warning("the outbox cannot be published; trying again", why=why)
        self.last_error = f"what is to be told waits: {why}"
        self._ending.wait(AGAIN_S)

    def _some(self) -> bool:
        rows = self._outbox.first(BATCH)
        sent = [(row, sending) for row in rows if (sending := self._send(row)) is not None]
        theirs: list[int] = []
        try:
            for row, publication in sent:
                if not self._is_told(row, publication):
                    break
                belonging.told(row)
                theirs.append(row["number"])
        finally:
            if theirs:
                self._outbox.told(theirs)
        return len(rows) == BATCH and len(theirs) == len(sent)

    def _send(self, row: Row) -> Publication | None:
        """On its way; None for what the contract forbids, by now: it is set aside."""
        try:
            stream = STREAMS[row["stream"]]
            return self._bus.publish(stream, bytes(row["payload"]), row["site"], row["device"])
        except (KeyError, codec.Malformed, topics.TopicError) as error:
            self._outbox.set_aside(row, repr(error))
            return None

    def _is_told(self, row: Row, publication: Publication) -> bool:
        """Whether it needs no further try. Raises BusRefused while there is hope, BusOffline."""
        try:
            return publication.wait(ANSWER_S)
        except BusRefused as refused:
            number, tries = self._tries
            self._tries = (row["number"], tries + 1 if number == row["number"] else 1)
            if self._tries[1] < TRIES:
                raise
            self._outbox.set_aside(row, str(refused))
            return True
