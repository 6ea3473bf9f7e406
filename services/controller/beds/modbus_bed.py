"""Beds behind Modbus/TCP: the compiled loop's arrays, and the thread that keeps their connections.

Connecting resolves names, waits and may fail in many ways: none of it belongs in a tick. This thread
connects, hands the socket over to the loop and closes it when the loop gives it back, with growing pauses.
"""

import errno
import ipaddress
import os
import secrets
import selectors
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from services.controller.beds.addresses import DriveAddress
from services.controller.beds.modbus_map import REFUSALS
from services.controller.kernel import layout, modbus, modbus_frames
from services.controller.kernel import memory as m
from services.controller.loop.shared_file import fence

log = structlog.get_logger(__name__)

Counts = npt.NDArray[np.int64]

LOOK_S = 0.02  # how often the loop's hands are looked at
CONNECT_S = 1.0  # a connection that is not made within it is tried anew
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
GIVEN_UP = "ended by the drive, or given up: no right answer for a second, see what it answered wrongly"
TOLD_EVERY_S = 10.0  # a bed's refusals are logged as one line so often, not one by one
WAIT_PART, LEAST_WAIT_NS = 4, 500_000  # waited for answers where no wait is set; see usual_wait_ns


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the loop has to know of its drives beside their addresses.

    wait_ns: how long a tick waits for answers at most, 0 for the usual_wait_ns; serials: of the drives
    that were commissioned, by device.
    """

    wait_ns: int = 0
    serials: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WiredBed:
    """One bed on the bus: its name, its column in the kernel's arrays, where its drive is."""

    device: str
    place: int
    address: DriveAddress
    serial: int = 0


def usual_wait_ns(period_ns: int) -> int:
    """A quarter of the period, or what an answer takes where that is less; never more than half of it."""
    return max(period_ns // WAIT_PART, min(LEAST_WAIT_NS, period_ns // 2))


def new_bus(beds: Sequence[WiredBed], wait_ns: int) -> modbus.Bus:
    """The loop's arrays for these beds; the session id of this master is drawn here."""
    count = len(beds)
    state = np.zeros((count, len(modbus.LINK_STATE)), np.int64)
    state[:, modbus.L_SOCKET] = modbus.GONE
    state[:, [modbus.L_READ_NS, modbus.L_OTHER_NS]] = modbus.NEVER_NS
    state[:, modbus.L_SERIAL] = [bed.serial for bed in beds]
    polls = np.zeros((count, 2), np.int32)
    held = np.zeros((len(layout.READINGS), count), np.int32)
    held[layout.R_EFFORT] = layout.NO_EFFORT
    return modbus.Bus(
        places=np.array([bed.place for bed in beds], np.int64),
        sockets=np.full(count, modbus.GONE, np.int64),
        units=np.array([bed.address.unit for bed in beds], np.int64),
        options=np.array([wait_ns, 1 + secrets.randbelow(2**31 - 1)], np.int64),
        state=state,
        outgoing=np.zeros((count, modbus_frames.REQUEST_BYTES), np.uint8),
        incoming=np.zeros((count, modbus.BUFFER_BYTES), np.uint8),
        polls=polls,
        events=polls.view(np.int16),
        held=held,
    )


Found = tuple[socket.AddressFamily, socket.SocketKind, int, tuple[Any, ...]]


class Resolving:
    """An address looked up: at once where it is a number, else by a thread of its own that may wait."""

    def __init__(self, address: DriveAddress) -> None:
        self._address = address
        self.over = threading.Event()
        self._found: Found | OSError = OSError("not looked up")
        if _is_number(address.host):
            self._look_up()
        else:
            threading.Thread(target=self._look_up, name=f"name of {address.host}", daemon=True).start()

    def result(self) -> Found:
        """Family, kind, protocol and address for a socket, once ``over``; OSError where there is none."""
        if isinstance(self._found, OSError):
            raise self._found
        return self._found

    def _look_up(self) -> None:
        try:
            rows = socket.getaddrinfo(self._address.host, self._address.port, type=socket.SOCK_STREAM)
            family, kind, protocol, _, place = rows[0]
            self._found = family, kind, protocol, place
        except OSError as error:
            self._found = error
        except UnicodeError as error:  # no name at all, by its length or its letters
            self._found = OSError(str(error))
        self.over.set()


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


class Connection:
    """One bed's connection: made here, used by the loop, closed here."""

    def __init__(self, bed: WiredBed, index: int, bus: modbus.Bus, counts: Counts) -> None:
        self._bed, self._index, self._bus, self._counts = bed, index, bus, counts
        self._socket: socket.socket | None = None
        self._connecting_since = 0.0
        self._name: Resolving | None = None
        self._pause_s, self._next_at = FIRST_PAUSE_S, 0.0
        self._failure = ""
        self._told_at, self._seen, self._answers = 0.0, counts.copy(), 0

    def look(self, now: float) -> None:
        """Do what is due: close what the loop gave back, connect, hand over, log."""
        if self._connecting_since:
            self._finish(now)
        elif self._bus.sockets[self._index] == modbus.GONE:
            if self._socket is not None:
                self._drop(now, GIVEN_UP)
            elif now >= self._next_at:
                self._begin(now)
        elif self._failure and self._counts[m.N_ANSWERS] > self._answers:
            self._failure = ""
            log.info("drive answers again", device=self._bed.device, address=str(self._bed.address))
        self._tell(now)

    def close(self) -> None:
        """Close it; the loop must not tick any more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _begin(self, now: float) -> None:
        if self._name is None:
            self._name = Resolving(self._bed.address)
        if not self._name.over.is_set():
            return  # whoever answers for names is slow: the other beds are connected meanwhile
        found, self._name = self._name, None
        try:
            family, kind, protocol, place = found.result()
            made = socket.socket(family, kind, protocol)
            made.setblocking(False)  # noqa: FBT003  (its only parameter)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            refused = made.connect_ex(place)
        except OSError as error:
            self._fail(now, str(error))
            return
        if refused not in (0, errno.EINPROGRESS):  # no route: such a socket looks ready, and is none
            made.close()
            self._fail(now, os.strerror(refused))
            return
        self._socket, self._connecting_since = made, now

    def _finish(self, now: float) -> None:
        made = self._socket
        if made is None:
            return
        with selectors.DefaultSelector() as selector:
            selector.register(made, selectors.EVENT_WRITE)
            ready = selector.select(0)
        refused = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if ready else 0
        if ready and not refused:
            self._connecting_since = 0.0
            self._answers = int(self._counts[m.N_ANSWERS])
            fence()
            self._bus.sockets[self._index] = made.fileno()
            if self._failure != GIVEN_UP:  # else it is told when it answers, not every other second
                self._failure = ""
                log.info("drive connected", device=self._bed.device, address=str(self._bed.address))
        elif refused or now - self._connecting_since > CONNECT_S:
            self._connecting_since = 0.0
            self.close()
            self._fail(now, os.strerror(refused) if refused else f"no connection within {CONNECT_S:g} s")

    def _drop(self, now: float, why: str) -> None:
        """The loop has given the socket back."""
        self.close()
        if self._counts[m.N_ANSWERS] > self._answers:  # it was a good one
            self._pause_s, self._failure = FIRST_PAUSE_S, ""
        self._fail(now, why)

    def _fail(self, now: float, why: str) -> None:
        self._next_at = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        if why != self._failure:
            self._failure = why
            log.warning(
                "drive not connected", device=self._bed.device, address=str(self._bed.address), why=why
            )

    def _tell(self, now: float) -> None:
        """One line for all answers that were refused since the last one."""
        if now - self._told_at < TOLD_EVERY_S:
            return
        new = self._counts - self._seen
        refused = {kind: int(new[m.LINK_COUNTS.index(kind)]) for kind in m.LINK_REFUSALS}
        if any(refused.values()):
            self._told_at = now
            kinds = {kind: count for kind, count in refused.items() if count}
            most = max(kinds, key=lambda kind: kinds[kind])
            log.warning(
                "drive answered wrongly", device=self._bed.device, address=str(self._bed.address),
                refused=kinds, why=f"mostly {most}: {REFUSALS[most]}",
            )  # fmt: skip
        self._seen = self._counts.copy()


class Connections:
    """The thread that keeps every drive connected while the loop ticks."""

    def __init__(self, beds: Sequence[WiredBed], bus: modbus.Bus, counts: Counts) -> None:
        self._connections = [Connection(bed, index, bus, counts[bed.place]) for index, bed in enumerate(beds)]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drives", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        if self._connections:
            self._thread.start()

    def stop(self) -> None:
        """End the thread and close every connection; the loop must not tick any more."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        for connection in self._connections:
            connection.close()

    def _run(self) -> None:
        while not self._over.wait(LOOK_S):
            for connection in self._connections:
                try:
                    connection.look(time.monotonic())
                except Exception:  # one bed's trouble must not keep the others unconnected
                    log.exception("drive not looked after")
