"""The latest of every bed, fed by the bus thread and read by the pages: one lock, nothing stored."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from broker.messages import AlarmState, Committed, DeviceState, Event, GatewayStatus
from services.console.blocks import Samples
from services.console.errors import UnknownDevice
from services.console.models import STALE_S, Block, Device, Gateway, Key, Link
from services.console.occurrences import Acknowledged, Acknowledgements
from services.console.zones import Zones
from services.kit.moments import now_us

UNSENT_BLOCKS = 20_000  # blocks waiting for the fan-out; beyond it the oldest go


@dataclass(slots=True)
class Live:
    """Everything the console knows. Methods are safe from any thread."""

    clock: Callable[[], float] = time.monotonic
    devices: dict[Key, Device] = field(default_factory=dict)
    gateways: dict[tuple[str, str], Gateway] = field(default_factory=dict)
    broker_up: bool = False
    broker_since: float = 0.0
    revision: int = 0  # rises with every edge that a reader must see at once
    acknowledged: Acknowledgements = field(default_factory=Acknowledgements)
    zones: Zones = field(default_factory=Zones)
    began_us: int = field(default_factory=now_us)
    pains: Counter[str] = field(default_factory=Counter)  # what was told of pain at home, by site
    _began: float = field(init=False)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _watched: frozenset[Key] = frozenset()  # beds whose blocks somebody wants to see as they come
    _unsent: deque[Block] = field(default_factory=lambda: deque(maxlen=UNSENT_BLOCKS))

    def __post_init__(self) -> None:
        self._began = self.clock()

    def wall_us(self, at: float) -> int:
        """A moment of ``clock`` in microseconds since the epoch: always the same for the same moment."""
        return self.began_us + round((at - self._began) * 1e6)

    def acknowledge(self, found: Iterable[Acknowledged]) -> None:
        """What people acknowledged, here or at another console."""
        with self.lock:
            if self.acknowledged.take(found):
                self.revision += 1

    def status(self, site: str, status: GatewayStatus) -> None:
        """A gateway's birth, end or loss; an old boot's will does not end a newer boot."""
        with self.lock:
            name = (site, status.gateway)
            known = self.gateways.get(name)
            if known and status.state != "online" and status.boot != known.boot:
                return
            self.gateways[name] = Gateway(status.state, status.boot, status)
            for info in status.devices:
                self._device(Key(site, info.device)).gateway = status.gateway
            self.revision += 1

    def state(self, key: Key, state: DeviceState) -> None:
        """What a bed is doing."""
        with self.lock:
            self._device(key).state = state

    def alarm(self, key: Key, alarms: AlarmState) -> None:
        """The alarms that are on at a bed now."""
        with self.lock:
            device = self._device(key)
            before = device.alarms.alarms if device.alarms else []
            device.alarms = alarms
            if before != alarms.alarms:
                self.revision += 1

    def event(self, key: Key, event: Event) -> None:
        """Something happened at a bed; a second delivery is the same event."""
        with self.lock:
            events = self._device(key).events
            if not any(known.id == event.id for known in events):
                events.append(event)

    def tension(self, key: Key, block: Samples, raw: bytes | None = None) -> None:
        """A block of samples; ``raw`` is what it came as."""
        with self.lock:
            kept = self._device(key).take(block, self.clock(), raw)
            if kept and key in self._watched:
                self._unsent.append(kept)

    def committed(self, key: Key, committed: Committed) -> None:
        """How far everything of a bed is stored durably."""
        with self.lock:
            self._device(key).committed = committed

    def broker(self, *, up: bool) -> None:
        """Whether the broker is connected."""
        with self.lock:
            if up != self.broker_up:
                self.broker_up = up
                self.broker_since = self.clock()
                self.revision += 1

    def pain_at_home(self, site: str) -> None:
        """Somebody reported pain at home, or a report was answered: pages ask homecare what is open."""
        with self.lock:
            self.pains[site] += 1
            self.revision += 1

    def pains_told(self, sites: frozenset[str] | None) -> str:
        """A mark that is another one when pages have to ask anew: after news, a restart, a broken line."""
        with self.lock:
            told = sum(count for site, count in self.pains.items() if sites is None or site in sites)
            return f"{self.began_us}-{self.broker_since:.3f}-{told}"

    def watch(self, keys: Iterable[Key]) -> None:
        """Queue the blocks of these beds for ``drain``, and of no others."""
        with self.lock:
            self._watched = frozenset(keys)

    def drain(self) -> list[Block]:
        """The blocks of watched beds that came since the last call."""
        with self.lock:
            blocks = list(self._unsent)
            self._unsent.clear()
            return blocks

    def backlog(self, keys: Iterable[Key]) -> list[Block]:
        """The last half minute of these beds, so that a page opens with a trace."""
        with self.lock:
            return [block for key in keys if key in self.devices for block in self.devices[key].backlog]

    def sites(self) -> list[str]:
        """Every site that a bed has been heard of at, in order."""
        with self.lock:
            return sorted({key.site for key in self.devices})

    def find(self, device: str, site: str | None = None, sites: frozenset[str] | None = None) -> Device:
        """The bed of this name; ``sites`` are those that the reader may see, None is every one.

        Raises UnknownDevice when there is none, or several and no site was named: another site's bed is
        answered in the very words of one that does not exist.
        """
        with self.lock:
            found = [
                one
                for key, one in self.devices.items()
                if key.device == device and site in (None, key.site) and (sites is None or key.site in sites)
            ]
        if not found:
            raise UnknownDevice(device, site)
        if len(found) > 1:
            raise UnknownDevice(device, several=sorted(one.key.site for one in found))
        return found[0]

    def link(self, device: Device, now: float) -> Link:
        """How the console reaches a bed: `stale` is older than 2 s, `lost` its gateway's will said."""
        gateway = self.gateways.get((device.key.site, device.gateway or ""))
        age_s = device.age_s(now)
        if gateway and gateway.state != "online":
            return gateway.state
        if age_s is None:
            return "waiting"
        return "stale" if age_s > STALE_S else "live"

    def _device(self, key: Key) -> Device:
        return self.devices.setdefault(key, Device(key))
