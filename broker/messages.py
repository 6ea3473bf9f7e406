"""The messages of the contract: units in the names, finite numbers only, no direct identifier of a person.

Unknown fields are ignored on the way in, so that a field may be added without breaking an older consumer.
"""

import math
from typing import Annotated, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    JsonValue,
    PositiveFloat,
    model_validator,
)

Phase = Literal[
    "idle",
    "ready",
    "slack",
    "precondition",
    "ramp",
    "hold",
    "release",
    "rest",
    "guarded",
    "rebuild",
    "cooldown",
    "done",
    "paused",
    "stopped",
    "fault",
]
Region = Literal["lumbar", "cervical"]
Priority = Literal["high", "medium", "low"]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]
Newton = Annotated[float, Field(ge=-2000, le=2000)]
Millimetre = Annotated[float, Field(ge=-2000, le=2000)]
Count = Annotated[int, Field(ge=0, le=2**53 - 1)]  # exact in every JSON reader, and in 64 bits
Int32 = Annotated[int, Field(ge=-(2**32), le=2**32)]  # a count of the bed's edge, or the difference of two
MAX_BLOCK_SAMPLES = 5000
MAX_DEPTH = 8


def _plain(value: JsonValue, depth: int = 0) -> JsonValue:
    """Free data that every JSON reader takes: finite, at most 64-bit, not nested without end."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("not a finite number")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError("an integer beyond 64 bits")
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        _plain(part, depth + 1)
    return value


Data = Annotated[dict[str, JsonValue], AfterValidator(_plain)]


class Message(BaseModel):
    """One message of the contract; frozen, finite, strict about what it knows."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, ser_json_inf_nan="constants")


class DeviceInfo(Message):
    """One bed of a gateway, as its birth announces it."""

    device: Slug
    kind: Literal["simulated", "modbus"]
    regions: list[Region]
    heat: bool


class GatewayStatus(Message):
    """Birth, normal end or loss of a gateway; speaks for all its devices."""

    state: Literal["online", "stopped", "lost"]
    gateway: Slug
    boot: UUID  # the loop's; a will of another boot than the last birth's ends nothing
    at: AwareDatetime
    devices: list[DeviceInfo] = []
    versions: dict[str, str] = {}
    period_ms: PositiveFloat | None = None
    block_ms: PositiveFloat | None = None
    capabilities: list[str] = []


class DeviceState(Message):
    """What a bed is doing, published on change and kept by the broker."""

    boot: UUID
    seq: Count  # index of the sample that brought the change
    at: AwareDatetime
    phase: Phase
    cycle: Count
    target_n: Newton
    peak_n: Newton
    ceiling_n: Newton
    session: UUID | None
    region: Region | None = None
    remaining_s: float = Field(ge=0)
    traction_s: float = Field(ge=0, description="prescribed; progress is 1 - remaining_s / traction_s")
    guardings: Count = 0
    reason: str | None = None  # why it is paused, stopped or at fault


class TensionBlock(Message):
    """Consecutive samples of one device, exactly as the control loop saw them."""

    boot: UUID  # changes whenever the loop restarts; seq starts again at 0
    seq: Count  # index of the first sample since boot: a gap is a loss
    started_at: AwareDatetime  # wall-clock time of the first sample
    period_ms: PositiveFloat
    tension_n: list[Newton] = Field(min_length=1, max_length=MAX_BLOCK_SAMPLES)
    target_n: list[Newton]
    position_mm: list[Millimetre]
    residual_n: list[Newton]  # the counter-tension
    phase: list[Phase]

    @model_validator(mode="after")
    def _equally_long(self) -> "TensionBlock":
        lengths = {
            name: len(getattr(self, name))
            for name in ("tension_n", "target_n", "position_mm", "residual_n", "phase")
        }
        if len(set(lengths.values())) > 1:
            raise ValueError(f"lists differ in length: {lengths}; every list has one entry a sample")
        return self


class BlackboxChunk(Message):
    """What a bit-for-bit replay needs beyond tension: one piece of one device's stream."""

    boot: UUID
    seq: Count  # index of the first sample since boot, as in the tension stream
    count: Count  # samples in this chunk
    started_at: AwareDatetime
    period_ms: PositiveFloat
    kernel_version: Count
    session_no: Count
    session: UUID | None
    columns: dict[str, list[Int32]]  # kernel sample rows as integer counts: first value, then differences
    actions: list[dict[str, Count]]  # {seq, action, refusal}: operator actions with their tick
    parameters: dict[str, FiniteFloat] | None = None  # compiled, on the chunk whose first tick took them
    crc32: Count  # over the columns' int32 little-endian bytes, in the order of their names


EventType = Literal[
    "session.started",
    "session.paused",
    "session.resumed",
    "session.completed",
    "session.aborted",
    "guarding.detected",
    "guarding.released",
    "phase.changed",
    "operator.action",
    "remote.refused",
    "clock.stepped",
    "samples.lost",
]


class SessionSummary(Message):
    """What a session came to: everything that billing, outcomes and the therapist need of it."""

    session: UUID
    patient: UUID
    cure: UUID | None
    appointment: UUID | None
    region: Region
    segment: str
    started_at: AwareDatetime
    ended_at: AwareDatetime
    reason: str
    traction_s: float = Field(ge=0)
    heat_s: float = Field(ge=0)
    peak_n: Newton
    hold_mean_n: Newton | None
    hold_rms_n: float | None = Field(ge=0)
    cycles: Count
    guardings: Count
    phase_s: dict[str, float]
    pain_before: int | None = Field(ge=0, le=10)
    pain_after: int | None = Field(ge=0, le=10)


class Event(Message):
    """Something that happened at a bed, once; its id is the same however often it is delivered."""

    id: UUID
    type: EventType
    at: AwareDatetime
    boot: UUID
    seq: Count  # index of the sample in which it happened
    index: Count  # of this event among the device's events since boot: a gap is a loss
    session: UUID | None = None
    summary: SessionSummary | None = None  # with session.completed and session.aborted
    data: Data = {}

    @model_validator(mode="after")
    def _ended_with_summary(self) -> "Event":
        if (self.type in ("session.completed", "session.aborted")) != (self.summary is not None):
            raise ValueError(
                f"{self.type}: a summary comes with session.completed and .aborted, and only there"
            )
        return self


class ActiveAlarm(Message):
    """One alarm that is on now."""

    condition: str
    priority: Priority
    since: AwareDatetime
    latched: bool
    text: dict[Literal["de", "en"], str]
    value: float | None = None
    limit: float | None = None
    hazard: str


class AlarmState(Message):
    """All alarms of a bed that are on now; an empty list when none is."""

    boot: UUID
    seq: Count
    at: AwareDatetime
    alarms: list[ActiveAlarm]


class Command(Message):
    """A request from remote: it may stop or pause, never start, resume or raise."""

    id: UUID
    action: Annotated[str, Field(max_length=40)]  # free text on the wire so that a refusal can name it
    sent_at: AwareDatetime
    by: Annotated[str, Field(max_length=80)]


class Reply(Message):
    """The gateway's answer to a command."""

    id: UUID
    action: Annotated[str, Field(max_length=40)]
    accepted: bool
    at: AwareDatetime
    detail: str  # a refusal says what, the value, the limit and where it comes from


class WorklistEntry(Message):
    """One appointment of today, with everything the bed needs while the network is down."""

    appointment: UUID
    patient: UUID
    cure: UUID | None
    starts_at: AwareDatetime
    prescription: Data
    clearance: str | None  # signed token
    patient_sealed: str | None  # name and birth date, encrypted for the gateway's public key


class Worklist(Message):
    """Today's appointments of one gateway."""

    at: AwareDatetime
    entries: list[WorklistEntry]


class Committed(Message):
    """Stored durably: everything of this boot before the numbers here; only this trims a spool."""

    boot: UUID
    next: dict[Literal["tension", "blackbox", "event"], Count]  # first seq (or event index) still wanted
    at: AwareDatetime


class ClinicEvent(Message):
    """A past-tense event of a business service; random ids only."""

    id: UUID
    type: Annotated[str, Field(pattern=r"^[a-z]+\.[a-z_]+$", max_length=60)]
    time: AwareDatetime
    data: Data
