"""Messages of the contract made into packets: topic, payload and properties as the table says."""

from dataclasses import dataclass

from broker import codec, topics
from broker.contract import Stream
from broker.messages import Message
from broker.wire import Packet


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says for us when we vanish; ``delay_s`` later, unless we are back by then."""

    stream: Stream
    message: Message
    site: str
    device: str | None = None
    delay_s: int = 0

    def packet(self) -> Packet:
        """The will as it is handed to the broker."""
        topic = topics.topic(self.stream, self.site, self.device)
        payload = codec.encode(self.stream, self.message)
        return Packet(topic, payload, self.stream.qos, self.stream.retain, delay_s=self.delay_s)


def packet_of(
    stream: Stream,
    message: Message | bytes,
    site: str,
    device: str | None,
    response_topic: str | None = None,
    correlation: bytes | None = None,
) -> Packet:
    """The packet of a message; TopicError or codec.Malformed when the contract forbids it."""
    topic = topics.topic(stream, site, device)
    payload = codec.encode(stream, message)
    return Packet(topic, payload, stream.qos, stream.retain, stream.expiry_s, response_topic, correlation)
