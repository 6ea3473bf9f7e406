"""The alarm table: what is an alarm, how urgent, when, in which words, and what it answers.

A *condition* is a fact: a bit the kernel set in the sample (latched ones stay until the operator resets) or
something the gateway knows about itself. An *alarm* is a condition that lasted its delay. Priority is decided
here and nowhere else; `board.py` follows the conditions of a bed, and recorder (stream `alarm`) and
panel show the same board.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from broker.fields import Priority
from services.controller.alarms.states import Rule
from services.controller.kernel import layout

Samples = npt.NDArray[np.int32]
Times = npt.NDArray[np.int64]
Conditions = Mapping[str, "Condition"]

PRIORITIES: Final[tuple[Priority, ...]] = ("high", "medium", "low")  # worst first
MARKS: Final[dict[Priority, str]] = {"high": "***", "medium": "**", "low": "*"}  # IEC 60601-1-8
LATCHED: Final = "until_reset"  # the kernel keeps it until the operator resets at the bed
SEEN: Final = "until_acknowledged"  # it is over, and somebody must have seen it
LIVE: Final = "live"  # goes when its cause goes
Latching = Literal["until_reset", "until_acknowledged", "live"]
NOTHING: Final = "nothing"  # the next patient may be started
WHILE_ON: Final = "while_on"  # not, seen or not, for as long as it is shown
UNTIL_SEEN: Final = "until_seen"  # not until it was acknowledged at the bed
Bars = Literal["nothing", "while_on", "until_seen"]
NS_PER_S: Final = 1_000_000_000
# Found in the samples, beside the kernel's own conditions.
SECOND_CHANNEL_LOST: Final = 1 << 40
UNASKED_TENSION: Final = 1 << 41
UNASKED_DN: Final = (
    200  # tenths of a newton; above the weight of harness and rope, below most cervical pulls (D)
)
UNBELIEVED: Final = layout.LOAD_CELL_FROZEN | layout.LOAD_CELL_IMPLAUSIBLE
PULLS_NOTHING: Final = (layout.IDLE, layout.READY, layout.DONE, layout.STOPPED, layout.FAULT)
AT: Final = "%Y-%m-%d %H:%M UTC"  # pages read it, and show the clock on their wall


@dataclass(frozen=True, slots=True)
class Row:
    """A sample row shown in a text: its index and how many of its counts make one unit."""

    index: int
    per_unit: float = 1.0

    def of(self, sample: Samples) -> float:
        """The value in units; ``sample`` is int32[SAMPLES]."""
        return float(sample[self.index]) / self.per_unit


@dataclass(frozen=True, slots=True)
class Gap:
    """How long (ms) nothing was controlled: the tick before either woke late, or took too long."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A limit that stands in the bed's compiled parameters, by its row."""

    index: int


@dataclass(frozen=True, slots=True)
class Condition:
    """A gateway condition that is on, with the value and the limit its text names."""

    value: float | None = None
    limit: float | None = None
    at_ns: int | None = None  # wall clock of what the text is about, where it is not when it came on
    since_ns: int | None = None  # monotonic, where it is known better than by looking


@dataclass(frozen=True, slots=True)
class Alarm:
    """One row of the table.

    ``bit`` is the kernel's CONDITION bit or one that the board finds in the samples, 0 for a condition the
    gateway finds; ``delay_s`` is how long it
    must last; ``value`` and ``limit`` say where the numbers of the text come from (unknown ones read ``--``);
    ``hazard`` is an id of docs/safety/hazards.toml; ``hold_s`` keeps one tick on for people, and one that
    flaps one alarm; ``bars`` says when no patient may be started, nor confirmed unless it is one of the
    kernel's that is not latched (the next prescription may set the tilt right).
    """

    condition: str
    bit: int
    delay_s: float
    priority: Priority
    latching: Latching
    en: str
    de: str
    reaction: str
    hazard: str
    value: Row | Gap | None = None
    limit: Row | Parameter | None = None
    hold_s: float = 0
    bars: Bars = NOTHING

    @property
    def is_the_kernels(self) -> bool:
        """Whether the kernel sets its bit, and so judges by itself as well."""
        return 0 < self.bit < SECOND_CHANNEL_LOST

    @property
    def rule(self) -> Rule:
        """How its states follow each other."""
        return Rule(round(self.delay_s * NS_PER_S), round(self.hold_s * NS_PER_S), self.latching == SEEN)


FORCE_N = Row(layout.S_FORCE, 10)
TARGET_N = Row(layout.S_TARGET, 1000)
CEILING_N = Row(layout.S_CEILING, 1000)
POSITION_MM = Row(layout.S_POSITION, 100)
TILT_DEG = Row(layout.S_TILT, 10)
HEAT_C = Row(layout.S_HEAT, 10)
GUARDINGS = Row(layout.S_GUARDINGS)

# fmt: off
# condition, bit, delay, priority, latching, en, de, reaction, hazard, value, limit; hold, bars
ALARMS: Final[tuple[Alarm, ...]] = (
    Alarm("over_force", layout.OVER_FORCE, 0, "high", LATCHED,
          "TENSION {value:.0f} > {limit:.0f} N", "ZUG {value:.0f} > {limit:.0f} N",
          "The envelope stops the drive and lets the tension out under control.",
          "over-force", FORCE_N, CEILING_N, bars=WHILE_ON),
    Alarm("patient_switch", layout.PATIENT_SWITCH, 0, "high", LATCHED,
          "PATIENT SWITCH PRESSED AT {value:.0f} N", "PATIENTENTASTER GEDRÜCKT BEI {value:.0f} N",
          "The pull stops at once and ramps to zero; drive power is cut after 5 s on a second channel.",
          "patient-switch", FORCE_N, bars=WHILE_ON),
    Alarm("switch_unplugged", layout.SWITCH_UNPLUGGED, 0.5, "medium", LATCHED,
          "PATIENT SWITCH NOT CONNECTED", "PATIENTENTASTER NICHT EINGESTECKT",
          "No start; a session under way is stopped.", "switch-untested", bars=WHILE_ON),
    Alarm("load_cell_lost", layout.LOAD_CELL_LOST, 0, "high", LATCHED,
          "LOAD CELL LOST", "KRAFTMESSUNG AUSGEFALLEN",
          "Stop; release by position only.", "load-cell", bars=WHILE_ON),
    Alarm("load_cell_frozen", layout.LOAD_CELL_FROZEN, 0, "high", LATCHED,
          "LOAD CELL FROZEN AT {value:.1f} N", "KRAFTMESSUNG STEHT BEI {value:.1f} N",
          "Stop; release by position only.", "load-cell", FORCE_N, bars=WHILE_ON),
    Alarm("load_cell_implausible", layout.LOAD_CELL_IMPLAUSIBLE, 0, "high", LATCHED,
          "LOAD CELL IMPLAUSIBLE: {value:.0f} N", "KRAFTMESSUNG UNGLAUBHAFT: {value:.0f} N",
          "Stop; release by position only.", "load-cell", FORCE_N, bars=WHILE_ON),
    Alarm("actuator_stuck", layout.ACTUATOR_STUCK, 0, "high", LATCHED,
          "DRIVE STUCK AT {value:.1f} mm: RELEASE BY HAND",
          "ANTRIEB STEHT BEI {value:.1f} mm: VON HAND LÖSEN",
          "Drive power off; the page tells how to release by hand.",
          "actuator-stuck", POSITION_MM, bars=WHILE_ON),
    Alarm("sudden_drop", layout.SUDDEN_DROP, 0, "high", LATCHED,
          "TENSION FELL TO {value:.0f} < {limit:.0f} N", "ZUG FIEL AUF {value:.0f} < {limit:.0f} N",
          "Stop; never tension again by itself.", "sudden-drop", FORCE_N, TARGET_N, bars=WHILE_ON),
    Alarm("link_lost", layout.LINK_LOST, 0, "high", LATCHED,
          "NO ANSWER FROM THE BED", "KEINE ANTWORT VON DER LIEGE",
          "No pull on an old reading: hold, then release; the drive's own watchdog releases too.",
          "missed-deadline", bars=WHILE_ON),
    Alarm("missed_deadline", layout.MISSED_DEADLINE, 0, "high", LIVE,
          "NO CONTROL FOR {value:.0f} ms", "KEINE REGELUNG FÜR {value:.0f} ms",
          "The late tick acts on its own reading only; the drive's own watchdog releases after 100 ms.",
          "missed-deadline", Gap(), hold_s=10),
    Alarm("mains_lost", layout.MAINS_LOST, 1, "medium", LIVE,
          "MAINS LOST: ON BATTERY", "NETZSTROM AUSGEFALLEN: AKKUBETRIEB",
          "The session ends under control on the battery.", "mains-lost", hold_s=2, bars=WHILE_ON),
    Alarm("repeated_guarding", layout.REPEATED_GUARDING, 0, "medium", LATCHED,
          "GUARDED {value:.0f} TIMES (LIMIT {limit:.0f}): SESSION ENDS",
          "{value:.0f}-MAL ABWEHR (GRENZE {limit:.0f}): SITZUNG ENDET",
          "Each stop rebuilds to a lower peak; at the limit the session ends in its cooldown.",
          "repeated-guarding", GUARDINGS, Parameter(layout.P_GUARDINGS_PER_SESSION), bars=WHILE_ON),
    Alarm("tilt_mismatch", layout.TILT_MISMATCH, 1, "medium", LIVE,
          "TILT {value:.1f}° (PRESCRIBED {limit:.1f}°)", "NEIGUNG {value:.1f}° (VERORDNET {limit:.1f}°)",
          "No start until the support's tilt matches the prescription.",
          "wrong-segment", TILT_DEG, Parameter(layout.P_TILT), bars=WHILE_ON),
    Alarm("heat_over_temperature", layout.HEAT_OVER_TEMPERATURE, 0, "medium", LATCHED,
          "HEAT PAD {value:.1f} > {limit:.1f} °C", "WÄRMEKISSEN {value:.1f} > {limit:.1f} °C",
          "The heat pad is switched off until it has cooled.", "burn", HEAT_C,
          Parameter(layout.P_HEAT_CEILING), bars=WHILE_ON),
    Alarm("drive_not_ready", layout.DRIVE_NOT_READY, 0.5, "medium", LATCHED,
          "DRIVE NOT READY AT {value:.1f} mm", "ANTRIEB NICHT BEREIT BEI {value:.1f} mm",
          "No start; a session under way is stopped.", "actuator-stuck", POSITION_MM, bars=WHILE_ON),
    Alarm("unasked_tension", UNASKED_TENSION, 3, "high", LIVE,
          "TENSION THOUGH NOTHING PULLS: LOOK AFTER THE PATIENT, RELEASE BY HAND",
          "ZUG, OBWOHL NICHTS ZIEHT: NACH PATIENT SEHEN, VON HAND LÖSEN",
          "The drive is not moved without a session: nobody has said who lies there, and which way is free.",
          "unasked-tension", hold_s=3, bars=WHILE_ON),
    Alarm("other_master", layout.OTHER_MASTER, 0, "high", LATCHED,
          "ANOTHER MASTER WRITES TO THIS DRIVE", "EIN ANDERER MASTER SCHREIBT AN DIESEN ANTRIEB",
          "No start; a session under way is stopped and the tension let out; the drive obeys but one master.",
          "second-master", bars=WHILE_ON),
    Alarm("second_channel_lost", SECOND_CHANNEL_LOST, 2, "low", LIVE,
          "SECOND SENSOR CHANNEL LOST: TENSION ALONE GUARDS",
          "ZWEITER MESSKANAL AUSGEFALLEN: NUR DER ZUG WACHT",
          "The detector goes on with the tension alone, as on a bed without it; check the electrodes.",
          "second-channel", hold_s=5),
    Alarm("network_lost", 0, 10, "low", LIVE,
          "NETWORK LOST: THERAPY GOES ON HERE", "NETZWERK AUSGEFALLEN: THERAPIE LÄUFT HIER WEITER",
          "Therapy goes on locally; samples wait on this machine's disk.", "network-lost", hold_s=3),
    Alarm("loop_degraded", 0, 2, "low", LIVE,
          "THIS BED'S COMPUTER CONTROLS {value:.1f} > {limit:.1f} ms LATE: THERAPY GOES ON, CALL SERVICE",
          "RECHNER DIESER LIEGE REGELT {value:.1f} > {limit:.1f} ms ZU SPÄT: THERAPIE LÄUFT WEITER, TECHNIK "
          "RUFEN",
          "Therapy goes on; service should look at this machine's load.", "missed-deadline", hold_s=10),
    Alarm("spool_full", 0, 0, "medium", LIVE,
          "DISK FULL: NOTHING NEW IS RECORDED, CALL SERVICE",
          "SPEICHER VOLL: NICHTS NEUES WIRD AUFGEZEICHNET, TECHNIK RUFEN",
          "A session under way goes on, none is begun; samples wait in memory for as long as the ring lasts; "
          "no recording that is under way or that the centre lacks is deleted.",
          "record-lost", bars=WHILE_ON),
    Alarm("recording_incomplete", 0, 0, "low", LIVE,
          "THIS MACHINE'S COPY OF THE RECORD IS INCOMPLETE: CALL SERVICE",
          "AUFZEICHNUNG AUF DIESEM RECHNER UNVOLLSTÄNDIG: TECHNIK RUFEN",
          "Therapy goes on; the centre gets every sample all the same, a replay at this machine does not.",
          "record-lost"),
    Alarm("storage_lag", 0, 5, "low", LIVE,
          "THIS BED'S RECORD IS {value:.0f} > {limit:.0f} s BEHIND: THERAPY GOES ON, CALL SERVICE",
          "AUFZEICHNUNG DIESER LIEGE {value:.0f} > {limit:.0f} s IM RÜCKSTAND: THERAPIE LÄUFT WEITER, "
          "TECHNIK RUFEN",
          "Therapy goes on; samples wait on this machine's disk for the centre; those of a recorder that is "
          "silent wait in memory, for at least a minute.", "record-lost", hold_s=5),
    Alarm("clock_stepped", 0, 0, "low", LIVE,
          "CLOCK STEPPED BY {value:+.1f} s", "UHR SPRANG UM {value:+.1f} s",
          "Therapy and order are not affected: durations are monotonic, records are ordered by seq.",
          "record-lost"),
    Alarm("control_lost", 0, 0, "high", LIVE,
          "NO CONTROL: THE DRIVE RELEASES BY ITSELF; USE THE BED'S OWN SWITCH",
          "KEINE REGELUNG: ANTRIEB LÖST SELBST; SCHALTER DER LIEGE BENUTZEN",
          "Nobody commands the drive: its own watchdog releases; the gateway starts another loop, which is "
          "idle.", "control-lost", bars=WHILE_ON),
    Alarm("control_interrupted", 0, 0, "high", SEEN,
          "CONTROL WAS INTERRUPTED AT {value:.0f} N ({at}): SESSION ENDED, LOOK AFTER THE PATIENT",
          "REGELUNG WAR UNTERBROCHEN BEI {value:.0f} N ({at}): SITZUNG BEENDET, NACH PATIENT SEHEN",
          "The drive's own watchdog released; the session is over and is never resumed by itself: a new one "
          "is confirmed at the bed, once somebody there has acknowledged this.",
          "control-lost", bars=UNTIL_SEEN),
)
# fmt: on
BY_CONDITION: Final[dict[str, Alarm]] = {alarm.condition: alarm for alarm in ALARMS}
GATEWAY_CONDITIONS: Final[tuple[str, ...]] = tuple(a.condition for a in ALARMS if not a.bit)

SPOOL_FULL, COPY_FAILS = 1, 2  # the health word disk_full: nothing is stored; only local recordings are not
STORAGE_LAG_LIMIT_S: Final = 60.0  # of what waits on the disk for the centre
RECORDER_AWAY_S: Final = 30.0  # half of what the ring holds at least: nothing is lost yet
LOOP_LATE_SHARE: Final = 0.5  # of the period; a wake-up later than this leaves too little time for the bed


def text(
    alarm: Alarm,
    language: Literal["de", "en"],
    value: float | None,
    limit: float | None,
    at_ns: int | None = None,
) -> str:
    """The alarm's line, e.g. ``*** TENSION 512 > 450 N``; numbers that are not known read ``--``."""
    template = alarm.de if language == "de" else alarm.en
    point = "," if language == "de" else "."
    at = "--" if at_ns is None else datetime.fromtimestamp(at_ns / NS_PER_S, UTC).strftime(AT)
    known = {"value": _OrDashes(value, point), "limit": _OrDashes(limit, point), "at": at}
    return f"{MARKS[alarm.priority]} {template.format(**known)}"


@dataclass(frozen=True, slots=True)
class _OrDashes:
    """A number in a text, or ``--`` for one that is not known."""

    number: float | None
    point: str = "."

    def __format__(self, spec: str) -> str:
        return "--" if self.number is None else format(self.number, spec).replace(".", self.point)


def gateway_conditions(health: Mapping[str, int], period_ms: float) -> dict[str, Condition]:
    """The gateway's own conditions, from the health words the recorder keeps in shared memory.

    Words (int64): mqtt_connected 0/1, disk_full (0, SPOOL_FULL, COPY_FAILS), oldest_uncommitted_ms,
    clock_step_ms (0: none of late), late_us (worst wake-up of the last second). A word that is missing raises
    nothing. What they are worth once the recorder is silent: ``memory.believed``.
    """
    return {name: found for name, find in _FINDERS.items() if (found := find(health, period_ms)) is not None}


def _storage_lag(health: Mapping[str, int], _period_ms: float) -> Condition | None:
    lag_s = health.get("oldest_uncommitted_ms", 0) / 1000
    return Condition(lag_s, STORAGE_LAG_LIMIT_S) if lag_s > STORAGE_LAG_LIMIT_S else None


def _loop_degraded(health: Mapping[str, int], period_ms: float) -> Condition | None:
    late_ms, limit_ms = health.get("late_us", 0) / 1000, period_ms * LOOP_LATE_SHARE
    return Condition(late_ms, limit_ms) if late_ms > limit_ms else None


def _clock_stepped(health: Mapping[str, int], _period_ms: float) -> Condition | None:
    step_ms = health.get("clock_step_ms", 0)
    return Condition(step_ms / 1000) if step_ms else None


_FINDERS: Final[dict[str, Callable[[Mapping[str, int], float], Condition | None]]] = {
    "network_lost": lambda health, _: None if health.get("mqtt_connected", 1) else Condition(),
    "spool_full": lambda health, _: Condition() if health.get("disk_full", 0) == SPOOL_FULL else None,
    "recording_incomplete": lambda health, _: Condition() if health.get("disk_full") == COPY_FAILS else None,
    "storage_lag": _storage_lag,
    "clock_stepped": _clock_stepped,
    "loop_degraded": _loop_degraded,
}
