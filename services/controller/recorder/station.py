"""What belongs to one boot of the loop: its memory, its lanes, its connection and what that says."""

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final, Literal

from broker.bus import Bus, Will
from broker.contract import COMMAND, COMMITTED, MISSING, OPERATORS, STATUS, WORKLIST
from broker.drain import Drain
from broker.messages import DeviceInfo, GatewayStatus
from services.controller.beds.addresses import SIMULATED
from services.controller.bedside.suspending import Suspender
from services.controller.kernel import layout
from services.controller.loop.shared import GatewayMemory
from services.controller.recorder.live import Live
from services.controller.recorder.remote import RemoteDesk
from services.controller.recorder.writer import Writer
from services.controller.settings import ControllerSettings
from services.kit.connections import open_bus

SESSION_EXPIRY_S: Final = 60
CLOSE_S: Final = 0.3  # what is in flight may still be answered; the supervisor waits 0.8 s
CAPABILITIES: Final = ("stop", "pause", "blackbox", "heat")
Condition = Literal["online", "stopped", "lost"]


@dataclass(slots=True)
class Station:
    """Everything that belongs to one boot of the loop."""

    memory: GatewayMemory
    bus: Bus
    live: Live
    writer: Writer
    drain: Drain
    desk: RemoteDesk
    suspender: Suspender

    def serve(self, settings: ControllerSettings, sealing_key: str) -> None:
        """Announce the boot, ask for what is said to it, connect."""
        site, memory = settings.site, self.memory
        self.bus.announce(STATUS, status(settings, sealing_key, memory, "online"), site, memory.gateway)
        self.bus.subscribe(OPERATORS, site, memory.gateway)
        for device in memory.devices:
            for stream in (COMMAND, COMMITTED, MISSING, WORKLIST):
                self.bus.subscribe(stream, site, device)
        self.bus.start()

    def leave(self) -> None:
        """Send what can be sent at once and let go of the boot."""
        self.drain.tick()
        self.memory.health["mqtt_connected"] = 0
        self.memory.health["recorder_tick"] = self.writer.next
        self.bus.close(timeout_s=CLOSE_S)
        self.memory.close()


def connection(settings: ControllerSettings, sealing_key: str, memory: GatewayMemory) -> Bus:
    """The boot's connection, with the will that speaks for its devices; not started yet."""
    will = Will(STATUS, status(settings, sealing_key, memory, "lost"), settings.site, memory.gateway)
    return open_bus(
        settings,
        memory.gateway,
        must_fit=False,  # whatever becomes of papers, the record goes on
        site=settings.site,
        will=will,
        session_expiry_s=SESSION_EXPIRY_S,
    )


def status(
    settings: ControllerSettings, sealing_key: str, memory: GatewayMemory, state: Condition
) -> GatewayStatus:
    """What the gateway says of itself."""
    return GatewayStatus(
        state=state,
        gateway=memory.gateway,
        boot=memory.boot,
        at=datetime.now(UTC),
        devices=[
            DeviceInfo(device=device, kind=_kind(address), regions=["lumbar", "cervical"], heat=True)
            for device, address in zip(memory.devices, memory.addresses, strict=True)
        ],
        versions={"spondyl": version("spondyl"), "kernel": str(layout.KERNEL_VERSION)},
        period_ms=memory.period_ns / 1e6,
        block_ms=settings.block_ms,
        capabilities=list(CAPABILITIES),
        sealing_key=sealing_key,
    )


def _kind(address: str) -> Literal["simulated", "modbus"]:
    """What a bed is, by how the loop reaches it."""
    return "simulated" if address == SIMULATED else "modbus"
