"""A slow, lossy or narrow line for a container: `python link.py CONTAINER [--delay MS] [--loss PERCENT] ...`.

It says "ready" when the fault is in force and takes it back when it ends: after --seconds, or at SIGTERM.
Packets that the container sends are affected, with --both those that it receives as well (--rate: sent
alone); a connection that stands feels it at once. It does the work of `tc netem` where the kernel has none:
packets go to a netfilter queue, and each is let pass after its delay, or dropped. The rate is tc's own. Root,
podman, nsenter, iptables and tc are needed; if it dies, packets pass unharmed.
"""

import argparse
import contextlib
import heapq
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

QUEUE = 51
NETLINK_NETFILTER = 12
SUBSYS_QUEUE = 3 << 8
MSG_PACKET, MSG_VERDICT, MSG_CONFIG = SUBSYS_QUEUE, SUBSYS_QUEUE | 1, SUBSYS_QUEUE | 2
NLM_F_REQUEST, NLM_F_ACK, NLMSG_ERROR = 1, 4, 2
SOL_NETLINK, NETLINK_NO_ENOBUFS = 270, 5
FAIL_OPEN_AND_GSO = struct.pack(">I", 5)  # a full queue lets pass; large packets come whole
DROP, ACCEPT = 0, 1
LENGTH = 20_000  # packets that may wait


class Queue:
    """The part of the kernel's nfnetlink_queue protocol that is needed here."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self.socket.bind((0, 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.setsockopt(SOL_NETLINK, NETLINK_NO_ENOBUFS, 1)  # losing a message is no reason to stop
        self._config((1, struct.pack(">BxH", 1, 0)))  # bind to this queue
        self._config((2, struct.pack(">IB", 0, 1)))  # packet headers alone
        self._config((3, struct.pack(">I", LENGTH)))
        self._config((4, FAIL_OPEN_AND_GSO), (5, FAIL_OPEN_AND_GSO))  # mask, flags

    def packets(self) -> Iterator[int]:
        """The numbers of the packets that have come."""
        try:
            data = self.socket.recv(1 << 17, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        at = 0
        while at + 16 <= len(data):
            length, kind = struct.unpack_from("=IH", data, at)
            if kind == MSG_PACKET:
                yield from self._number(data, at + 20, at + length)
            at += (length + 3) & ~3

    def verdict(self, packet: int, what: int) -> None:
        """Let it pass, or not."""
        told = (2, struct.pack(">II", what, packet))
        self.socket.send(self._message(MSG_VERDICT, NLM_F_REQUEST, told))

    @staticmethod
    def _number(data: bytes, at: int, end: int) -> Iterator[int]:
        while at + 4 <= end:
            size, name = struct.unpack_from("=HH", data, at)
            if name & 0x3FFF == 1:
                yield struct.unpack_from(">I", data, at + 4)[0]
                return
            at += (size + 3) & ~3

    @staticmethod
    def _message(kind: int, flags: int, *attributes: tuple[int, bytes]) -> bytes:
        body = struct.pack(">BBH", 0, 0, QUEUE)
        for name, data in attributes:
            body += struct.pack("=HH", len(data) + 4, name) + data + b"\0" * (-len(data) % 4)
        return struct.pack("=IHHII", len(body) + 16, kind, flags, 0, 0) + body

    def _config(self, *attributes: tuple[int, bytes]) -> None:
        self.socket.send(self._message(MSG_CONFIG, NLM_F_REQUEST | NLM_F_ACK, *attributes))
        answer = self.socket.recv(65_536)
        (kind,), (error,) = struct.unpack_from("=4xH", answer), struct.unpack_from("=i", answer, 16)
        if kind == NLMSG_ERROR and error:
            raise OSError(-error, os.strerror(-error))


class Line:
    """The faults of one interface, inside its container's network namespace."""

    def __init__(self, wanted: argparse.Namespace) -> None:
        self.wanted = wanted
        self.stopped = False
        self._waiting: list[tuple[float, int, int]] = []  # due, order, packet
        self._order = 0

    def run(self) -> None:
        """Until it is told to end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        queue = Queue()
        self._clear()
        try:
            self._lay()
            print("ready", flush=True)  # noqa: T201  (whoever started it waits for this)
            end = time.monotonic() + (self.wanted.seconds or float("inf"))
            while not self.stopped and time.monotonic() < end:
                self._turn(queue, end)
        finally:
            self._clear()
            for _, _, packet in sorted(self._waiting):
                queue.verdict(packet, ACCEPT)

    def _turn(self, queue: Queue, end: float) -> None:
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            queue.verdict(heapq.heappop(self._waiting)[2], ACCEPT)
        pause = min(0.2, end - now, *(due - now for due, _, _ in self._waiting[:1]))
        if select.select([queue.socket], [], [], max(0.0, pause))[0]:
            for packet in queue.packets():
                self._take(queue, packet)

    def _take(self, queue: Queue, packet: int) -> None:
        wanted = self.wanted
        if random.random() * 100 < wanted.loss:  # noqa: S311  (no secret)
            queue.verdict(packet, DROP)
            return
        spread = random.uniform(-wanted.jitter, wanted.jitter)  # noqa: S311  (the same)
        late_ms = max(0.0, wanted.delay + spread)
        self._order += 1
        heapq.heappush(self._waiting, (time.monotonic() + late_ms / 1000, self._order, packet))

    def _lay(self) -> None:
        wanted = self.wanted
        if wanted.rate:
            burst = str(max(3000, wanted.rate * 2))
            _run("tc", "qdisc", "add", "dev", wanted.device, "root", "tbf", "rate", f"{wanted.rate}kbit",
                 "burst", burst, "latency", "400ms")  # fmt: skip
        if wanted.delay or wanted.jitter or wanted.loss:
            for tool, rule in self._rules():
                _run(tool, "-w", "-A", *rule)

    def _clear(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            for tool, rule in self._rules():
                _run(tool, "-w", "-D", *rule)
        if self.wanted.rate:
            with contextlib.suppress(subprocess.CalledProcessError):
                _run("tc", "qdisc", "del", "dev", self.wanted.device, "root")

    def _rules(self) -> Iterator[tuple[str, list[str]]]:
        chains = [("OUTPUT", "-o")] + ([("INPUT", "-i")] if self.wanted.both else [])
        for chain, way in chains:
            queue = ["-j", "NFQUEUE", "--queue-num", str(QUEUE), "--queue-bypass"]
            yield "iptables", [chain, way, self.wanted.device, *queue]

    def _stop(self, *_: object) -> None:
        self.stopped = True


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def main() -> None:
    """Enter the container's network, then do it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", help="container")
    parser.add_argument("--delay", type=float, default=0, help="milliseconds")
    parser.add_argument("--jitter", type=float, default=0, help="milliseconds, up or down")
    parser.add_argument("--loss", type=float, default=0, help="percent of packets")
    parser.add_argument("--rate", type=int, default=0, help="kilobits a second")
    parser.add_argument("--both", action="store_true", help="received packets too")
    parser.add_argument("--seconds", type=float, default=0, help="end by itself")
    parser.add_argument("--device", default="eth0", help="interface in the container")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.inside:
        Line(wanted).run()
        return
    inspect = ["podman", "inspect", "--format", "{{.State.Pid}}", wanted.name]
    pid = subprocess.run(inspect, check=True, capture_output=True, text=True).stdout.strip()
    if pid == "0":
        sys.exit(f"link: {wanted.name} is not running")
    within = ["nsenter", "-t", pid, "-n", sys.executable, str(Path(__file__).resolve())]
    os.execvp(within[0], [*within, *sys.argv[1:], "--inside"])  # noqa: S606  (a list of ours)


if __name__ == "__main__":
    main()
