"""What a bus wants to hear, what it has asked the broker for, and what the broker refused."""

from collections.abc import Sequence

import structlog
from paho.mqtt.reasoncodes import ReasonCode

from broker.wire import Connection

log = structlog.get_logger(__name__)


class Subscriptions:
    """Topic filters with their QoS, kept over every reconnect; the bus's lock guards all but ``refusal``."""

    def __init__(self) -> None:
        self._wanted: dict[str, int] = {}
        self._asked: dict[int, tuple[str, ...]] = {}
        self._refused: dict[str, str] = {}

    def want(self, topic_filter: str, qos: int) -> None:
        """Remember it for this connection and all later ones."""
        self._wanted[topic_filter] = qos

    def ask(self, connection: Connection, *filters: str) -> int:
        """Ask for these, or for all that are wanted; the packet id, 0 when there is nothing to ask for.

        OSError when the connection does not take it.
        """
        asked = filters or tuple(self._wanted)
        if not asked:
            return 0
        mid = connection.subscribe([(text, self._wanted[text]) for text in asked])
        self._asked[mid] = asked
        return mid

    def answered(self, mid: int, reasons: Sequence[ReasonCode]) -> None:
        """The broker's word on each filter that was asked for together."""
        for text, reason in zip(self._asked.pop(mid, ()), reasons, strict=False):
            self._refused.pop(text, None)
            if reason.is_failure:
                self._refused[text] = str(reason)
                log.error("broker refused a subscription", filter=text, reason=str(reason))

    def waits(self, mid: int) -> bool:
        """Whether the broker still owes an answer."""
        return mid in self._asked

    def disconnected(self) -> None:
        """No answer will come any more; all are asked for again."""
        self._asked.clear()

    def refusal(self, *filters: str) -> tuple[str, str] | None:
        """The first refused one of these, or of all, with the broker's reason; from any thread."""
        for text in filters or tuple(self._refused):
            if (why := self._refused.get(text)) is not None:
                return text, why
        return None
