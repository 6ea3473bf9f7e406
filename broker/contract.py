"""THE table: every stream, its topic, message, QoS, retain, expiry, rate, producer and consumers.

Topics, access rules, AsyncAPI, JSON Schemas and docs/topics.md all derive from it.
"""

from dataclasses import dataclass
from typing import Literal

from broker import messages

ROOT = "spondyl/v1"
CLINIC = "clinic"  # the place in the topic where a device would stand, for streams of a whole site
SLUG = r"[a-z0-9]+(?:-[a-z0-9]+)*"

Role = Literal[
    "gateway", "telemetry", "console", "screening", "scheduler", "billing", "homecare", "integrator"
]
Scope = Literal["device", "gateway", "clinic"]


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of messages.

    ``rate_hz`` is the most a well-behaved producer publishes per device in the long run: health (late,
    silent) is derived from it. ``max_bytes`` bounds a payload; a larger one is refused before it is parsed.
    """

    name: str
    scope: Scope
    message: type[messages.Message]
    producers: tuple[Role, ...]
    consumers: tuple[Role, ...]
    summary: str
    qos: Literal[0, 1] = 1
    retain: bool = False
    will: bool = False
    expiry_s: int | None = None
    rate_hz: float = 0.0  # 0: on change
    durable: bool = False  # spooled by the gateway until telemetry's `committed`
    max_bytes: int = 64_000
    stability: Literal["stable", "evolving"] = "stable"


_EVERY_READER: tuple[Role, ...] = ("telemetry", "console", "integrator")

STATUS = Stream(
    "status",
    "gateway",
    messages.GatewayStatus,
    ("gateway",),
    (*_EVERY_READER, "scheduler"),
    "Birth, normal end (`stopped`) or loss (`lost`, by will) of a gateway; it speaks for its devices.",
    retain=True,
    will=True,
)
STATE = Stream(
    "state",
    "device",
    messages.DeviceState,
    ("gateway",),
    _EVERY_READER,
    "What a bed is doing now, on change.",
    retain=True,
)
TENSION = Stream(
    "tension",
    "device",
    messages.TensionBlock,
    ("gateway",),
    _EVERY_READER,
    "Blocks of consecutive samples, from boot on and in every phase.",
    rate_hz=5.0,
    durable=True,
    max_bytes=256_000,
)
BLACKBOX = Stream(
    "blackbox",
    "device",
    messages.BlackboxChunk,
    ("gateway",),
    ("telemetry",),
    "What a bit-for-bit replay needs beyond tension.",
    rate_hz=0.2,
    durable=True,
    max_bytes=512_000,
    stability="evolving",
)
EVENT = Stream(
    "event",
    "device",
    messages.Event,
    ("gateway",),
    ("telemetry", "console", "screening", "scheduler", "billing", "homecare", "integrator"),
    "What happened at a bed, once: sessions, guarding, phases, operator actions.",
    durable=True,
)
ALARM = Stream(
    "alarm",
    "device",
    messages.AlarmState,
    ("gateway",),
    _EVERY_READER,
    "The alarms now active; their priority is decided at the gateway.",
    retain=True,
)
COMMAND = Stream(
    "command",
    "device",
    messages.Command,
    ("console",),
    ("gateway",),
    "Stop or pause a bed; anything that would start, resume or raise is refused and recorded.",
    expiry_s=5,
)
REPLY = Stream(
    "reply",
    "device",
    messages.Reply,
    ("gateway",),
    ("console",),
    "The answer to a command, on its response topic.",
    expiry_s=5,
)
WORKLIST = Stream(
    "worklist",
    "device",
    messages.Worklist,
    ("scheduler",),
    ("gateway",),
    "Today's appointments of a bed with prescription and clearance, so that a clinic works offline; who is "
    "suspended.",
    retain=True,
    max_bytes=512_000,
    stability="evolving",
)
COMMITTED = Stream(
    "committed",
    "device",
    messages.Committed,
    ("telemetry",),
    (
        "gateway",
        "integrator",
        "telemetry",  # its own promise, to see a store that forgot
        "console",  # how much of a bed is not stored yet
    ),
    "Stored durably up to here; only this trims the gateway's spool.",
    retain=True,
)
MISSING = Stream(
    "missing",
    "device",
    messages.Missing,
    ("telemetry",),
    ("gateway",),
    "A hole in what is stored; the gateway sends it again from its spool, or names it lost.",
    expiry_s=30,
    stability="evolving",
)
OPERATORS = Stream(
    "operators",
    "gateway",
    messages.Operators,
    ("console",),
    ("gateway",),
    "Who may operate the beds of a gateway: a signed list that is valid offline.",
    retain=True,
    max_bytes=256_000,
    stability="evolving",
)


def _clinic(
    name: str, producer: Role, consumers: tuple[Role, ...], summary: str, *, retain: bool = False
) -> Stream:
    return Stream(
        name, "clinic", messages.ClinicEvent, (producer,), consumers, summary, retain=retain,
        stability="evolving",
    )  # fmt: skip


_CLINIC_STREAMS = (
    _clinic("patient", "screening", ("scheduler", "billing", "homecare"), "Patients: random ids only."),
    _clinic(
        "clearance",
        "screening",
        ("scheduler", "gateway", "homecare"),
        "Clearances given and withdrawn; what was decided of a treatment.",
    ),
    _clinic(
        "site",
        "scheduler",
        ("screening", "console", "homecare"),
        "What a site is: its time zone, by which its day and the times on its pages are told.",
        retain=True,
    ),
    _clinic("cure", "scheduler", ("screening", "billing", "homecare"), "Series of sessions."),
    _clinic("appointment", "scheduler", ("screening", "billing", "console"), "Appointments made and moved."),
    _clinic("estimate", "billing", ("scheduler", "console"), "Cost estimates."),
    _clinic("invoice", "billing", ("console",), "Invoices issued, paid, cancelled."),
    _clinic("programme", "homecare", ("screening", "console"), "Home programmes and adherence."),
)

STREAMS: dict[str, Stream] = {
    stream.name: stream
    for stream in (
        STATUS,
        STATE,
        TENSION,
        BLACKBOX,
        EVENT,
        ALARM,
        COMMAND,
        REPLY,
        WORKLIST,
        COMMITTED,
        MISSING,
        OPERATORS,
        *_CLINIC_STREAMS,
    )
}
