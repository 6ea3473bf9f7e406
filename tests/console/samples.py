"""Messages and a clock for the console's tests."""

from datetime import UTC, datetime
from uuid import UUID

from broker.messages import DeviceInfo, GatewayStatus, TensionBlock
from services.console.models import Key

NORTH = Key("north", "bed-01")
BOOT = UUID(int=1)
NEXT_BOOT = UUID(int=2)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        """The time it stands at."""
        return self.now


def block(seq, boot=BOOT, tension=200.0, phase="hold", at=None, **more):
    return TensionBlock(
        boot=boot, seq=seq, started_at=at or datetime.now(UTC), period_ms=20, tension_n=[tension] * 10,
        target_n=[200.0] * 10, position_mm=[0.0] * 10, residual_n=[0.0] * 10, phase=[phase] * 10,
        **more,
    )  # fmt: skip


def status(state, boot=BOOT):
    beds = [DeviceInfo(device="bed-01", kind="simulated", regions=["lumbar"], heat=True)]
    return GatewayStatus(state=state, gateway="gw-north", boot=boot, at=datetime.now(UTC), devices=beds)
