"""A publisher that costs nearly nothing: recorded blocks in ready packets, seq and packet id patched.

A program of its own, started by `spondyl bench ingest`. It publishes at QoS 1 as fast as the broker
acknowledges, until it is told to end; then it waits for the last acknowledgement and prints what it did.
"""

import argparse
import json
import mmap
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from paho.mqtt.packettypes import PacketTypes

from broker import contract, topics
from broker.wire import Packet

WINDOW: Final = 400  # unacknowledged on a connection; the broker's bound is higher
AT_ONCE: Final = 50  # packets in one send
PROBE: Final = "probe"  # a device that publishes once, to see whether its site is stored
SEQ: Final = b'"seq":'
SEQ_WIDTH: Final = 10  # digits, with blanks in front as JSON allows
READ_BYTES: Final = 65_536
PAUSE_S: Final = 0.001  # between two rounds: acknowledgements come together then, at a third of the CPU
_PUBACK: Final = b"\x40\x02"  # success, without a reason


def boot_of(site: str, device: str) -> UUID:
    """Every device has a boot of its own, the same in every round."""
    return uuid5(NAMESPACE_URL, f"{site}/{device}")


def device_name(number: int) -> str:
    """The name of a device by its number in its site."""
    return f"bed-{number:05d}"


def payload_of(site: str, device: str, recorded: bytes) -> bytes:
    """A recorded block as the device's first one, with room for larger numbers."""
    head, _, rest = recorded.partition(SEQ)
    head = head.replace(json.loads(recorded)["boot"].encode(), str(boot_of(site, device)).encode())
    return head + SEQ + b"0".rjust(SEQ_WIDTH) + rest.lstrip(b"0123456789")


def packet_of(site: str, device: str, recorded: bytes) -> tuple[bytearray, int, int]:
    """(a PUBLISH of QoS 1, index of its packet id, index of its seq)."""
    body = payload_of(site, device, recorded)
    name = topics.topic(contract.TENSION, site, device).encode()
    told = Packet("", b"", 1, retain=False).properties(PacketTypes.PUBLISH)
    properties: bytes = told.pack()  # type: ignore[no-untyped-call]  # (paho leaves it untyped)
    variable = struct.pack(">H", len(name)) + name + b"\0\0" + properties
    packet = bytearray(b"\x32" + _variable(len(variable) + len(body)) + variable + body)
    begin = len(packet) - len(body)
    return packet, begin - len(properties) - 2, begin + body.index(SEQ) + len(SEQ)


def _variable(value: int) -> bytes:
    """A variable byte integer (MQTT 5.0, 1.5.5)."""
    digits = b""
    while value > 0x7F:  # noqa: PLR2004  (seven bits a byte)
        digits += bytes([value & 0x7F | 0x80])
        value >>= 7
    return digits + bytes([value])


class Line:
    """One connection: its devices' packets lie one behind the other and go out lap by lap."""

    def __init__(
        self, port: int, name: str, packets: Sequence[tuple[bytearray, int, int]], samples: int
    ) -> None:
        self._samples = samples
        self._lengths = [0]
        for packet, _, _ in packets:
            self._lengths.append(self._lengths[-1] + len(packet))
        self._buffer = bytearray().join(packet for packet, _, _ in packets)
        starts = self._lengths[:-1]
        self._mids = [start + mid for start, (_, mid, _) in zip(starts, packets, strict=True)]
        self._seqs = [start + seq for start, (_, _, seq) in zip(starts, packets, strict=True)]
        self._view = memoryview(self._buffer)
        self._unsent = self._view[:0]
        self._rest = b""
        self._mid = 0
        self.lap, self.turn = 0, 0  # the next packet to go
        self.sent = self.acknowledged = 0
        self.socket = _connected(port, name)

    @property
    def unanswered(self) -> int:
        """Messages that wait for their acknowledgement."""
        return self.sent - self.acknowledged

    @property
    def unsent(self) -> bool:
        """Whether a batch is not out yet."""
        return bool(self._unsent)

    @property
    def roomy(self) -> bool:
        """Whether something may go out."""
        return self.unsent or self.unanswered <= WINDOW - AT_ONCE

    def send(self, *, more: bool) -> None:
        """Write what the socket takes; a batch that was begun is always finished."""
        if not self._unsent and more and self.unanswered <= WINDOW - AT_ONCE:
            self._unsent = self._patched()
        try:
            while self._unsent:
                self._unsent = self._unsent[self.socket.send(self._unsent) :]
        except BlockingIOError:
            return

    def receive(self) -> None:
        """Count acknowledgements."""
        data = self._rest + self.socket.recv(READ_BYTES)
        count = len(data) // 4
        whole = data[: 4 * count]
        if whole[::4].count(0x40) != count or whole[1::4].count(0x02) != count:
            raise SystemExit("the broker answers something else than a plain PUBACK")
        self._rest = data[4 * count :]
        self.acknowledged += count

    @property
    def idle(self) -> bool:
        """Nothing waits."""
        return not self._unsent and not self.unanswered

    def _patched(self) -> memoryview:
        """The next packets with their numbers, up to the end of the lap."""
        first, after = self.turn, min(self.turn + AT_ONCE, len(self._mids))
        buffer, mid = self._buffer, self._mid
        seq = str(self.lap * self._samples).rjust(SEQ_WIDTH).encode()
        for number in range(first, after):
            mid = mid % 65_535 + 1
            struct.pack_into(">H", buffer, self._mids[number], mid)
            at = self._seqs[number]
            buffer[at : at + SEQ_WIDTH] = seq
        self._mid = mid
        self.sent += after - first
        self.turn = after
        if after == len(self._mids):
            self.lap, self.turn = self.lap + 1, 0
        return self._view[self._lengths[first] : self._lengths[after]]


def _connected(port: int, name: str) -> socket.socket:
    """A socket behind CONNECT and CONNACK (MQTT 5.0, 3.1), which does not block."""
    client = name.encode()
    body = b"\0\4MQTT\5\2\0\0\0" + struct.pack(">H", len(client)) + client
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(b"\x10" + _variable(len(body)) + body)
    head = connection.recv(2, socket.MSG_WAITALL)
    rest = connection.recv(head[1], socket.MSG_WAITALL)
    if head[0] != 0x20 or rest[1] != 0:  # noqa: PLR2004  (CONNACK)
        raise SystemExit(f"the broker refuses: {(head + rest).hex()}")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setblocking(False)  # noqa: FBT003  (the standard library's signature)
    return connection


def run(lines: list[Line], counter: mmap.mmap) -> None:
    """Publish until SIGTERM; then wait for every acknowledgement."""
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
    by_descriptor = {line.socket.fileno(): line for line in lines}
    while True:
        if ended and all(line.idle for line in lines):
            return
        poll = select.poll()
        for line in lines:
            writes = line.unsent if ended else line.roomy
            poll.register(line.socket, select.POLLIN | (select.POLLOUT if writes else 0))
        for descriptor, event in poll.poll(200):
            line = by_descriptor[descriptor]
            if event & select.POLLIN:
                line.receive()
            if event & (select.POLLERR | select.POLLHUP):
                raise SystemExit("the broker hung up")
        for line in lines:
            line.send(more=not ended)
        struct.pack_into("<Q", counter, 0, sum(line.acknowledged for line in lines))
        time.sleep(PAUSE_S)


def shares(numbers: range, parts: int) -> Iterator[range]:
    """The numbers in so many runs of about equal length."""
    edges = [numbers.start + len(numbers) * part // parts for part in range(parts + 1)]
    return (range(first, after) for first, after in pairwise(edges))


def main(arguments: Sequence[str] | None = None) -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--site", required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--devices", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--blocks", type=Path, required=True)
    parser.add_argument("--counter", type=Path, required=True, help="a file of 8 bytes: acknowledged")
    told = parser.parse_args(arguments)
    blocks = told.blocks.read_bytes().splitlines()
    samples = len(json.loads(blocks[0])["phase"])
    numbers = range(told.first, told.first + told.devices)
    lines = []
    for part, share in enumerate(shares(numbers, min(told.connections, told.devices))):
        packets = [
            packet_of(told.site, device_name(number), blocks[number % len(blocks)]) for number in share
        ]
        lines.append(Line(told.port, f"publisher-{told.site}-{told.first}-{part}", packets, samples))
    with told.counter.open("r+b") as file, mmap.mmap(file.fileno(), 8) as counter:
        run(lines, counter)
    done: dict[str, Any] = {"messages": sum(line.sent for line in lines), "laps": _laps(lines, numbers)}
    sys.stdout.write(json.dumps(done) + "\n")


def _laps(lines: list[Line], numbers: range) -> dict[str, int]:
    """How many blocks of each device were published."""
    laps = {}
    for line, share in zip(lines, shares(numbers, len(lines)), strict=True):
        for turn, number in enumerate(share):
            laps[device_name(number)] = line.lap + (turn < line.turn)
    return laps


if __name__ == "__main__":
    main()
