"""What is on its way to the broker: the in-flight window, and the retained state to be kept there.

Retained state is told again every five minutes: a node of a broker cluster may keep it to itself or lose it,
and whoever came to another node hears it then.

No locks here: the bus holds its own around every call, and runs what is handed back to it without.
"""

import time
from collections.abc import Callable
from typing import Final

import structlog
from paho.mqtt.reasoncodes import ReasonCode

from broker.publication import BusOffline, Publication
from broker.wire import Connection, Packet

log = structlog.get_logger(__name__)

TELL_AGAIN_S: Final = 300.0


class Outbox:
    """Unanswered publications of the present connection, and the newest packet of each retained topic."""

    def __init__(self) -> None:
        self.published = 0
        self.acknowledged = 0
        self.refused = 0
        self.lost = 0
        self._connection: Connection | None = None
        self._unanswered: dict[int, Publication] = {}
        self._retained: dict[str, Packet] = {}
        self._due: dict[str, None] = {}  # topics of _retained still to be sent, in order
        self._told_at = time.monotonic()  # when all of it was last due

    @property
    def unanswered(self) -> int:
        """Publications the broker has not answered."""
        return len(self._unanswered)

    @property
    def busy(self) -> bool:
        """Whether anything is unanswered or still to be sent."""
        return bool(self._unanswered or self._due)

    @property
    def roomy(self) -> bool:
        """Whether one more may be sent; also when there is no connection, where waiting for it is in vain."""
        return self._connection is None or len(self._unanswered) < self._connection.window

    def connected(self, connection: Connection) -> None:
        """A new connection stands: all retained state is due again."""
        self._connection = connection
        self._tell_all()

    def disconnected(self) -> list[Publication]:
        """The connection is gone; the publications whose answer will never come."""
        self._connection = None
        lost, self._unanswered = list(self._unanswered.values()), {}
        self.lost += len(lost)
        return lost

    def send(
        self, packet: Packet, on_acknowledged: Callable[[Publication], None] | None = None
    ) -> Publication:
        """Hand a packet to the connection; BusOffline when there is none."""
        if self._connection is None:
            raise BusOffline(f"{packet.topic}: not connected")
        publication = Publication(packet.topic, on_acknowledged)
        try:
            mid = self._connection.send(packet)
        except OSError as error:
            raise BusOffline(f"{packet.topic}: {error}") from error
        if packet.retain:
            self._retained[packet.topic] = packet
            self._due.pop(packet.topic, None)
        self.published += 1
        self._unanswered[mid] = publication
        return publication

    def announce(self, packet: Packet) -> None:
        """Make this the newest of its retained topic, to be sent when there is room."""
        self._retained[packet.topic] = packet
        self._due[packet.topic] = None
        self.send_due()

    def send_due(self) -> None:
        """Send retained state that is due, as far as the window allows."""
        if time.monotonic() - self._told_at >= TELL_AGAIN_S:
            self._tell_all()
        while self._due and self._connection is not None and self.roomy:
            try:
                self.send(self._retained[next(iter(self._due))])
            except BusOffline:
                return

    def _tell_all(self) -> None:
        self._due = self._due | dict.fromkeys(self._retained)
        self._told_at = time.monotonic()

    def answered(self, mid: int, reason: ReasonCode) -> Callable[[], None] | None:
        """A PUBACK: what to do about it once no lock is held, None when nobody waits for it."""
        publication = self._unanswered.pop(mid, None)
        if publication is None:
            return None
        if not reason.is_failure:
            self.acknowledged += 1
            return lambda: publication.settle("acknowledged")
        self.refused += 1
        self._retained.pop(publication.topic, None)  # after a reconnect it would be refused again
        self._due.pop(publication.topic, None)
        log.error("broker refused a publication", topic=publication.topic, reason=str(reason))
        return lambda: publication.settle("refused", str(reason))
