"""The messages of the contract: units in the names, finite numbers only, no direct identifier of a person.

Unknown fields are ignored on the way in, so that a field may be added without breaking an older consumer.
"""

from itertools import chain, pairwise
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveFloat, model_validator

from broker.fields import (
    MAX_BLOCK_SAMPLES,
    At,
    AtSeq,
    Boot,
    Correlation,
    Count,
    Data,
    FirstSeq,
    Int32,
    Measured,
    Millimetre,
    Newton,
    NotNegative,
    Pain,
    Period,
    Phase,
    Priority,
    Region,
    Release,
    Seconds,
    Slug,
    Stretch,
    Text,
    Time,
    said,
)


class Message(BaseModel):
    """One message of the contract; frozen, finite, strict about what it knows."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, ser_json_inf_nan="constants")


class DeviceInfo(Message):
    """One bed of a gateway, as its birth announces it."""

    device: Annotated[Slug, said("its name in topics")]
    kind: Literal["simulated", "modbus"]
    regions: Annotated[list[Region], said("which pulls it is built for")]
    heat: Annotated[bool, said("it has a heat pad")]


class GatewayStatus(Message):
    """Birth, normal end or loss of a gateway; speaks for all its devices."""

    state: Annotated[
        Literal["online", "stopped", "lost"],
        said("`online` at birth, `stopped` at a normal end, `lost` by the broker when the line breaks"),
    ]
    gateway: Annotated[Slug, said("its name in topics")]
    boot: Annotated[UUID, said("the loop's; a will of another boot than the last birth's ends nothing")]
    at: Annotated[Time, said("when it was said; of a will, when the will was made")]
    devices: Annotated[list[DeviceInfo], said("the beds it speaks for")] = []
    versions: Annotated[dict[str, str], said("of its software")] = {}
    period_ms: Annotated[Period | None, said("of the control loop")] = None
    block_ms: Annotated[PositiveFloat | None, said("how much time a block of samples covers")] = None
    capabilities: Annotated[list[str], said("what it does beyond the contract's least")] = []
    sealing_key: Annotated[
        str | None, said("public key (X25519, base64url) that names in worklists are sealed for")
    ] = None


class DeviceState(Message):
    """What a bed is doing, published on change and kept by the broker."""

    boot: Boot
    seq: AtSeq
    at: At
    phase: Phase
    cycle: Annotated[Count, said("counts from 1; 0 before the first")]
    target_n: Annotated[Newton, said("target tension at the change")]
    peak_n: Annotated[Newton, said("the peak this cycle goes to")]
    ceiling_n: Annotated[Newton, said("the safety envelope's ceiling now")]
    session: Annotated[UUID | None, said("the treatment in progress, none when idle")]
    region: Region | None = None
    remaining_s: Annotated[Seconds, said("traction time still to come")]
    traction_s: Annotated[Seconds, said("prescribed; progress is 1 - remaining_s / traction_s")]
    guardings: Annotated[Count, said("counter-tension events in this session so far")] = 0
    reason: Annotated[Text | None, said("why it is paused, stopped or at fault")] = None


class TensionBlock(Message):
    """Consecutive samples of one device, exactly as the control loop saw them: five lists of equal length."""

    boot: Boot
    seq: FirstSeq
    started_at: Annotated[Time, said("wall clock of the first sample")]
    period_ms: Annotated[Period, said("from one sample to the next")]
    tension_n: list[Newton] = Field(
        min_length=1, max_length=MAX_BLOCK_SAMPLES, description="measured tension, one a sample"
    )
    target_n: Annotated[list[Newton], said("what the law aims at, one a sample")]
    position_mm: Annotated[list[Millimetre], said("pull position, + is traction, one a sample")]
    residual_n: Annotated[list[Newton], said("the patient's counter-tension as estimated, one a sample")]
    phase: Annotated[list[Phase], said("the session's phase, one a sample")]
    unmeasured: Annotated[
        dict[Measured, list[Stretch]] | None,
        said(
            "what lists hold without having measured it, the load cell or the link being lost: of a list its "
            "stretches as [first place, place behind], in order; left out when all was measured"
        ),
    ] = None

    @model_validator(mode="after")
    def _equally_long(self) -> "TensionBlock":
        lengths = {
            name: len(getattr(self, name))
            for name in ("tension_n", "target_n", "position_mm", "residual_n", "phase")
        }
        if len(set(lengths.values())) > 1:
            raise ValueError(f"lists differ in length: {lengths}; every list has one entry a sample")
        return self

    @model_validator(mode="after")
    def _stretches_lie_inside(self) -> "TensionBlock":
        for name, stretches in (self.unmeasured or {}).items():
            edges = [-1, *chain.from_iterable(stretches), len(self.tension_n) + 1]
            if not all(low < high for low, high in pairwise(edges)):
                raise ValueError(
                    f"unmeasured.{name} is {stretches[:3]}: in order, none empty, no two that touch, "
                    f"all within {len(self.tension_n)} samples"
                )
        return self


class BlackboxChunk(Message):
    """What a bit-for-bit replay needs beyond tension: one piece of one device's stream."""

    boot: Boot
    seq: FirstSeq
    count: Annotated[Count, said("samples in this chunk")]
    started_at: Annotated[Time, said("wall clock of the first sample")]
    period_ms: Annotated[Period, said("from one sample to the next")]
    kernel_version: Annotated[Count, said("raised whenever the same inputs may give other commands")]
    session_no: Annotated[Count, said("the gateway's own counter of sessions; 0 is none")]
    session: UUID | None
    columns: Annotated[
        dict[str, list[Int32]],
        said("sample rows of the kernel as integer counts: first the value, then differences"),
    ]
    actions: Annotated[
        list[dict[str, Count]], said("{seq, action, refusal}: operator actions with their tick")
    ]
    parameters: Annotated[
        dict[str, FiniteFloat] | None, said("compiled, on the chunk whose first tick took them")
    ] = None
    crc32: Annotated[Count, said("over the columns' int32 little-endian bytes, in the order of their names")]


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
    "alarm.raised",
    "alarm.cleared",
    "adverse.reported",
]


class SessionSummary(Message):
    """What a session came to: everything that billing, outcomes and the therapist need of it."""

    session: UUID
    patient: Annotated[UUID, said("a random id, nothing more")]
    cure: Annotated[UUID | None, said("the series it belongs to")]
    appointment: UUID | None
    region: Region
    segment: Annotated[Text, said("spinal segment aimed at, by the clinic's table")]
    started_at: Time
    ended_at: Time
    reason: Annotated[Text, said("`completed`, or what ended it early")]
    traction_s: Annotated[Seconds, said("time under traction")]
    heat_s: Annotated[Seconds, said("heat pad on")]
    peak_n: Annotated[Newton, said("highest tension reached")]
    hold_mean_n: Annotated[Newton | None, said("mean tension of all holds; none when there was no hold")]
    hold_rms_n: Annotated[NotNegative | None, said("root mean square of tension minus target in holds")]
    cycles: Count
    guardings: Count
    phase_s: Annotated[dict[str, FiniteFloat], said("time spent in each phase")]
    pain_before: Pain | None
    pain_after: Pain | None


class Event(Message):
    """Something that happened at a bed, once; its id is the same however often it is delivered."""

    id: Annotated[UUID, said("the same at every delivery: use it to ignore a second one")]
    type: EventType
    at: At
    boot: Boot
    seq: AtSeq
    index: Annotated[Count, said("counts this device's events since boot: a gap is a loss")]
    session: UUID | None = None
    summary: Annotated[
        SessionSummary | None, said("with session.completed and session.aborted, and only there")
    ] = None
    data: Annotated[Data, said("particulars of the type, see docs/integrators.md")] = {}
    correlation: Correlation = None

    @model_validator(mode="after")
    def _ended_with_summary(self) -> "Event":
        if (self.type in ("session.completed", "session.aborted")) != (self.summary is not None):
            raise ValueError(
                f"{self.type}: a summary comes with session.completed and .aborted, and only there"
            )
        return self


class ActiveAlarm(Message):
    """One alarm that is on now."""

    condition: Annotated[Text, said("its name in the alarm table")]
    priority: Priority
    since: Time
    latched: Annotated[bool, said("it stays until somebody at the bed has dealt with it")]
    text: Annotated[dict[Literal["de", "en"], Text], said("what to show people")]
    value: FiniteFloat | None = None
    limit: FiniteFloat | None = None
    hazard: Annotated[Text, said("id in docs/safety/hazards.toml")]
    occurrence: Annotated[
        Text | None,
        said("this one time that it came on, unique within the boot; what comes back is another"),
    ] = None
    state: Annotated[
        Literal["active_unacknowledged", "active_acknowledged", "gone_unacknowledged"],
        said("`gone_unacknowledged`: its cause is over, and nobody at the bed has seen it yet"),
    ] = "active_unacknowledged"
    acknowledged_at: Annotated[Time | None, said("when somebody at the bed acknowledged it")] = None
    acknowledged_by: Annotated[Text | None, said("account of who did, not a name")] = None


class AlarmState(Message):
    """All alarms of a bed that are on now; an empty list when none is."""

    boot: Boot
    seq: AtSeq
    at: At
    alarms: list[ActiveAlarm]


class Command(Message):
    """A request from remote: it may stop or pause, never start, resume or raise."""

    id: Annotated[UUID, said("given back in the reply")]
    action: Annotated[
        str, Field(max_length=40, description="`stop` or `pause`; any other is refused and recorded")
    ]
    sent_at: Time
    by: Annotated[str, Field(max_length=80, description="who asks: an account, not a name")]
    correlation: Correlation = None


class Reply(Message):
    """The gateway's answer to a command."""

    id: Annotated[UUID, said("of the command")]
    action: Annotated[str, Field(max_length=40)]
    accepted: bool
    at: At
    detail: Annotated[Text, said("a refusal says what, the value, the limit and where it comes from")]


class WorklistEntry(Message):
    """One appointment of today, with everything the bed needs while the network is down."""

    appointment: UUID
    patient: UUID
    cure: UUID | None
    session_number: Annotated[Count, said("within the cure, from 1")]
    starts_at: Time
    ends_at: Time
    prescription: Annotated[Data | None, said("none until a clinician has confirmed the next one")]
    clearance: Annotated[str | None, said("signed token; none while there is none in force")]
    patient_sealed: Annotated[
        str | None, said("name and birth date, encrypted for the gateway's `sealing_key`")
    ]


class Suspension(Message):
    """A patient who may not be treated until a clinician has signed why they may again."""

    patient: UUID
    region: Annotated[Region | None, said("none: neither region")]
    since: Time
    reason: Annotated[Text, said("its code, as in docs/screening.md")]
    adverse: Annotated[bool, said("an adverse event: a running session pauses, others end normally")]


class Worklist(Message):
    """Today's appointments at one bed, and who must not be treated anywhere at its site."""

    at: Annotated[Time, said("when the centre said so: a gateway tells the bed when this is long ago")]
    entries: list[WorklistEntry]
    suspended: list[Suspension] = []


class Committed(Message):
    """Stored durably: everything of this boot before the numbers here; only this trims a spool."""

    boot: Boot
    next: Annotated[
        dict[Literal["tension", "blackbox", "event"], Count],
        said("first seq (of `event`: first index) still wanted, by stream"),
    ]
    at: Time
    release: Annotated[
        Release, said("telemetry's own, so that a gateway knows whether they work together; empty: not said")
    ] = ""


class Missing(Message):
    """A hole in what telemetry has stored: the gateway sends these numbers again, or names them lost."""

    boot: Boot
    stream: Literal["tension", "blackbox", "event"]
    first: Annotated[Count, said("first seq (of `event`: first index) that is missing")]
    next: Annotated[Count, said("first seq (of `event`: first index) behind the hole")]
    at: Annotated[Time, said("when it was asked, by telemetry's clock")]

    @model_validator(mode="after")
    def _some(self) -> "Missing":
        if self.first >= self.next:
            raise ValueError(f"first is {self.first}, next is {self.next}: a hole holds at least one number")
        return self


class Operators(Message):
    """Who may operate the beds of one gateway; the list is signed, so nobody on the way can add to it.

    A PIN and a badge's number never travel: the list has their digests, made with a key that the console and
    the gateways have and the broker has not. Whoever reads the list here can neither sign in nor guess. Only
    the gateway itself may read it.
    """

    signed: Annotated[
        str,
        Field(
            min_length=1,
            max_length=250_000,
            pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$",
            description="a JWT (EdDSA, audience `spondyl-operators`): site, version, operators, see "
            "docs/integrators.md",
        ),
    ]


class ClinicEvent(Message):
    """A past-tense event of a business service; random ids only."""

    id: Annotated[UUID, said("the same at every delivery: use it to ignore a second one")]
    type: Annotated[str, Field(pattern=r"^[a-z]+\.[a-z_]+$", max_length=60)]
    time: Time
    data: Data
    correlation: Correlation = None
