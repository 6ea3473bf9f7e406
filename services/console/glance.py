"""One light look at every bed: what order, counts and filters need, and nothing that a tile alone shows."""

from dataclasses import dataclass

from services.console import alarms
from services.console.live import Live
from services.console.models import Device, Link


@dataclass(slots=True)
class Glance:
    """A bed from afar."""

    name: str  # site/device
    device: Device
    link: Link
    in_session: bool
    severity: int  # of its worst alarm, see alarms.SEVERITY

    @property
    def site(self) -> str:
        """Where it stands."""
        return self.device.key.site

    @property
    def away(self) -> bool:
        """Whether it is not connected."""
        return self.link in alarms.NOT_SEEN


def glances(live: Live, now: float) -> dict[str, Glance]:
    """Every bed by its name; the lock of ``live`` is the caller's."""
    found = {}
    for key, device in live.devices.items():
        name = str(key)
        found[name] = Glance(
            name,
            device,
            live.link(device, now),
            alarms.in_session(device, now),
            alarms.severity(live, device, now),
        )
    return found
