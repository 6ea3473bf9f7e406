"""The bytes of an MQTT 5 connection -> its packets, a block at a time.

paho reads a packet by at least three calls of the socket and makes objects of each: 40 us a message. A
consumer of tens of thousands a second reads what is there and takes the PUBLISH packets out of it (2 us);
every other packet goes to paho. Format: OASIS MQTT 5.0, sections 2.1 and 3.3.
"""

from typing import Final

PUBLISH: Final = 0x30
RETAIN: Final = 0x01
QOS: Final = 0x06
DUPLICATE: Final = 0x08
Publication = tuple[bytes, bytes, int, bytes]  # topic, packet id (empty for QoS 0), flags, payload
_MOST_LENGTH_BYTES: Final = 4


class MalformedStream(ValueError):  # noqa: N818  (what the bytes are)
    """Bytes that are no MQTT: the connection must be closed (MQTT 5.0, 4.13)."""


class Splitter:
    """Keeps the beginning of a packet until the rest of it has come."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._rest = b""

    def feed(self, data: bytes) -> tuple[list[Publication], bytes]:
        """The PUBLISH packets that are whole now, and all other whole packets. Raises MalformedStream."""
        if self._rest:
            data = self._rest + data
        publications: list[Publication] = []
        others = b""
        at, end = 0, len(data)
        while end - at > 1:
            length, body = data[at + 1], at + 2
            if length > 0x7F:  # noqa: PLR2004  (the continuation bit of a variable byte integer)
                length, body = _variable(data, at + 1)
                if length > self._most_bytes:
                    raise MalformedStream(
                        f"a packet of {length} bytes, at most {self._most_bytes} were agreed to"
                    )
            after = body + length
            if body < 0 or after > end:
                break
            head = data[at]
            if head & 0xF0 == PUBLISH:
                publications.append(_publication(data, head, body, after))
            else:
                others += data[at:after]
            at = after
        self._rest = data[at:]
        return publications, others


def _publication(data: bytes, head: int, body: int, after: int) -> Publication:
    """The PUBLISH whose variable header begins at ``body``."""
    if after - body < 3:  # noqa: PLR2004  (length of the topic, length of the properties)
        raise MalformedStream("a PUBLISH without topic or properties")
    begin = body + 2
    at = begin + (data[body] << 8 | data[body + 1])
    topic = data[begin:at]
    mid = b""
    if qos := head & QOS:
        if qos == QOS:
            raise MalformedStream("a PUBLISH of QoS 3")
        mid = data[at : at + 2]
        at += 2
    if at >= after:
        raise MalformedStream("a PUBLISH that ends before its properties")
    properties = data[at]
    at += 1
    if properties > 0x7F:  # noqa: PLR2004  (the continuation bit)
        properties, at = _variable(data, at - 1)
    at += properties
    if at < 0 or at > after or mid == b"\0\0":
        raise MalformedStream("a PUBLISH whose parts are longer than itself, or whose packet id is 0")
    return topic, mid, head, data[at:after]


def _variable(data: bytes, at: int) -> tuple[int, int]:
    """(value of the variable byte integer at ``at``, index behind it: far below 0 when it is not whole)."""
    value = 0
    for place in range(_MOST_LENGTH_BYTES):
        if at + place >= len(data):
            return 0, -len(data)
        byte = data[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:  # noqa: PLR2004  (the continuation bit)
            return value, at + place + 1
    raise MalformedStream("a length of more than four bytes")
