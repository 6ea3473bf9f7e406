"""What a service hears: each message's effect once, in the transaction that remembers it as heard."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import Connection, Engine, Table, func, insert, select
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from broker import topics
from broker.bus import Bus, BusRefused, Delivery
from broker.contract import Stream
from broker.messages import Message
from services.kit import correlation
from services.kit.business.belonging import handling
from services.kit.business.leading import NotLeading, thread_of_term
from services.kit.business.outbox import Outbox
from services.kit.business.tables import BusinessTables
from services.kit.database import reading, writing
from services.kit.errors import SpondylError
from services.kit.told import told

log = structlog.get_logger(__name__)

BATCH: Final = 100
TAKE_S: Final = 0.2
AGAIN_S: Final = 1.0
MOST_SAID: Final = 1000
TRIES: Final = 3  # of a message that fails by itself: another writer may have been in its way
OUTAGES: Final = (OperationalError, InterfaceError)  # the database's fault, not the message's


@dataclass(frozen=True, slots=True)
class Heard:
    """One message and where it came from."""

    stream: Stream
    site: str
    device: str | None
    message: Message


# A handler works inside the transaction; a SpondylError of its refuses the message for good: it is kept with
# the reason in `{prefix}_refused`, and its effect is undone. Any other error: everything is tried again.
Handler = Callable[[Connection, Heard], None]


class Consumer:
    """Takes messages in batches: inbox rows and effects in one commit, then the acknowledgement."""

    def __init__(
        self,
        engine: Engine,
        tables: BusinessTables,
        outbox: Outbox,
        bus: Bus,
        handlers: Mapping[Stream, Handler],
    ) -> None:
        self._engine, self._tables, self._outbox, self._bus = engine, tables, outbox, bus
        self._handlers = {stream.name: handler for stream, handler in handlers.items()}
        self._streams = list(handlers)
        self._ending = threading.Event()
        self._thread = thread_of_term(self._run, "inbox")
        self.last_error: str | None = None

    def start(self) -> None:
        """Subscribe and begin in the background."""
        for stream in self._streams:
            self._bus.subscribe(stream)
        self._thread.start()

    def stop(self) -> None:
        """End; what is not acknowledged comes again."""
        self._ending.set()
        self._thread.join(TAKE_S + AGAIN_S + 1.0)

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self.take(self._bus.take(BATCH, TAKE_S))
                self.last_error = None
            except (BusRefused, SQLAlchemyError) as error:
                self._failed(told(error))
            except Exception as error:
                log.exception("messages could not be handled; they are tried again")
                self._failed(told(error))

    def _failed(self, why: str) -> None:
        if self.last_error is None:
            log.warning("messages wait", why=why)
        self.last_error = why
        self._ending.wait(AGAIN_S)

    def take(self, deliveries: list[Delivery]) -> None:
        """Handle a batch, tried again until it is committed; only then it is acknowledged.

        What fails by itself, however often it is tried, is refused: one message must not stop all others.
        """
        is_done = len(deliveries) == 0
        while not is_done and not self._ending.is_set():
            try:
                self._commit(deliveries)
                is_done = True
            except OUTAGES as error:
                self._failed(told(error))
            except NotLeading as error:
                self._failed(error.message)  # they come again, to whoever leads
            except Exception:
                log.exception("messages are handled one by one: one of them cannot be", count=len(deliveries))
                is_done = all(self._alone(delivery) for delivery in deliveries)
        if is_done and deliveries:
            self._outbox.woken.set()
            self._bus.acknowledge(deliveries)

    def _commit(self, deliveries: list[Delivery]) -> None:
        with writing(self._engine) as connection:
            for delivery in deliveries:
                self._one(connection, delivery)

    def _alone(self, delivery: Delivery) -> bool:
        """Handle one in a transaction of its own, or refuse it; whether either was committed."""
        why, tries = "", 0
        while not self._ending.is_set():
            try:
                if tries == TRIES:
                    with writing(self._engine) as connection:
                        self._refuse(connection, delivery, why)
                else:
                    self._commit([delivery])
            except OUTAGES as error:
                self._failed(told(error))
            except NotLeading as error:
                self._failed(error.message)
            except Exception as error:  # noqa: BLE001  (what it was is kept with the message)
                why, tries = f"it cannot be handled: {error!r}", min(tries + 1, TRIES)
            else:
                return True
        return False

    def _one(self, connection: Connection, delivery: Delivery) -> None:
        heard = Heard(delivery.stream, delivery.site, delivery.device, delivery.message)
        try:
            with connection.begin_nested():
                if self._is_new(connection, delivery):
                    with handling(delivery):
                        self._handlers[delivery.stream.name](connection, heard)
        except NotLeading:
            raise  # the message's fault is none: it is for whoever leads then
        except SpondylError as error:
            self._refuse(connection, delivery, error.message)

    def _is_new(self, connection: Connection, delivery: Delivery) -> bool:
        """Remember it as heard; a state without an id is heard every time."""
        message: UUID | None = getattr(delivery.message, "id", None)
        if message is None:
            return True
        table = self._tables.inbox
        if connection.execute(select(table.c.message).where(table.c.message == str(message))).first():
            return False
        connection.execute(
            insert(table), {"message": str(message), "stream": delivery.stream.name, "at_us": _now_us()}
        )
        return True

    def _refuse(self, connection: Connection, delivery: Delivery, why: str) -> None:
        """Nothing silent: the message and why it has no effect are kept, and /readyz counts them."""
        with correlation.holding(correlation.of(delivery.message)):
            log.warning(
                "message refused: it is kept with the reason", stream=delivery.stream.name,
                site=delivery.site, table=self._tables.refused.name,
                id=str(getattr(delivery.message, "id", "")),
            )  # fmt: skip
        topic = topics.topic(delivery.stream, delivery.site, delivery.device)
        said = why.replace("\0", "")[:MOST_SAID]
        row = {"topic": topic, "payload": delivery.payload, "why": said, "at_us": _now_us()}
        connection.execute(insert(self._tables.refused), row)
        self._is_new(connection, delivery)


def refused(engine: Engine, table: Table) -> int:
    """How many messages were refused so far."""
    with reading(engine) as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _now_us() -> int:
    return time.time_ns() // 1000
