import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from broker.splitter import MalformedStream, Splitter

MOST = 1_000_000
topics = st.text(min_size=1, max_size=60).map(str.encode).filter(lambda text: len(text) < 200)
payloads = st.binary(max_size=40) | st.integers(100, 20_000).map(bytes)
PINGRESP = b"\xd0\x00"


def _length(value):
    digits = b""
    while value > 127:
        digits += bytes([value % 128 + 128])
        value //= 128
    return digits + bytes([value])


@st.composite
def publications(draw):
    """(what the splitter is to find, the packet as paho's own encoder writes its properties)."""
    topic, payload = draw(topics), draw(payloads)
    qos, mid = draw(st.integers(0, 1)), draw(st.integers(1, 65_535))
    flags = 0x30 | qos << 1 | draw(st.booleans()) | draw(st.booleans()) << 3
    properties = Properties(PacketTypes.PUBLISH)
    if draw(st.booleans()):
        properties.ContentType = "application/json"
        properties.PayloadFormatIndicator = 1
    properties.UserProperty = [("n", "x" * draw(st.integers(0, 200)))] * draw(st.integers(1, 3))
    number = struct.pack(">H", mid) if qos else b""
    body = struct.pack(">H", len(topic)) + topic + number + properties.pack() + payload
    return (topic, number, flags, payload), bytes([flags]) + _length(len(body)) + body


@st.composite
def streams(draw):
    """Packets of both kinds, and where the network cuts them."""
    parts = draw(st.lists(publications() | st.just((None, PINGRESP)), max_size=8))
    data = b"".join(packet for _, packet in parts)
    cuts = draw(st.lists(st.integers(0, len(data)), max_size=12))
    return parts, data, [0, *sorted(cuts), len(data)]


@given(streams())
def test_whatever_the_network_cuts_every_packet_comes_out_whole_and_in_order(stream):
    """TCP knows no packets: a block of bytes may end anywhere, even within a length."""
    parts, data, cuts = stream
    splitter, found, others = Splitter(MOST), [], b""
    for first, after in pairwise(cuts):
        publications, rest = splitter.feed(data[first:after])
        found += publications
        others += rest
    assert found == [expected for expected, _ in parts if expected is not None]
    assert others == b"".join(packet for expected, packet in parts if expected is None)


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_random_bytes_are_packets_or_refused_and_nothing_else_happens(blocks):
    """A broken broker, or no broker at all, ends the connection and not the consumer."""
    splitter = Splitter(MOST)
    try:
        for block in blocks:
            splitter.feed(block)
    except MalformedStream:
        return


@given(publications(), st.data())
def test_a_damaged_packet_never_reaches_into_its_neighbour(publication, data):
    """Whatever a length says, a payload is never longer than its packet."""
    _, packet = publication
    damaged = bytearray(packet)
    damaged[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    try:
        found, _ = Splitter(MOST).feed(bytes(damaged) + PINGRESP)
    except MalformedStream:
        return
    assert all(len(topic) + len(payload) <= len(damaged) for topic, _, _, payload in found)


@pytest.mark.parametrize(
    "packet",
    [
        b"\x30\xff\xff\xff\xff\x01",  # a length of five bytes
        b"\x36\x05\x00\x01a\x00\x01\x00",  # QoS 3
        b"\x32\x06\x00\x01a\x00\x00\x00",  # packet id 0
        b"\x30\x02\x00\x00",  # no properties
        b"\x30\x05\x00\x09abc",  # a topic longer than the packet
        b"\x30\x05\x00\x01a\x09x",  # properties longer than the packet
        b"\x30\xff\xff\x7f",  # larger than agreed to, refused before it is read
    ],
)
def test_what_mqtt_forbids_is_refused(packet):
    """MQTT 5.0, 4.13: the connection is closed."""
    with pytest.raises(MalformedStream):
        Splitter(MOST).feed(packet)
