"""A clinic that publishes what gateways publish, for tests of the console: beds in every phase, on demand."""

import contextlib
import itertools
import math
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from broker import contract
from broker.bus import Bus, BusError
from broker.messages import (
    ActiveAlarm,
    AlarmState,
    DeviceInfo,
    DeviceState,
    Event,
    GatewayStatus,
    TensionBlock,
)

PERIOD_S = 0.02
BLOCK = 10
LOST = {
    None: (),
    "load_cell": ("tension_n", "residual_n"),
    "link": ("tension_n", "residual_n", "position_mm"),
}
CYCLE = (("ramp", 6.0), ("hold", 10.0), ("release", 4.0), ("rest", 5.0))


@dataclass
class Bed:
    """One bed: `phase` None lets it run cycles, else it stays there."""

    device: str
    offset_s: float = 0.0
    phase: str | None = None
    peak_n: float = 280.0
    base_n: float = 90.0
    ceiling_n: float = 400.0
    tension_n: float | None = None
    alarms: list[ActiveAlarm] = field(default_factory=list)
    reason: str | None = None
    silent: bool = False
    lost: str | None = None  # load_cell or link: nobody measures
    session: UUID = field(default_factory=uuid4)
    seq: int = 0
    said: tuple | None = None
    index: int = 0

    def sample(self, at_s: float) -> tuple[float, float, float, str]:
        """Tension, target, counter-tension (N) and phase at a time."""
        breath = 2.2 * math.sin(at_s * 1.7) + 0.7 * math.sin(at_s * 23)
        if self.phase is not None:
            level = {"idle": 0.0, "ready": 0.0, "done": 0.0, "stopped": 4.0, "fault": 4.0}.get(
                self.phase, self.base_n
            )
            if self.phase == "guarded":
                burst = 38 * abs(math.sin(at_s * 1.3))
                return 150 + burst + breath, 150.0, burst, "guarded"
            value = level if self.tension_n is None else self.tension_n
            return value + (breath if level else 0.0), level, 0.4 * breath, self.phase
        return self._cycle((at_s + self.offset_s) % sum(length for _, length in CYCLE), breath)

    def _cycle(self, t: float, breath: float) -> tuple[float, float, float, str]:
        phase, length = CYCLE[0]
        for phase, length in CYCLE:  # noqa: B007  (the row it ends at is the one wanted)
            if t < length:
                break
            t -= length
        share = t / length
        smooth = share * share * (3 - 2 * share)
        swing = self.peak_n - self.base_n
        target = {
            "ramp": self.base_n + swing * smooth,
            "hold": self.peak_n,
            "release": self.peak_n - swing * smooth,
            "rest": self.base_n,
        }[phase]
        return target + breath - (3 if phase == "ramp" else 0), target, 0.5 * breath, phase


class Clinic:
    """One gateway with its beds on a real broker; ``run`` publishes in real time until closed."""

    def __init__(self, url: str, site: str, beds: list[Bed], block: int = BLOCK) -> None:
        """``block`` is how many samples a message has."""
        self.site = site
        self.block = block
        self.gateway = f"gw-{site}"
        self.beds = {bed.device: bed for bed in beds}
        self.boot = uuid4()
        self.bus = Bus(url, f"test-{site}-{self.boot.hex[:6]}", site=site)
        self.bus.start()
        assert self.bus.wait_connected(10)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def birth(self, state: str = "online") -> None:
        """Say the gateway's state for all its beds."""
        devices = [
            DeviceInfo(device=name, kind="simulated", regions=["lumbar"], heat=True) for name in self.beds
        ]
        status = GatewayStatus(
            state=state, gateway=self.gateway, boot=self.boot, at=datetime.now(UTC), devices=devices
        )
        self.bus.publish(contract.STATUS, status, device=self.gateway).wait(5)

    def history(self, seconds: float) -> None:
        """Publish the last seconds of every bed at once, so that a trace is there at once."""
        count = round(seconds / (self.block * PERIOD_S))
        began = datetime.now(UTC) - timedelta(seconds=seconds)
        for number in range(count):
            self.publish_blocks(began + timedelta(seconds=number * self.block * PERIOD_S))

    def publish_blocks(self, at: datetime | None = None) -> None:
        """The next block of every bed, begun now or at a time that is past, and its state where it changed; a
        silent bed's is lost on the way.
        """
        for bed in self.beds.values():
            if bed.silent:
                bed.seq += self.block
            else:
                self._block(bed, at or datetime.now(UTC))

    def alarm(self, device: str, *alarms: ActiveAlarm) -> None:
        """The alarms that are on at a bed now."""
        bed = self.beds[device]
        bed.alarms = list(alarms)
        state = AlarmState(boot=self.boot, seq=bed.seq, at=datetime.now(UTC), alarms=bed.alarms)
        self.bus.publish(contract.ALARM, state, device=device).wait(5)

    def event(self, device: str, kind: str, seq: int | None = None, **data: object) -> Event:
        """Something that happened at a bed: now, or at a sample that is past."""
        bed = self.beds[device]
        seq = bed.seq if seq is None else seq
        at = datetime.now(UTC) - timedelta(seconds=(bed.seq - seq) * PERIOD_S)
        event = Event(
            id=uuid4(), type=kind, at=at, boot=self.boot, seq=seq, index=bed.index,
            session=bed.session, data=data,
        )  # fmt: skip
        bed.index += 1
        self.bus.publish(contract.EVENT, event, device=device).wait(5)
        return event

    def run(self) -> None:
        """Publish in real time, in a thread."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and the connection."""
        self._stop.set()
        if self._thread:
            self._thread.join(5)
        self.bus.close()

    def _run(self) -> None:
        began = time.monotonic()
        for count in itertools.count(1):
            with contextlib.suppress(BusError):  # the broker is away: what a gateway would spool is lost here
                self.publish_blocks()
            if self._stop.wait(max(0.0, began + count * self.block * PERIOD_S - time.monotonic())):
                return

    def _block(self, bed: Bed, at: datetime) -> None:
        rows = [bed.sample((bed.seq + i) * PERIOD_S) for i in range(self.block)]
        tension, target, counter, phases = (list(column) for column in zip(*rows, strict=True))
        unmeasured = {name: [[0, self.block]] for name in LOST[bed.lost]}
        if unmeasured:
            tension, counter = [0.0] * self.block, [0.0] * self.block
        block = TensionBlock(
            boot=self.boot, seq=bed.seq, started_at=at, period_ms=PERIOD_S * 1000,
            tension_n=tension, target_n=target, position_mm=[0.0] * self.block, residual_n=counter,
            phase=phases, unmeasured=unmeasured or None,
        )  # fmt: skip
        self.bus.publish(contract.TENSION, block, device=bed.device)
        bed.seq += self.block
        self._state(bed, phases[-1], target[-1])

    def _state(self, bed: Bed, phase: str, target_n: float) -> None:
        said = (phase, bed.reason)
        if said == bed.said:
            return
        bed.said = said
        elapsed_s = bed.seq * PERIOD_S + bed.offset_s * 20
        state = DeviceState(
            boot=self.boot, seq=bed.seq - 1, at=datetime.now(UTC), phase=phase,
            cycle=3 + int(elapsed_s // 25), target_n=target_n, peak_n=bed.peak_n, ceiling_n=bed.ceiling_n,
            session=None if phase == "idle" else bed.session, region="lumbar",
            remaining_s=max(0.0, 1800 - elapsed_s), traction_s=1800, guardings=2, reason=bed.reason,
        )  # fmt: skip
        self.bus.publish(contract.STATE, state, device=bed.device)


def alarm(condition: str, priority: str, de: str, en: str) -> ActiveAlarm:
    """An alarm as a gateway publishes it."""
    return ActiveAlarm(
        condition=condition,
        priority=priority,
        since=datetime.now(UTC),
        latched=True,
        text={"de": de, "en": en},
        hazard="H-TEST",
    )
