"""The threads between broker and pages: one for what is rare and validated whole, one for the samples.

Nine of ten messages are blocks of samples: they come at QoS 0 on a connection of their own, without a client
library's cost for each. One that is lost is a gap in a trace; telemetry has it.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, cast

import structlog

from broker import codec, contract, topics
from broker.bus import Bus, BusRefused
from broker.links import Packet
from broker.messages import Committed
from broker.receive import Receiver
from services.console import blocks, handlers
from services.console.live import Live
from services.console.models import ConsoleSettings, Key
from services.console.remote import Remote
from services.kit.connections import broker_of
from services.kit.memory import GiveBack

log = structlog.get_logger(__name__)

BATCH: Final = 500
TAKE_S: Final = 0.1
AGAIN_S: Final = 2.0
GIVE_BACK_S: Final = 60.0  # events come and go among what stays
GATHER_S: Final = 0.01  # samples are let come together for so long
MOST_WAITING: Final = 5000  # messages of samples: a second of a thousand beds
SAMPLES: Final = (replace(contract.TENSION, qos=0), replace(contract.COMMITTED, qos=0))


def samples_of(settings: ConsoleSettings, name: str) -> Receiver:
    """The connection that the samples come on."""
    receiver = Receiver(
        settings.mqtt_url,
        f"{name}-samples",
        SAMPLES,
        **broker_of(settings),
        receive_maximum=MOST_WAITING // 2,
        gather_s=GATHER_S,
    )
    receiver.open(topics.ANY)
    return receiver


@dataclass(slots=True)
class Reader:
    """Puts what the broker sends into ``live`` until it is stopped."""

    bus: Bus
    receiver: Receiver
    live: Live
    remote: Remote
    stopping: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)
    keys: dict[tuple[str, str | None], Key] = field(default_factory=dict)

    @property
    def connected(self) -> bool:
        """Whether everything that the broker sends reaches the console."""
        return self.bus.connected and self.receiver.connected

    @property
    def last_error(self) -> str | None:
        """Why it does not."""
        return self.bus.last_error or self.receiver.last_error

    def start(self) -> None:
        """Connect in the background and read; returns at once."""
        for stream in handlers.SUBSCRIPTIONS:
            self.bus.subscribe(stream)
        self.bus.start()
        self.receiver.start()
        for name, some in (("rare", self._rare), ("samples", self._samples)):
            thread = threading.Thread(target=self._run, args=(some,), name=f"console-{name}", daemon=True)
            self.threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End the threads and the connections."""
        self.stopping.set()
        for thread in self.threads:
            thread.join(2.0)
        self.receiver.stop()
        self.bus.close()

    def _run(self, some: Callable[[], None]) -> None:
        """Nothing ends a reader but the end of the console: a dead one would leave a wall standing still."""
        give_back = GiveBack(GIVE_BACK_S)
        while not self.stopping.is_set():
            self.live.broker(up=self.connected)
            give_back()
            try:
                some()
            except BusRefused as error:
                log.error("broker refuses a subscription", detail=str(error))  # noqa: TRY400  (no fault of ours: no trace)
                self.stopping.wait(AGAIN_S)
            except Exception:
                log.exception("reading failed; trying again")
                self.stopping.wait(AGAIN_S)

    def _rare(self) -> None:
        """States, alarms, events, replies: acknowledged as soon as they are in memory, nothing is stored."""
        deliveries = self.bus.take(BATCH, TAKE_S)
        for delivery in deliveries:
            try:
                handlers.handle(self.live, self.remote, delivery)
            except Exception:
                log.exception("message passed over", stream=delivery.stream.name, site=delivery.site)
        self.bus.acknowledge(deliveries)

    def _samples(self) -> None:
        """Blocks of samples, and how far they are stored."""
        for packet in self.receiver.take(BATCH, TAKE_S):
            try:
                self._sample(packet)
            except codec.Malformed as error:
                log.warning("message passed over", topic=packet.address.topic, detail=str(error))

    def _sample(self, packet: Packet) -> None:
        address, payload = packet.address, packet.payload
        place = (address.site, address.device)
        key = self.keys.get(place)
        if key is None:
            key = self.keys[place] = Key(address.site, address.device or "")
        if address.stream.name == contract.TENSION.name:
            self.live.tension(key, blocks.read(payload), payload)
        else:
            self.live.committed(key, cast("Committed", codec.decode(contract.COMMITTED, payload)))
