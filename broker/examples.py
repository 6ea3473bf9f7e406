"""One example message a stream, made of the models: for AsyncAPI, docs/topics.md and tests."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from broker import contract, messages
from broker.messages import Message

SITE, GATEWAY, DEVICE = "north", "gw-north", "bed-01"
BOOT = UUID("7d0f4a52-3c1b-4f4e-9a57-1f2b6c8e9d01")
SESSION = UUID("0b6c3f8e-55d1-4b0e-8f6a-2a9d7c4e1b02")
PATIENT = UUID("c1a7e2d4-9f3b-4c6d-8e5f-7b0a1d2c3e03")
CURE = UUID("5e8d9c0b-1a2f-4d3e-b6c7-8f9e0a1b2c04")
APPOINTMENT = UUID("a9b8c7d6-e5f4-4a3b-8c2d-1e0f9a8b7c05")
ID = UUID("f0e1d2c3-b4a5-4968-8776-5a4b3c2d1e06")
AT = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)

_SUMMARY = messages.SessionSummary(
    session=SESSION,
    patient=PATIENT,
    cure=CURE,
    appointment=APPOINTMENT,
    region="lumbar",
    segment="L4/L5",
    started_at=AT - timedelta(minutes=33),
    ended_at=AT,
    reason="completed",
    traction_s=1800.0,
    heat_s=600.0,
    peak_n=402.5,
    hold_mean_n=381.2,
    hold_rms_n=1.9,
    cycles=17,
    guardings=1,
    phase_s={
        "slack": 6.2,
        "precondition": 120.0,
        "ramp": 130.0,
        "hold": 1010.0,
        "release": 90.0,
        "rest": 560.0,
    },
    pain_before=6,
    pain_after=3,
)

EXAMPLES: dict[str, Message] = (
    {
        contract.STATUS.name: messages.GatewayStatus(
            state="online",
            gateway=GATEWAY,
            boot=BOOT,
            at=AT,
            devices=[
                messages.DeviceInfo(
                    device=DEVICE, kind="simulated", regions=["lumbar", "cervical"], heat=True
                )
            ],
            versions={"spondyl": "0.1.0", "kernel": "1"},
            period_ms=20.0,
            block_ms=200.0,
            capabilities=["remote-stop", "remote-pause"],
        ),
        contract.STATE.name: messages.DeviceState(
            boot=BOOT,
            seq=90_250,
            at=AT,
            phase="hold",
            cycle=4,
            target_n=380.0,
            peak_n=380.0,
            ceiling_n=436.0,
            session=SESSION,
            region="lumbar",
            remaining_s=1210.0,
            traction_s=1800.0,
            guardings=1,
        ),
        contract.TENSION.name: messages.TensionBlock(
            boot=BOOT,
            seq=90_250,
            started_at=AT,
            period_ms=20.0,
            tension_n=[379.6, 379.9, 380.2],
            target_n=[380.0, 380.0, 380.0],
            position_mm=[31.42, 31.42, 31.43],
            residual_n=[0.1, -0.2, 0.3],
            phase=["hold", "hold", "hold"],
        ),
        contract.BLACKBOX.name: messages.BlackboxChunk(
            boot=BOOT,
            seq=90_250,
            count=3,
            started_at=AT,
            period_ms=20.0,
            kernel_version=1,
            session_no=12,
            session=SESSION,
            columns={"force_dn": [3796, 3, 3], "position_cmm": [3142, 0, 1]},
            actions=[{"seq": 90_251, "action": 4, "refusal": 0}],
            crc32=2_596_996_162,
        ),
        contract.EVENT.name: messages.Event(
            id=ID,
            type="session.completed",
            at=AT,
            boot=BOOT,
            seq=99_000,
            index=41,
            session=SESSION,
            summary=_SUMMARY,
        ),
        contract.ALARM.name: messages.AlarmState(
            boot=BOOT,
            seq=90_260,
            at=AT,
            alarms=[
                messages.ActiveAlarm(
                    condition="patient_switch",
                    priority="medium",
                    since=AT,
                    latched=True,
                    text={"de": "Patientenschalter gedrückt", "en": "Patient switch pressed"},
                    hazard="H-02",
                )
            ],
        ),
        contract.COMMAND.name: messages.Command(id=ID, action="pause", sent_at=AT, by="therapist-7"),
        contract.REPLY.name: messages.Reply(id=ID, action="pause", accepted=True, at=AT, detail="paused"),
        contract.WORKLIST.name: messages.Worklist(
            at=AT,
            entries=[
                messages.WorklistEntry(
                    appointment=APPOINTMENT,
                    patient=PATIENT,
                    cure=CURE,
                    session_number=7,
                    starts_at=AT,
                    ends_at=AT + timedelta(minutes=45),
                    prescription={"region": "lumbar", "segment": "L4/L5", "peak_n": 400.0},
                    clearance=None,
                    patient_sealed=None,
                )
            ],
            suspended=[
                messages.Suspension(
                    patient=ID,
                    region="cervical",
                    since=AT - timedelta(days=1),
                    reason="adverse-event",
                    adverse=True,
                )
            ],
        ),
        contract.COMMITTED.name: messages.Committed(
            boot=BOOT, next={"tension": 90_260, "blackbox": 90_000, "event": 41}, at=AT
        ),
        contract.MISSING.name: messages.Missing(
            boot=BOOT, stream="tension", first=90_260, next=90_290, at=AT
        ),
        contract.OPERATORS.name: messages.Operators(
            signed="eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJzcG9uZHlsIn0.c2lnbmF0dXJl"
        ),
    }
    | {
        stream.name: messages.ClinicEvent(
            id=ID, type=f"{stream.name}.changed", time=AT, data={stream.name: str(ID)}
        )
        for stream in contract.STREAMS.values()
        if stream.scope == "clinic"
    }
    | {"site": messages.ClinicEvent(id=ID, type="site.settings", time=AT, data={"zone": "Europe/Berlin"})}
)
