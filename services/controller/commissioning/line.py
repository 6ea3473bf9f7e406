"""A person's line to a drive: the loop's exchange through pymodbus' client, for commissioning only.

It asks before it writes whether anybody else commands the drive, stops at the patient switch and at a stated
tension, and lets the tension out at its end; whatever happens to this program, the drive's watchdog does.
"""

import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ModbusPDU

from services.controller.beds.addresses import DriveAddress
from services.controller.beds.modbus_map import pack, unpack
from services.controller.commissioning import failing
from services.controller.kernel import layout
from services.controller.kernel import modbus_map as reg
from services.kit.errors import SpondylError

ANSWER_S = 1.0
EVERY_S = 0.005
RUN, STOP = (reg.RUN_A, reg.RUN_B), (reg.STOP_A, reg.STOP_B)
SLACK_N = 3.0  # less is the load cell's noise
BACK_MM_S, BACK_S = -10.0, 10.0
SWITCH_TODO = "let go of the patient switch; check its plug and both contacts"
STANDS_S = 1.0  # one reading for so long while the drive moves is no measurement: a cell has noise
WORDS = 1 << 16

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # what it logs is raised here, in words


@dataclass(frozen=True, slots=True)
class Look:
    """What the drive said: counts by the register map's names, when, and how long it took."""

    values: dict[str, int]
    at_s: float
    took_s: float

    @property
    def force_n(self) -> float:
        """Tension at the load cell."""
        return self.values["force"] / 10

    @property
    def position_mm(self) -> float:
        """Travel of the drive."""
        return self.values["position"] / 100

    @property
    def unlike_the_map(self) -> str:
        """What of the fixed registers is not as the map has it; empty when all is."""
        wrong = [f"{one.name} {self.values[one.name]}, not {one.fixed}" for one in reg.READS
                 if one.fixed is not None and self.values[one.name] != one.fixed]  # fmt: skip
        return "; ".join(wrong)

    @property
    def pressed(self) -> bool:
        """The patient switch, as the loop reads it: anything but both contacts released."""
        return (self.values["switch_a"], self.values["switch_b"]) != (reg.RELEASED_A, reg.RELEASED_B)

    @property
    def switch(self) -> str:
        """The pressed switch in words: two contacts that contradict each other are a broken one."""
        a, b = self.values["switch_a"], self.values["switch_b"]
        if (a, b) == (reg.RELEASED_A ^ 0xFFFF, reg.RELEASED_B ^ 0xFFFF):
            return "the patient switch was pressed"
        return f"the patient switch's contacts contradict each other ({a:04X}/{b:04X}), which is pressed"


class Stopped(SpondylError):  # noqa: N818  (what became of the move, and no fault of who asked)
    """A move that was ended before its time; `todo` where another thing is at fault than what was tried."""

    def __init__(self, message: str, todo: str = "") -> None:
        super().__init__(message)
        self.todo = todo


class Time:
    """The time that a drive is measured by: this machine's."""

    def now(self) -> float:
        """Seconds; only differences mean anything."""
        return time.monotonic()

    def rest(self, seconds: float) -> None:
        """Let so much of it pass; none where it is past already."""
        time.sleep(max(0.0, seconds))


class Line:
    """A connection with one drive; a context in which it may be commanded."""

    def __init__(self, address: DriveAddress) -> None:
        self.address, self.clock = address, Time()
        self.master = 1 + secrets.randbelow(2**31 - 1)
        self.beat = 0
        self._bytes = failing.Exchange()
        self._client = ModbusTcpClient(
            address.host, port=address.port, timeout=ANSWER_S, retries=0, trace_packet=self._bytes.packet
        )

    def __enter__(self) -> Self:
        if not self._client.connect():  # type: ignore[no-untyped-call]
            raise SpondylError(f"{self.address} cannot be reached: {failing.of_connecting(self.address)}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()  # type: ignore[no-untyped-call]

    @contextmanager
    def _told_in_words(self) -> Iterator[None]:
        """Raise what pymodbus' client raises as SpondylError: what came instead of an answer, what to do."""
        try:
            yield
        except ConnectionException:
            raise SpondylError(
                f"{self.address} ends the connection without an answer: no Modbus server there, or one that "
                "takes no further connection; check the port, stop whoever else talks to the drive"
            ) from None
        except ModbusException:
            why = failing.of_answering(self._bytes, ANSWER_S)
            raise SpondylError(f"{self.address} does not answer rightly: {why}") from None

    def look(self) -> Look:
        """Read without writing (function 3): it feeds no watchdog and commands nothing."""
        began = self.clock.now()
        with self._told_in_words():
            answer = self._client.read_holding_registers(
                reg.READ_ADDRESS, count=reg.READ_WORDS, device_id=self.address.unit
            )
        return self._read(answer, began)

    def exchange(
        self, velocity_mm_s: float = 0.0, outputs: int = layout.OUTPUT_POWER, stop: tuple[int, int] = RUN
    ) -> Look:
        """Write a command and read, in one exchange (function 23)."""
        self.beat = (self.beat + 1) % WORDS
        command = {
            "heartbeat": self.beat, "stop_a": stop[0], "stop_b": stop[1], "master": self.master,
            "velocity": round(1000 * velocity_mm_s), "outputs": outputs,
        }  # fmt: skip
        began = self.clock.now()
        with self._told_in_words():
            answer = self._client.readwrite_registers(
                read_address=reg.READ_ADDRESS, read_count=reg.READ_WORDS, write_address=reg.WRITE_ADDRESS,
                values=pack(reg.WRITES, command), device_id=self.address.unit,
            )  # fmt: skip
        look = self._read(answer, began)
        if look.values["master"] != self.master:
            raise self._taken(look)
        return look

    def require_free(self) -> Look:
        """Refuse where somebody commands this drive: a gateway's loop does so also while no session runs."""
        look = self.look()
        if look.values["watchdog_state"] == reg.WATCHDOG_FED or look.values["master"] != reg.NO_MASTER:
            raise self._taken(look)
        return look

    def move(
        self, velocity_mm_s: float, seconds: float, most_n: float, *, every_s: float = EVERY_S,
        stop: tuple[int, int] = RUN,
    ) -> Iterator[Look]:  # fmt: skip
        """Command a velocity for so long, and say what is read; ends before its time when not read on.

        Stopped at the patient switch, beyond most_n in either direction (a cell turned round shows
        tension as pressure), and where nothing measures the tension: it is let out first, in the last
        case by the drive's own watchdog.
        """
        end = self.clock.now() + seconds
        changed_at, before_n = self.clock.now(), None
        while (now := self.clock.now()) < end:
            look = self.exchange(velocity_mm_s, stop=stop)
            changed_at = changed_at if look.force_n == before_n else now
            before_n = look.force_n
            if blind := _why_blind(look, now - changed_at):
                self.exchange(0.0, stop=STOP)
                raise Stopped(
                    f"stopped: {blind}; the drive's own watchdog lets the tension out",
                    "check the load cell, its plug and its amplifier",
                )
            if look.pressed:
                self.back()
                raise Stopped(f"stopped: {look.switch}; the tension was let out", SWITCH_TODO)
            if abs(look.force_n) > most_n:
                self.back()
                raise Stopped(
                    f"stopped: {look.force_n:g} N: the ceiling is {most_n:g} N; the tension was let out"
                )
            yield look
            self.clock.rest(now + every_s - self.clock.now())

    def back(self) -> Look:
        """Let the tension out at a stated speed; the stop channels forbid pulling meanwhile."""
        end = self.clock.now() + BACK_S
        look = self.exchange(BACK_MM_S, stop=STOP)
        while abs(look.force_n) > SLACK_N and self.clock.now() < end:
            look = self.exchange(BACK_MM_S, stop=STOP)
            self.clock.rest(EVERY_S)
        return self.exchange(0.0, stop=STOP)

    def _read(self, answer: ModbusPDU, began: float) -> Look:
        ended = self.clock.now()
        if answer.isError() or len(answer.registers) != reg.READ_WORDS:
            raise self._unlike(answer)
        return Look(unpack(reg.READS, list(answer.registers)), (began + ended) / 2, ended - began)

    def _unlike(self, answer: ModbusPDU) -> SpondylError:
        code = answer.exception_code
        told = (
            failing.of_exception(code, self.address.unit)
            if code
            else f"{len(answer.registers)} registers, not {reg.READ_WORDS}): {failing.OTHER_MAP}"
        )
        return SpondylError(f"{self.address} refuses the exchange ({told}")

    def _taken(self, look: Look) -> SpondylError:
        return SpondylError(
            f"{self.address}: master {look.values['master']} commands this drive, we are {self.master}: stop "
            "the gateway that serves this bed first"
        )


def _why_blind(look: Look, stood_s: float) -> str:
    """Why the tension is not known; empty when it is."""
    if not look.values["status"] & layout.STATUS_FORCE_VALID:
        return "the load cell is not valid"
    stood = (
        f"the load cell has stood at {look.force_n:g} N for {stood_s:.1f} s, at most {STANDS_S:g} s may be"
    )
    return stood if stood_s > STANDS_S else ""
