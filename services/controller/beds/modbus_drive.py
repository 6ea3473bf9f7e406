"""A drive to try everything on: the register map of kernel/modbus_map.py with a simulated patient behind it.

It lives in real time and has what a real drive must have: a watchdog of its own that lets the tension out
when no command comes for 100 ms, two stop channels of which either forbids pulling, and one master at a time.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.controller.beds.modbus_map import WORD, pack, unpack
from services.controller.beds.simulated import SimulatedBeds, calm, simulated_beds
from services.controller.kernel import faults, layout, plant
from services.controller.kernel import modbus_map as reg

STEP_S = 0.001
RELEASED_N = 2.0  # less is none: four sigmas of the load cell, as the envelope has it
RELEASE_MM_S = 20.0  # the drive's fastest, as the simulated bed's own watchdog
STILL_MM_S = 0.05


@dataclass(frozen=True, slots=True)
class Kind:
    """Which drive, and who lies in it; constants are plant.CONSTANTS that differ from the person drawn."""

    serial: int = 1001
    seed: int = 1
    calm: bool = False
    constants: tuple[tuple[str, float], ...] = ()


# A doll to commission with: it lies still, tied to the bed by a spring, so that the harness can be told from
# what it pulls on.
DOLL = (
    ("breath_n", 0.0), ("sigh_chance", 0.0), ("mass", 0.0108), ("spine_n_mm", 40.0), ("spine_damping", 0.4),
    ("creep_fast", 0.0), ("creep_slow", 0.0), ("harness_n_mm", 18.0), ("harness_damping", 0.072),
    ("toe_mm", 1.5), ("slack_mm", 4.0), ("slide_n", 8.0), ("stick_n", 10.0), ("reflex_mm_s", 1e9),
)  # fmt: skip


class Drive:
    """Registers in, registers out; `advance` lets time pass up to now."""

    def __init__(self, kind: Kind, clock: Callable[[], float] = time.monotonic) -> None:
        self.kind = kind
        self.bed = _bed(kind)
        self.master = reg.NO_MASTER
        self.watchdog = reg.WATCHDOG_IDLE
        self.releasing = False
        self.stop = reg.STOP_STOP
        self._clock = clock
        self._now = self.fed_at = clock()
        self.expired_at = self.released_at = 0.0  # when the watchdog acted last, and when nothing pulled then
        self.releases = self.refused = 0
        self.refused_master = reg.NO_MASTER
        self._written = dict.fromkeys((register.name for register in reg.WRITES), 0)

    @property
    def tension_n(self) -> float:
        """What really pulls, without the cell's noise."""
        return float(self.bed.plant[plant.X_TENSION, 0])

    def advance(self) -> None:
        """Live up to now: the set-point or the watchdog moves the drive."""
        now = self._clock()
        while self._now + STEP_S <= now:
            self._now += STEP_S
            self._watch()
            self._command()
            self.bed.step()

    def write(self, words: Sequence[int]) -> None:
        """Take a whole block of written registers, from the one master there is."""
        self.advance()
        values = unpack(reg.WRITES, words)
        wanted = values["master"]
        if wanted == reg.NO_MASTER:
            return
        if self.master not in (reg.NO_MASTER, wanted):
            self.refused, self.refused_master = (self.refused + 1) % WORD, wanted
            return
        if all(values[name] == self._written[name] for name in ("master", "heartbeat")):
            return  # the same again feeds no watchdog: a master that hangs repeats itself
        self.master, self.watchdog, self.fed_at = wanted, reg.WATCHDOG_FED, self._now
        self.stop = STOPS.get((values["stop_a"], values["stop_b"]), reg.STOP_DISAGREE)
        self._written = values
        self.bed.tilt_deg[0] = values["tilt_wanted"] / 10

    def read(self) -> list[int]:
        """The block that is read."""
        self.advance()
        reading = self.bed.reading[:, 0].tolist()
        status = reading[layout.R_STATUS]
        pressed = status & layout.STATUS_SWITCH_PRESSED != 0
        return pack(reg.READS, {
            "serial": self.kind.serial, "master": self.master, "heartbeat_echo": self._written["heartbeat"],
            "drive_state": self._state(), "watchdog_state": self.watchdog, "stop_state": self.stop,
            "status": status & reg.STATUS_BITS,
            "switch_a": reg.RELEASED_A ^ (0xFFFF if pressed else 0),
            "switch_b": reg.RELEASED_B ^ (0xFFFF if pressed else 0),
            "force": reading[layout.R_FORCE], "position": reading[layout.R_POSITION],
            "tilt": reading[layout.R_TILT], "heat": reading[layout.R_HEAT],
            "effort": reading[layout.R_EFFORT],
            "releases": self.releases, "refused": self.refused, "refused_master": self.refused_master,
        })  # fmt: skip

    def _watch(self) -> None:
        if self.watchdog == reg.WATCHDOG_FED and self._now - self.fed_at > reg.WATCHDOG_MS / 1000:
            self.watchdog, self.master = reg.WATCHDOG_EXPIRED, reg.NO_MASTER
            self.releasing, self.expired_at = True, self._now
            self.releases = (self.releases + 1) % WORD
            self.stop = reg.STOP_STOP
        if self.releasing and self.tension_n <= RELEASED_N:
            self.releasing, self.released_at = False, self._now

    def _command(self) -> None:
        velocity, outputs = self._written["velocity"], self._written["outputs"]
        if self.releasing:
            velocity, outputs = round(-1000 * RELEASE_MM_S), layout.OUTPUT_POWER
        elif self.watchdog != reg.WATCHDOG_FED:
            velocity, outputs = 0, 0
        elif self.stop != reg.STOP_RUN:
            velocity = min(velocity, 0)
        self.bed.command[layout.C_VELOCITY, 0] = velocity
        self.bed.command[layout.C_OUTPUTS, 0] = outputs

    def _state(self) -> int:
        if self.releasing:
            return reg.DRIVE_RELEASING
        if self.bed.faults[0] & faults.DRIVE_STUCK:
            return reg.DRIVE_READY  # it says so
        if not self._written["outputs"] & layout.OUTPUT_POWER:
            return reg.DRIVE_OFF
        speed = abs(float(self.bed.plant[plant.X_DRIVE_SPEED, 0]))
        return reg.DRIVE_MOVING if speed > STILL_MM_S else reg.DRIVE_READY


STOPS = {(reg.RUN_A, reg.RUN_B): reg.STOP_RUN, (reg.STOP_A, reg.STOP_B): reg.STOP_STOP}


def _bed(kind: Kind) -> SimulatedBeds:
    bed = simulated_beds(kind.seed, 1, STEP_S)
    if kind.calm:
        calm(bed.constants)
    for name, value in kind.constants:
        bed.constants[plant.CONSTANTS.index(name)] = value
    bed.step()  # something to read from the first moment on
    return bed
