"""Messages for the broker's tests."""

from datetime import UTC, datetime
from uuid import UUID

from broker import messages

BOOT = UUID("6f1c0e5a-7c1e-4d0a-9b61-000000000001")
AT = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


def block(seq=0, samples=10, boot=BOOT):
    """A block of ``samples`` equal samples from ``seq`` on."""
    return messages.TensionBlock(
        boot=boot,
        seq=seq,
        started_at=AT,
        period_ms=20.0,
        tension_n=[120.5] * samples,
        target_n=[121.0] * samples,
        position_mm=[12.25] * samples,
        residual_n=[0.1] * samples,
        phase=["hold"] * samples,
    )


def status(state="online", boot=BOOT):
    """A gateway's birth, end or loss."""
    return messages.GatewayStatus(state=state, gateway="gw-north", boot=boot, at=AT)


def alarms(seq=0):
    """No alarm is on."""
    return messages.AlarmState(boot=BOOT, seq=seq, at=AT, alarms=[])


def command(action="stop"):
    """A remote command."""
    return messages.Command(id=BOOT, action=action, sent_at=AT, by="console")


def reply(action="stop"):
    """The answer that accepts it."""
    return messages.Reply(id=BOOT, action=action, accepted=True, at=AT, detail="stopped")
