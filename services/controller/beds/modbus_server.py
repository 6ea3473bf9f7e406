"""`spondyl bed --modbus PORT`: the drive of modbus_drive.py behind a pymodbus server, and its faults."""

import asyncio
import contextlib
import logging
import random
import threading
from collections.abc import Callable, Sequence
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice

from services.controller.beds import fault_words
from services.controller.beds.modbus_drive import Drive
from services.controller.kernel import modbus_frames as wire
from services.controller.kernel import modbus_map as reg
from services.controller.kernel.faults import FAULT_KINDS
from services.kit.errors import SpondylError

LIVE_S = 0.005  # time passes for the patient also while nobody asks
SLOW_S = 0.060
SPLIT_S = 0.001
STRANGER = 0x0BADCAFE  # a master that this gateway is not

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # a request for another unit is answered, not traced

Pieces = list[tuple[float, bytes]]  # bytes to send, each so many seconds from now


def _registers(data: bytes, name: str, change: Callable[[int], int]) -> bytes:
    """An answer with one register block changed."""
    register = next(one for one in reg.READS if one.name == name)
    at = wire.ANSWER_AT + 2 * reg.offset(reg.READS, name)
    size = 2 * register.words
    value = change(int.from_bytes(data[at : at + size], "big")) % (1 << 8 * size)
    return data[:at] + value.to_bytes(size, "big") + data[at + size :]


def _swapped(data: bytes) -> bytes:
    for register in reg.READS:
        if register.words > 1:
            data = _registers(data, register.name, lambda value: (value >> 16) | ((value & 0xFFFF) << 16))
    return data


def _shorter(data: bytes) -> bytes:
    """One register less, in a frame that is right in itself."""
    body = bytes([*data[6:8], data[8] - 2]) + data[9:-2]
    return data[:4] + len(body).to_bytes(2, "big") + body


_noise = random.Random(9)  # noqa: S311  (a fault, not a secret)

# What a drive may do to its answers; each is refused and counted by the loop, see kernel/modbus.py.
FAULTS: dict[str, Callable[[bytes], Pieces]] = {
    "garbage": lambda data: [(0.0, _noise.randbytes(len(data)))],
    "half": lambda data: [(0.0, data[: len(data) // 2])],
    "split": lambda data: [(0.0, data[: len(data) // 2]), (SPLIT_S, data[len(data) // 2 :])],
    "unit": lambda data: [(0.0, data[:6] + bytes([data[6] ^ 0x02]) + data[7:])],
    "transaction": lambda data: [(0.0, bytes([data[0] ^ 0x80]) + data[1:])],
    "exception": lambda data: [(0.0, data[:4] + b"\x00\x03" + data[6:7] + bytes([wire.EXCEPTION, 6]))],
    "length": lambda data: [(0.0, _shorter(data))],
    "signature": lambda data: [(0.0, _registers(data, "signature", lambda value: value ^ 1))],
    "swapped": lambda data: [(0.0, _swapped(data))],
    "scaling": lambda data: [(0.0, _registers(data, "force_scale", lambda value: 10 * value))],
    "serial": lambda data: [(0.0, _registers(data, "serial", lambda value: value + 1))],
    "other-master": lambda data: [(0.0, _registers(data, "master", lambda _: STRANGER))],
    "turned": lambda data: [(0.0, _registers(data, "force", lambda value: -value))],
    "echo": lambda data: [(0.0, _registers(data, "heartbeat_echo", lambda value: value - 1))],
    "contacts": lambda data: [(0.0, _registers(data, "switch_b", lambda value: value ^ 0xFFFF))],
    "slow": lambda data: [(SLOW_S, data)],
    "silent": lambda _: [],
}


BED_FAULTS = tuple(kind for kind in FAULT_KINDS if not kind.startswith("link"))  # the link's are above


def break_drive(drive: Drive, fault: str) -> str:
    """Give the drive a fault of the bed, or return the one its answers shall have."""
    if fault in BED_FAULTS:
        drive.bed.faults[0] |= 1 << FAULT_KINDS.index(fault)
        return ""
    if fault and fault not in FAULTS:
        raise SpondylError(f"--fault is {fault!r}, and none of these\n{fault_words.listing()}")
    return fault


class Server(ModbusTcpServer):
    """One drive at one address; `fault` spoils every `every`th of its answers."""

    def __init__(
        self, drive: Drive, host: str, port: int, unit: int, fault: str = "", every: int = 1
    ) -> None:
        self.drive, self.fault, self.every = drive, fault, every
        self.answers = self.sent = 0  # made, and gone out
        blocks = [
            SimData(reg.READ_ADDRESS, count=reg.READ_WORDS, datatype=DataType.REGISTERS, readonly=True),
            SimData(reg.WRITE_ADDRESS, count=reg.WRITE_WORDS, datatype=DataType.REGISTERS),
        ]
        device = SimDevice(unit, blocks, action=self._access)
        super().__init__(device, address=(host, port), ignore_missing_devices=True)

    def callback_new_connection(self) -> ServerRequestHandler:
        """One handler a connection, each with this drive's faults."""
        return _Line(self, None, None, None)  # type: ignore[no-untyped-call]

    def pieces(self, data: bytes) -> Pieces:
        """An answer as it leaves: whole, or what the fault makes of it."""
        self.answers += 1
        spoilt = self.fault and self.answers % self.every == 0 and len(data) > wire.LEAST_BYTES
        return FAULTS[self.fault](data) if spoilt else [(0.0, data)]

    async def _access(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        written: Sequence[int] | Sequence[bool] | None,
    ) -> ExcCodes | None:
        """What pymodbus calls before registers are written or read."""
        del function
        if written is not None:
            if address != reg.WRITE_ADDRESS or count != reg.WRITE_WORDS:
                return ExcCodes.ILLEGAL_VALUE  # never half a command
            self.drive.write([int(word) for word in written])
        else:
            first = reg.READ_ADDRESS - start
            registers[first : first + reg.READ_WORDS] = self.drive.read()
        return None


class _Line(ServerRequestHandler):
    """A connection whose answers may be spoilt."""

    def send(self, data: bytes, addr: tuple[Any, ...] | None = None) -> None:
        """Send an answer, or what becomes of it."""
        pieces = self.server.pieces(data)
        for delay_s, piece in pieces:
            if delay_s:
                self.loop.call_later(delay_s, super().send, piece, addr)
            else:
                super().send(piece, addr)
        self.loop.call_later(max((delay_s for delay_s, _ in pieces), default=0.0), self._count)

    def _count(self) -> None:
        self.server.sent += 1


async def serve(server_of: Callable[[], Server], ready: Callable[[Server, int], None]) -> None:
    """Serve until cancelled; ready is told the server and its port once it listens."""
    server = server_of()
    try:
        await server.serve_forever(background=True)
    except RuntimeError:
        host, port = server.comm_params.source_address or ("", 0)
        raise SpondylError(f"port {port} of {host} is not free") from None
    listening = server.transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    ready(server, listening)
    try:
        while True:
            await asyncio.sleep(LIVE_S)
            server.drive.advance()
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


class Served:
    """A drive served by a thread of this process: for tests and benchmarks."""

    def __init__(
        self, drive: Drive, *, unit: int = 1, fault: str = "", every: int = 1, port: int = 0
    ) -> None:
        self._started = threading.Event()
        self.drive, self.port, self._unit = drive, port, unit
        self._options = (fault, every)
        self._thread = threading.Thread(target=self._run, name="drive", daemon=True)
        self._thread.start()
        if not self._started.wait(30.0):
            raise SpondylError("the drive does not listen")

    @property
    def address(self) -> str:
        """Where it is."""
        return f"modbus://127.0.0.1:{self.port}?unit={self._unit}"

    def close(self) -> None:
        """End it; its port is free then."""
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10.0)

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.ensure_future(serve(self._make, self._ready))
        await self._task

    def _make(self) -> Server:
        return Server(self.drive, "127.0.0.1", self.port, self._unit, *self._options)

    def _ready(self, server: Server, port: int) -> None:
        self.server, self.port = server, port
        self._started.set()
