"""The register map of a bed's drive over Modbus/TCP: one table, for the loop, the stand-in and the documents.

Holding registers. 32-bit values are two registers, the high word first, two's complement; nothing is a
floating-point number. `docs/modbus.md` is written from it and says what a drive has to do.
"""

from typing import NamedTuple

from services.controller.kernel import layout


class Register(NamedTuple):
    """One value: its type, counts a unit, unit, what it must be (None: it varies), meaning."""

    name: str
    kind: str  # uint16, int16, uint32 or int32
    scaling: int
    unit: str
    fixed: int | None
    meaning: str

    @property
    def words(self) -> int:
        """Registers it takes."""
        return 2 if self.kind.endswith("32") else 1

    @property
    def signed(self) -> bool:
        """Two's complement."""
        return self.kind.startswith("int")


READ_ADDRESS, WRITE_ADDRESS = 0, 256  # the first register of either block
SIGNATURE = 0x53504F4E  # "SPON": other text, or another order of words or bytes, is not this map
MAP_VERSION = 1
RUN_A, RUN_B = 0xFFFF, 0x0000  # each channel's word when it permits; its complement is stop
STOP_A, STOP_B = 0x0000, 0xFFFF
RELEASED_A, RELEASED_B = 0x0000, 0xFFFF  # patient switch, not pressed; pressed is the complement
WATCHDOG_MS = 100
NO_MASTER = 0

DRIVE_STATES = ("off", "ready", "moving", "releasing", "fault")
DRIVE_OFF, DRIVE_READY, DRIVE_MOVING, DRIVE_RELEASING, DRIVE_FAULT = range(len(DRIVE_STATES))
WATCHDOG_STATES = ("idle", "fed", "expired")  # no master yet; commands come; none came in time
WATCHDOG_IDLE, WATCHDOG_FED, WATCHDOG_EXPIRED = range(len(WATCHDOG_STATES))
STOP_STATES = ("run", "stop", "disagree")  # what the drive makes of both stop channels
STOP_RUN, STOP_STOP, STOP_DISAGREE = range(len(STOP_STATES))

READS = (
    Register("signature", "uint32", 1, "", SIGNATURE, "shows swapped words or bytes, and other devices"),
    Register("map_version", "uint16", 1, "", MAP_VERSION, "of this table"),
    Register("force_scale", "uint16", 1, "", 10, "counts a newton of `force`"),
    Register("position_scale", "uint16", 1, "", 100, "counts a millimetre of `position`"),
    Register("angle_scale", "uint16", 1, "", 10, "counts a degree of `tilt`"),
    Register("heat_scale", "uint16", 1, "", 10, "counts a degree Celsius of `heat`"),
    Register("velocity_scale", "uint16", 1, "", 1000, "counts a mm/s of `velocity`"),
    Register("effort_scale", "uint16", 1, "", 10, "counts a microvolt of `effort`"),
    Register("serial", "uint32", 1, "", None, "the drive's number; parameters belong to one"),
    Register("master", "uint32", 1, "", None, "session id of the master that is obeyed; 0: none"),
    Register("heartbeat_echo", "uint16", 1, "", None, "the heartbeat written in this very exchange"),
    Register(
        "drive_state", "uint16", 1, "", None, "0 off, 1 ready, 2 moving, 3 releasing by itself, 4 fault"
    ),
    Register("watchdog_state", "uint16", 1, "", None, "0 no master yet, 1 commands come, 2 expired"),
    Register(
        "watchdog_ms", "uint16", 1, "ms", WATCHDOG_MS, "silence after which the drive releases by itself"
    ),
    Register("stop_state", "uint16", 1, "", None, "0 run, 1 stop, 2 the stop channels disagree: stop"),
    Register(
        "status", "uint16", 1, "", None, "bits: 1 switch plugged in, 4 ready, 8 mains, 16 load cell valid"
    ),
    Register("switch_a", "uint16", 1, "", None, "patient switch, contact A: 0x0000 released, 0xFFFF pressed"),
    Register("switch_b", "uint16", 1, "", None, "contact B, the complement; disagreement is pressed"),
    Register("force", "int32", 10, "N", None, "tension at the load cell"),
    Register("position", "int32", 100, "mm", None, "travel of the drive, + is traction"),
    Register("tilt", "int16", 10, "deg", None, "the pelvic support's measured angle"),
    Register("heat", "int16", 10, "degC", None, "temperature of the heat pad"),
    Register("effort", "int32", 10, "uV", None, "surface EMG envelope; -1: no electrodes"),
    Register("releases", "uint16", 1, "", None, "times its watchdog expired since power-on; wraps around"),
    Register("refused", "uint16", 1, "", None, "other masters' commands since power-on; wraps around"),
    Register("refused_master", "uint32", 1, "", None, "session id of the last one; 0: there was none"),
)
WRITES = (
    Register(
        "heartbeat", "uint16", 1, "", None, "another in every exchange: the same again feeds no watchdog"
    ),
    Register("stop_a", "uint16", 1, "", None, "stop channel A: 0xFFFF run, 0x0000 stop"),
    Register(
        "stop_b", "uint16", 1, "", None, "stop channel B: 0x0000 run, 0xFFFF stop; disagreement is stop"
    ),
    Register("master", "uint32", 1, "", None, "session id of whoever writes, drawn anew at every start"),
    Register("velocity", "int32", 1000, "mm/s", None, "set-point of the drive, + pulls"),
    Register(
        "outputs", "uint16", 1, "", None, "bits: 1 power, 2 heat, 4 switch-test lamp, 8 mechanical release"
    ),
    Register("tilt_wanted", "int16", 10, "deg", None, "prescribed angle, for the support's display or motor"),
)


def offset(table: tuple[Register, ...], name: str) -> int:
    """Registers before this one in its block."""
    place = 0
    for register in table:
        if register.name == name:
            return place
        place += register.words
    raise ValueError(f"no register {name!r}")


READ_WORDS = sum(register.words for register in READS)
WRITE_WORDS = sum(register.words for register in WRITES)
FIXED_FROM, FIXED_TO = offset(READS, "map_version"), offset(READS, "effort_scale") + 1
FIXED = tuple(one.fixed or 0 for one in READS if FIXED_FROM <= offset(READS, one.name) < FIXED_TO)

R_SIGNATURE = offset(READS, "signature")
R_SERIAL = offset(READS, "serial")
R_MASTER = offset(READS, "master")
R_ECHO = offset(READS, "heartbeat_echo")
R_DRIVE_STATE = offset(READS, "drive_state")
R_WATCHDOG = offset(READS, "watchdog_state")
R_WATCHDOG_MS = offset(READS, "watchdog_ms")
R_STOP_STATE = offset(READS, "stop_state")
R_STATUS = offset(READS, "status")
R_SWITCH_A, R_SWITCH_B = offset(READS, "switch_a"), offset(READS, "switch_b")
R_FORCE, R_POSITION = offset(READS, "force"), offset(READS, "position")
R_TILT, R_HEAT, R_EFFORT = offset(READS, "tilt"), offset(READS, "heat"), offset(READS, "effort")
R_RELEASES, R_REFUSED = offset(READS, "releases"), offset(READS, "refused")
R_REFUSED_MASTER = offset(READS, "refused_master")

W_HEARTBEAT = offset(WRITES, "heartbeat")
W_STOP_A, W_STOP_B = offset(WRITES, "stop_a"), offset(WRITES, "stop_b")
W_MASTER, W_VELOCITY = offset(WRITES, "master"), offset(WRITES, "velocity")
W_OUTPUTS, W_TILT = offset(WRITES, "outputs"), offset(WRITES, "tilt_wanted")

STATUS_BITS = (
    layout.STATUS_SWITCH_CONNECTED | layout.STATUS_DRIVE_READY | layout.STATUS_MAINS
    | layout.STATUS_FORCE_VALID
)  # fmt: skip
