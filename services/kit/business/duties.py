"""What the leader of a service's replicas does, and no other: MQTT session, outbox and background."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Final

from sqlalchemy import Engine

from broker.bus import Bus
from broker.contract import Stream
from services.kit.business.inbox import Consumer, Handler
from services.kit.business.outbox import Outbox, Publisher
from services.kit.business.tables import BusinessTables
from services.kit.connections import open_bus
from services.kit.settings import Settings

SESSION_EXPIRY_S: Final = 7 * 24 * 3600  # the broker keeps what this service misses while it is down
RECEIVE_MAXIMUM: Final = 400
Begin = Callable[[], Callable[[], None]]  # starts something and gives its end


class Duties:
    """Begun with every term; a bus is made anew each time."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        engine: Engine,
        tables: BusinessTables,
        outbox: Outbox,
        handlers: Mapping[Stream, Handler],
        background: Sequence[Begin],
    ) -> None:
        """Raises SpondylError for settings by which no bus can be had."""
        self._name, self._settings, self._engine, self._tables = name, settings, engine, tables
        self._outbox, self._handlers, self._background = outbox, handlers, background
        self._parts: tuple[Bus, Consumer, Publisher] | None = None
        self._bus(lambda: False)

    def begin(self, is_current: Callable[[], bool]) -> Callable[[], None]:
        """Everything in its order; gives the end in the reverse one."""
        bus = self._bus(is_current)
        consumer = Consumer(self._engine, self._tables, self._outbox, bus, self._handlers)
        publisher = Publisher(self._outbox, bus)
        with ExitStack() as ending:
            ending.callback(self._forget)
            ending.callback(bus.close)
            consumer.start()
            ending.callback(consumer.stop)
            bus.start()
            publisher.start()
            ending.callback(publisher.stop)
            self._parts = bus, consumer, publisher
            for begin in self._background:
                ending.callback(begin())
            return ending.pop_all().close
        raise AssertionError

    def broker(self) -> str | None:
        """What is wrong with the connection; nothing of one who does not lead."""
        parts = self._parts  # (read once: the term may end meanwhile)
        bus = parts and parts[0]
        return None if bus is None or bus.connected else bus.last_error or "not connected"

    def inbox(self) -> str | None:
        """Why messages wait."""
        parts = self._parts
        return parts and parts[1].last_error

    def outbox(self) -> str | None:
        """Why what is to be told waits."""
        parts = self._parts
        return parts and parts[2].last_error

    def _bus(self, is_current: Callable[[], bool]) -> Bus:
        """Named by the service: the next leader has the session, and whoever led before is thrown out."""
        return open_bus(
            self._settings, self._name, session_expiry_s=SESSION_EXPIRY_S,
            receive_maximum=RECEIVE_MAXIMUM, may_connect=is_current,
        )  # fmt: skip

    def _forget(self) -> None:
        self._parts = None
