"""MQTT 5 publishers that cost a benchmark little: whole packets, many to a write, nothing else.

No client library: what is measured is the receiving side, and a library's 50 us a message would be the limit.
Format: OASIS MQTT 5.0, sections 3.1 (CONNECT), 3.3 (PUBLISH), 3.4 (PUBACK), 3.8 (SUBSCRIBE).
"""

import selectors
import socket
from collections import deque
from typing import Final

from broker.splitter import Splitter
from services.kit.errors import SpondylError

CONNECT_S: Final = 30.0
RECEIVE_BYTES: Final = 262_144
MOST_BYTES: Final = 1_048_576  # a packet, as the broker's own configuration has it
IN_FLIGHT: Final = 100  # below the broker's max_inflight_messages, which is its receive maximum
_CONNACK, _PUBACK = 0x20, 0x40
_RETAIN: Final = 0x01


def publish_packet(topic: bytes, payload: bytes, packet_id: int, *, retain: bool = False) -> bytes:
    """A PUBLISH at QoS 1 without properties."""
    length = 2 + len(topic) + 2 + 1 + len(payload)
    head = bytes((0x32 | (_RETAIN if retain else 0),)) + variable(length)
    return b"".join((head, len(topic).to_bytes(2), topic, packet_id.to_bytes(2), b"\0", payload))


def variable(value: int) -> bytes:
    """A variable byte integer (MQTT 5.0, 1.5.5)."""
    found = bytearray()
    while True:
        value, byte = value >> 7, value & 0x7F
        found.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(found)


class Publisher:
    """One connection: queue messages, let them out as the broker takes them, hear what it sends."""

    def __init__(self, url: str, name: str, user: str | None = None, password: str | None = None) -> None:
        host, _, port = url.rpartition("//")[2].partition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=CONNECT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.acknowledged = 0
        self.sent = 0
        self._splitter = Splitter(MOST_BYTES)
        self._waiting: deque[tuple[bytes, bytes, bool]] = deque()
        self._unsent = b""
        self._packet_id = 0
        self.socket.sendall(_connect(name, user, password))
        if self._receive_now()[:1] != bytes((_CONNACK,)):
            raise SpondylError(f"the broker did not take {name}")
        self.socket.settimeout(0.0)

    @property
    def settled(self) -> bool:
        """Whether everything that was queued is acknowledged."""
        return not self._waiting and not self._unsent and self.acknowledged == self.sent

    def subscribe(self, topic: str) -> None:
        """Ask for a topic at QoS 1; its SUBACK is not waited for."""
        name = topic.encode()
        body = b"\0\x01" + b"\0" + len(name).to_bytes(2) + name + b"\x01"
        self._unsent += b"\x82" + variable(len(body)) + body

    def queue(self, topic: bytes, payload: bytes, *, retain: bool = False) -> None:
        """Publish as soon as the window allows; ``push`` sends."""
        self._waiting.append((topic, payload, retain))

    def push(self) -> None:
        """Hand the network what the window and its buffer take; never waits."""
        packets = [self._unsent] if self._unsent else []
        while self._waiting and self.sent - self.acknowledged < IN_FLIGHT:
            topic, payload, retain = self._waiting.popleft()
            self._packet_id = self._packet_id % 65_535 + 1
            packets.append(publish_packet(topic, payload, self._packet_id, retain=retain))
            self.sent += 1
        if not packets:
            return
        data = b"".join(packets)
        try:
            went = self.socket.send(data)
        except BlockingIOError:
            went = 0
        self._unsent = data[went:]

    def hear(self) -> list[tuple[bytes, bytes]]:
        """(topic, payload) of what has come, acknowledged; counts the broker's own acknowledgements."""
        try:
            data = self.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return []
        if not data:
            raise SpondylError("the broker closed a publisher's connection: see its log")
        publications, others = self._splitter.feed(data)
        self.acknowledged += acknowledgements(others)
        answers = b"".join(b"\x40\x02" + mid for _, mid, _, _ in publications if mid)
        self._unsent += answers
        return [(topic, payload) for topic, _, _, payload in publications]

    def close(self) -> None:
        """DISCONNECT and let go."""
        self.socket.settimeout(CONNECT_S)
        self.socket.sendall(b"\xe0\x00")
        self.socket.close()

    def _receive_now(self) -> bytes:
        return self.socket.recv(RECEIVE_BYTES)


def acknowledgements(packets: bytes) -> int:
    """How many of these whole packets are PUBACKs; all are short: their length is one byte."""
    count = at = 0
    while at < len(packets):
        count += packets[at] == _PUBACK
        at += 2 + packets[at + 1]
    return count


def selector(publishers: list[Publisher]) -> selectors.BaseSelector:
    """Waits for whatever any of them hears; the publisher is each key's data."""
    found = selectors.DefaultSelector()
    for publisher in publishers:
        found.register(publisher.socket, selectors.EVENT_READ, publisher)
    return found


def _connect(name: str, user: str | None, password: str | None) -> bytes:
    flags = 0x02 | (0x80 if user is not None else 0) | (0x40 if password is not None else 0)
    fields = [part.encode() for part in (name, user, password) if part is not None]
    body = b"\0\x04MQTT\x05" + bytes((flags,)) + (600).to_bytes(2) + b"\0"
    body += b"".join(len(field).to_bytes(2) + field for field in fields)
    return b"\x10" + variable(len(body)) + body
