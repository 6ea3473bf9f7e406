"""What has arrived and waits to be taken: bounded, validated when taken, refusals counted by sender."""

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass

import structlog
from paho.mqtt.client import MQTTMessage

from broker import codec, topics
from broker.contract import Stream
from broker.messages import Message

log = structlog.get_logger(__name__)

MAX_SENDERS = 1000  # a foreign client may invent topics without end; beyond this they share one name
THE_REST = "(others)"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as it came: acknowledge it when its effect is durable, and not before."""

    stream: Stream
    site: str
    device: str | None
    message: Message
    payload: bytes
    retained: bool
    duplicate: bool  # the broker says it may have sent this before
    response_topic: str | None
    correlation: bytes | None
    generation: int  # of the connection it came on: only that one can acknowledge it
    mid: int
    serial: int  # of this bus: packet ids come back, this does not


@dataclass(frozen=True, slots=True)
class Arrival:
    """A delivery before its payload was looked at."""

    address: topics.Address
    packet: MQTTMessage
    generation: int
    serial: int


class Refusals:
    """Counts malformed messages per sender (site/device of the topic) and logs the first of each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def note(self, sender: str, why: str) -> None:
        """Count one refusal; a warning for the first of a sender."""
        with self._lock:
            known = sender in self._counts or len(self._counts) < MAX_SENDERS
            name = sender if known else THE_REST
            self._counts[name] += 1
            first = self._counts[name] == 1
        if first:
            log.warning("malformed message refused; further ones of this sender are only counted",
                        sender=name, why=why)  # fmt: skip

    def counts(self) -> dict[str, int]:
        """Refusals so far by sender."""
        with self._lock:
            return dict(self._counts)

    def admit(self, topic: str | None, size: int) -> topics.Address | None:
        """Where a message of ``size`` bytes belongs; None when refused, counted. No topic: not UTF-8."""
        if topic is None:
            self.note("(invalid UTF-8)", "topic is not UTF-8")
            return None
        try:
            address = topics.parse(topic)
            codec.check_size(address.stream, size)
        except (topics.TopicError, codec.Malformed) as error:
            self.note(sender(topic), str(error))
            return None
        return address


class Inbox:
    """Arrivals in order; from ``capacity`` on nothing more is to be read from the network."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.received = 0
        self.refusals = Refusals()
        self._changed = threading.Condition()
        self._arrivals: deque[Arrival] = deque()

    def __len__(self) -> int:
        return len(self._arrivals)

    def put(self, packet: MQTTMessage, generation: int, serial: int) -> bool:
        """Keep what the contract knows and its size allows; False: refused, counted, to be acknowledged."""
        self.received += 1
        try:
            topic = packet.topic
        except UnicodeDecodeError:
            topic = None
        address = self.refusals.admit(topic, len(packet.payload))
        if address is None:
            return False
        with self._changed:
            self._arrivals.append(Arrival(address, packet, generation, serial))
            self._changed.notify_all()
        return True

    def take(self, max_count: int, timeout_s: float) -> list[Arrival]:
        """Up to ``max_count`` arrivals in order, waiting for the first one at most ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not self._arrivals and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            taken = [self._arrivals.popleft() for _ in range(min(max_count, len(self._arrivals)))]
            self._changed.notify_all()
            return taken

    def wait_for_room(self, timeout_s: float) -> bool:
        """Whether there is room, waiting for it at most ``timeout_s``."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._arrivals) < self.capacity, timeout_s)

    def clear(self) -> None:
        """Forget what the broker will deliver again, now that the connection is gone."""
        with self._changed:
            self._arrivals.clear()

    def open(self, arrival: Arrival) -> Delivery | None:
        """Look at the payload; None when it is malformed: counted, and to be acknowledged."""
        address, packet = arrival.address, arrival.packet
        payload = bytes(packet.payload)
        try:
            message = codec.decode(address.stream, payload)
        except codec.Malformed as error:
            self.refusals.note(sender(address.topic), str(error))
            return None
        properties = packet.properties
        return Delivery(
            stream=address.stream,
            site=address.site,
            device=address.device,
            message=message,
            payload=payload,
            retained=packet.retain,
            duplicate=packet.dup,
            response_topic=getattr(properties, "ResponseTopic", None),
            correlation=getattr(properties, "CorrelationData", None),
            generation=arrival.generation,
            mid=packet.mid if packet.qos else 0,
            serial=arrival.serial,
        )


def sender(topic: str) -> str:
    """Who a topic speaks for, as far as it can be told: ``site/device``, else the beginning of the topic."""
    parts = topic.split("/")
    return "/".join(parts[2:4])[:90] if len(parts) == 5 else topic[:90]  # noqa: PLR2004  (the grammar's five parts)
