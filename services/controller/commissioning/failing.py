"""Why a drive cannot be talked to, in words: what was asked, what came instead, what to do."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from services.controller.beds.addresses import PORT, DriveAddress
from services.controller.kernel import modbus_frames as wire

CONNECT_S: Final = 2.0
SHOWN_BYTES: Final = 12
LENGTHS: Final = range(wire.EXCEPTION_LENGTH, wire.LONGEST_LENGTH + 1)
OTHER_MAP: Final = "it has another register map, see docs/modbus.md"
# Modbus Application Protocol V1.1b3, 7: what the code is called, what to do.
EXCEPTIONS: Final = {
    1: ("illegal function", "it must know functions 3 and 23 (0x17), see docs/modbus.md"),
    2: ("illegal data address", OTHER_MAP),
    3: ("illegal data value", OTHER_MAP),
    4: ("device failure", f"there is no unit {{unit}}, or {OTHER_MAP}"),
    5: ("acknowledge", "it is still at work on another request: try again"),
    6: ("busy", "another master is at work on it: stop that one, or try again"),
    10: (
        "no path from the converter",
        "there is no unit {unit} behind this address: give the drive's, ?unit=N",
    ),
    11: (
        "no answer behind the converter",
        "there is no unit {unit} behind this address, or the drive is off",
    ),
}


@dataclass(slots=True)
class Exchange:
    """The bytes of the last exchange, as pymodbus' client hands them by."""

    sent: bytes = b""
    heard: bytes = b""

    def packet(self, sending: bool, data: bytes) -> bytes:  # noqa: FBT001  (pymodbus calls it so)
        """Keep what goes out, and the longest that came in for it."""
        if sending:
            self.sent, self.heard = data, b""
        elif len(data) > len(self.heard):
            self.heard = data
        return data

    @property
    def is_frame(self) -> bool:
        """Whether the header, as far as it has come, is one of Modbus/TCP."""
        if len(self.heard) < wire.HEADER:
            return self.heard[2:4] in (b"", b"\0", b"\0\0")
        return self.heard[2:4] == b"\0\0" and self.due - wire.HEADER in LENGTHS

    @property
    def due(self) -> int:
        """Bytes that the answer's header promises."""
        return wire.HEADER + int.from_bytes(self.heard[4 : wire.HEADER], "big")

    @property
    def unit(self) -> int:
        """Who answers."""
        return self.heard[wire.HEADER] if len(self.heard) > wire.HEADER else 0

    @property
    def asked_unit(self) -> int:
        """Who was asked."""
        return self.sent[wire.HEADER] if len(self.sent) > wire.HEADER else 0


def of_connecting(address: DriveAddress) -> str:
    """Why no connection comes about: looked at once more, since the client does not say it."""
    try:
        socket.create_connection((address.host, address.port), CONNECT_S).close()
    except socket.gaierror:
        return f"no machine is called {address.host}: check the name, or give the drive's IP address"
    except ConnectionRefusedError:
        return (
            f"it refuses port {address.port}: nothing listens there; check the port (usually {PORT}) and "
            "that the drive's Modbus/TCP is switched on"
        )
    except TimeoutError:
        return f"nothing came within {CONNECT_S:g} s: check power, cable and address"
    except (OSError, UnicodeError) as error:
        return f"{error}: check cable, address and this computer's network"
    return "it takes this connection now, and did not a moment ago: stop whoever else talks to it, try again"


def of_exception(code: int, unit: int) -> str:
    """An exception of the drive, with what to do."""
    name, todo = EXCEPTIONS.get(code, ("unknown", OTHER_MAP))
    return f"Modbus exception {code}, {name}): {todo.format(unit=unit)}"


def of_answering(exchange: Exchange, waited_s: float) -> str:
    """What is wrong with what came for a request, and what to do."""
    case = next(case for case in CASES if case.applies(exchange))
    return case.text.format(
        it=exchange, port=PORT, map=OTHER_MAP, waited_s=waited_s, came=len(exchange.heard),
        shown=exchange.heard[:SHOWN_BYTES].hex(" "), number=number(exchange.heard),
        asked=number(exchange.sent),
    )  # fmt: skip


def number(frame: bytes) -> int:
    """The transaction of a frame."""
    return int.from_bytes(frame[:2], "big")


@dataclass(frozen=True, slots=True)
class Case:
    """One way in which an answer is none, and what is said of it."""

    applies: Callable[[Exchange], bool]
    text: str


CASES: Final = (  # the first that applies is told
    Case(
        lambda it: not it.heard,
        "no answer to a Modbus request within {waited_s:g} s: check the port (usually {port}; a drive's web "
        "page has another) and that the drive is unit {it.asked_unit} (?unit=N): most keep silent for others",
    ),
    Case(
        lambda it: it.heard.startswith(b"HTTP/") or b"<html" in it.heard.lower(),
        "a web server answers there: give the port of Modbus, usually {port}",
    ),
    Case(
        lambda it: not it.is_frame,
        "{came} bytes that are no Modbus/TCP frame ({shown} ...): check address and port; a serial converter "
        "must be set to Modbus/TCP",
    ),
    Case(
        lambda it: len(it.heard) < it.due,
        "{came} of {it.due} bytes of an answer within {waited_s:g} s: check cable, switch and converter",
    ),
    Case(
        lambda it: it.unit != it.asked_unit,
        "unit {it.unit} answers where unit {it.asked_unit} was asked: give the drive's own, ?unit=N, and no "
        "unit twice on one converter",
    ),
    Case(
        lambda it: number(it.heard) != number(it.sent),
        "the answer to request {number} where {asked} was asked: let nobody else talk to this drive or its "
        "converter",
    ),
    Case(lambda _: True, "an answer of another function or form ({shown} ...): {map}"),
)
