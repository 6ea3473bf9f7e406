"""The bus: publish and take messages of the contract over MQTT 5, at least once, through every reconnect.

    bus = Bus("mqtt://127.0.0.1:1883", "telemetry", session_expiry_s=3600, receive_maximum=1000)
    bus.subscribe(contract.TENSION)
    bus.start()
    while running:
        batch = bus.take(500, timeout_s=0.2)
        store.commit(batch)             # the effect is durable ...
        bus.acknowledge(batch)          # ... and only now the broker may forget it

Back-pressure: the broker sends no more than ``receive_maximum`` unacknowledged messages; keep it at two
batches or more, or the throughput is one receive maximum a flush. Mosquitto 2.0.11 sends more once its queue
moves, so with twice as many waiting the socket is left unread until some are taken.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from paho.mqtt.client import MQTTMessage

from broker import refusals, topics
from broker.backoff import full_jitter
from broker.contract import REPLY, Stream
from broker.inbox import Delivery, Inbox
from broker.messages import Message
from broker.outbox import Outbox
from broker.packets import Will, packet_of
from broker.publication import BusBusy, BusError, BusOffline, BusRefused, Publication
from broker.subscriptions import Subscriptions
from broker.wire import Connection, Endpoint, Occurrence, Tls

__all__ = ["Bus", "BusBusy", "BusError", "BusOffline", "BusRefused", "Delivery", "Publication", "Tls", "Will"]

log = structlog.get_logger(__name__)

IN_FLIGHT = 100  # a PUBACK costs paho a look through the window: 1000 halve the speed
CONNACK_S = 5.0
STEADY_S = 10.0  # a connection that lasted so long makes the next failure a first one
PUMP_S = 0.5
PAUSE_S = 0.05  # how long acknowledgements may wait while the socket is left unread


@dataclass(slots=True)
class Statistics:
    """Counters since the bus was made."""

    connects: int = 0
    published: int = 0
    acknowledged: int = 0  # by the broker
    refused: int = 0  # by the broker
    lost: int = 0  # unanswered when a connection ended
    received: int = 0
    waiting: int = 0  # taken from the network, not yet by a consumer
    stale_acknowledgements: int = 0
    malformed: dict[str, int] = field(default_factory=dict)


class Bus:
    """One MQTT connection and its own thread; every method may be called from any thread."""

    def __init__(
        self,
        url: str,
        client_id: str,
        *,
        username: str | None = None,
        password: str | None = None,
        site: str | None = None,
        will: Will | None = None,
        session_expiry_s: int = 0,
        receive_maximum: int = 400,
        in_flight: int = IN_FLIGHT,
        keepalive_s: int = 15,
        tls: Tls | None = None,
        may_connect: Callable[[], bool] = lambda: True,  # asked before every connect: False waits
    ) -> None:
        self._may_connect = may_connect
        self._endpoint = Endpoint(
            url=url,
            client_id=client_id,
            username=username,
            password=password,
            session_expiry_s=session_expiry_s,
            receive_maximum=receive_maximum,
            keepalive_s=keepalive_s,
            will=None if will is None else will.packet(),
            tls=tls,
        )
        _ = self._endpoint.address  # a wrong address is the caller's error, now
        self._site = site
        self._in_flight = in_flight
        self._inbox = Inbox(capacity=2 * receive_maximum)
        self._lock = threading.Condition(threading.RLock())
        self._connection: Connection | None = None
        self._outbox = Outbox()
        self._owed: dict[int, int] = {}  # packet id -> serial of what the broker waits to hear about
        self._subscriptions = Subscriptions()
        self._callbacks: list[Callable[[], None]] = []
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._generation = 0
        self._serial = 0
        self._connects = 0
        self._stale = 0
        self._handlers: dict[str, Callable[[Connection, Occurrence], list[Callable[[], None]]]] = {
            "CONNACK": self._on_connack,
            "PUBACK": self._on_puback,
            "SUBACK": self._on_suback,
            "DISCONNECT": self._on_disconnect,
        }
        self.last_error: str | None = None
        self.refusal: refusals.Kind | None = None  # why certificates were not taken, while they are not

    # --- life -----------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Connect in the background and stay connected; returns at once."""
        self._thread = threading.Thread(target=self._run, name=f"bus-{self._endpoint.client_id}", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float = 3.0) -> None:
        """Wait for what is in flight, then disconnect properly: the will stays unspoken."""
        with self._lock:
            self._lock.wait_for(lambda: self._connection is None or not self._outbox.busy, timeout_s)
            self._closing.set()
            if self._connection is not None:
                self._connection.disconnect()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s + PUMP_S)

    @property
    def connected(self) -> bool:
        """Whether a publication would go out now."""
        return self._connection is not None

    def wait_connected(self, timeout_s: float) -> bool:
        """Whether a connection stands within ``timeout_s``."""
        with self._lock:
            return self._lock.wait_for(lambda: self._connection is not None, timeout_s)

    def on_connected(self, callback: Callable[[], None]) -> None:
        """Call after every connect, in the bus's thread: it must not wait; what it raises is logged."""
        self._callbacks.append(callback)

    @property
    def statistics(self) -> Statistics:
        """A copy of the counters."""
        with self._lock:
            return Statistics(
                connects=self._connects,
                published=self._outbox.published,
                acknowledged=self._outbox.acknowledged,
                refused=self._outbox.refused,
                lost=self._outbox.lost,
                received=self._inbox.received,
                waiting=len(self._inbox),
                stale_acknowledgements=self._stale,
                malformed=self._inbox.refusals.counts(),
            )

    # --- receiving ------------------------------------------------------------------------------------------
    def subscribe(self, stream: Stream, site: str | None = None, device: str = topics.ANY) -> None:
        """Take part in a stream, now and after every reconnect; ``site`` is the bus's own unless given.

        BusRefused when the broker says no; while offline a later refusal is raised by ``take``.
        """
        wanted = topics.topic_filter(stream, site or self._site or topics.ANY, device)
        with self._lock:
            self._subscriptions.want(wanted, stream.qos)
            if self._connection is None:
                return
            mid = self._ask_for(self._connection, wanted)
            if threading.current_thread() is not self._thread:
                self._lock.wait_for(lambda: not self._subscriptions.waits(mid), CONNACK_S)
            self._raise_refused(wanted)

    def take(self, max_count: int, timeout_s: float) -> list[Delivery]:
        """The next deliveries in order, at least one unless ``timeout_s`` passes first.

        Malformed ones are counted, acknowledged and left out. BusRefused when a subscription was refused.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            self._raise_refused()
            arrivals = self._inbox.take(max_count, max(0.0, deadline - time.monotonic()))
            deliveries = []
            for arrival in arrivals:
                delivery = self._inbox.open(arrival)
                if delivery is not None:
                    deliveries.append(delivery)
                else:
                    self._settle_debt(arrival.generation, arrival.packet.mid, arrival.serial)
            if deliveries or time.monotonic() >= deadline:
                return deliveries

    def acknowledge(self, deliveries: list[Delivery]) -> None:
        """Tell the broker that these are safe; those of an earlier connection come again anyway."""
        with self._lock:
            for delivery in deliveries:
                if delivery.mid:
                    self._settle_debt(delivery.generation, delivery.mid, delivery.serial)

    # --- publishing -----------------------------------------------------------------------------------------
    def publish(
        self,
        stream: Stream,
        message: Message | bytes,
        site: str | None = None,
        device: str | None = None,
        *,
        response_topic: str | None = None,
        correlation: bytes | None = None,
        timeout_s: float = 5.0,
        on_acknowledged: Callable[[Publication], None] | None = None,
    ) -> Publication:
        """Hand a message to the network and answer its publication, waiting for a place in the window.

        BusOffline when not connected (nothing is kept), BusBusy when no place came free, codec.Malformed when
        the contract forbids the message. Retained ones are remembered and published again after a reconnect.
        """
        place = self._place(stream, site)
        packet = packet_of(stream, message, place, device, response_topic, correlation)
        with self._lock:
            self._wait_for_window(timeout_s)
            return self._outbox.send(packet, on_acknowledged)

    def announce(
        self, stream: Stream, message: Message | bytes, site: str | None = None, device: str | None = None
    ) -> None:
        """Make this the retained message of its topic, now or when next connected; the newest counts."""
        if not stream.retain:
            raise ValueError(f"`{stream.name}` is not retained: publish it")
        packet = packet_of(stream, message, self._place(stream, site), device)
        with self._lock:
            self._outbox.announce(packet)

    def reply(self, command: Delivery, message: Message, timeout_s: float = 5.0) -> Publication:
        """Answer a command on its response topic, with its correlation data.

        A response topic other than the reply stream of the commanded device is refused (topics.TopicError):
        nobody makes a gateway write elsewhere.
        """
        wanted = topics.topic(REPLY, command.site, command.device)
        if command.response_topic not in (None, wanted):
            raise topics.TopicError(f"response topic {str(command.response_topic)[:200]!r} is not {wanted!r}")
        return self.publish(REPLY, message, command.site, command.device,
                            correlation=command.correlation, timeout_s=timeout_s)  # fmt: skip

    # --- the bus's thread -----------------------------------------------------------------------------------
    def _run(self) -> None:
        attempt = 0
        while not self._closing.is_set():
            if not self._may_connect():
                self._closing.wait(PUMP_S)
                continue
            began = time.monotonic()
            try:
                self._serve()
            except Exception as error:  # (the thread outlives whatever a callback or a library raises)
                log.exception("bus: connection ended by an error")
                self._failed(f"{type(error).__name__}: {error}")
            attempt = 0 if time.monotonic() - began > STEADY_S else attempt + 1
            self._closing.wait(full_jitter(attempt))

    def _serve(self) -> None:
        """One connection from its beginning to its end."""
        self._generation += 1
        try:
            connection = Connection(
                self._endpoint, self._generation, self._receive, self._connack, self._in_flight
            )
        except OSError:  # of the files
            self._refused("own_unreadable")
            return
        try:
            connection.open()
        except OSError as error:
            self._unreachable(error)
            return
        try:
            self._pump(connection)
        finally:
            self._lose(connection)

    def _pump(self, connection: Connection) -> None:
        """Until the connection ends, or the broker keeps silent where it must not."""
        deadline = time.monotonic() + CONNACK_S
        alive = True
        while alive:
            roomy = self._inbox.wait_for_room(PAUSE_S)
            alive = connection.pump(PUMP_S) if roomy else connection.pump_out()
            self._digest(connection)
            if self.connected and not self._closing.is_set():
                deadline = time.monotonic() + CONNACK_S
            elif alive and time.monotonic() > deadline:
                self._failed(f"{self._endpoint.url} does not answer")
                return

    def _connack(self, connection: Connection) -> None:
        with self._lock:
            self._connection = connection
            self._outbox.connected(connection)
            self._owed.clear()

    def _digest(self, connection: Connection) -> None:
        """Handle what the broker told; callbacks run without the lock: they may wait for who holds it."""
        while connection.occurrences:
            occurrence = connection.occurrences.popleft()
            with self._lock:
                callbacks = self._handlers[occurrence.kind](connection, occurrence)
                self._lock.notify_all()
            for callback in callbacks:
                self._guarded(callback)
        with self._lock:
            self._outbox.send_due()

    def _on_connack(self, connection: Connection, occurrence: Occurrence) -> list[Callable[[], None]]:
        if occurrence.reasons[0].is_failure:
            self._failed(f"{self._endpoint.url} refuses {self._who()}: {occurrence.reasons[0]}")
            return []
        self._connects += 1
        self.last_error = self.refusal = None
        log.info("bus connected", url=self._endpoint.url, session_present=connection.session_present)
        self._ask_for(connection)
        return list(self._callbacks)

    def _on_puback(self, _connection: Connection, occurrence: Occurrence) -> list[Callable[[], None]]:
        callback = self._outbox.answered(occurrence.mid, occurrence.reasons[0])
        return [] if callback is None else [callback]

    def _on_suback(self, _connection: Connection, occurrence: Occurrence) -> list[Callable[[], None]]:
        self._subscriptions.answered(occurrence.mid, occurrence.reasons)
        return []

    def _on_disconnect(self, connection: Connection, occurrence: Occurrence) -> list[Callable[[], None]]:
        if self._closing.is_set():
            return []
        if not connection.is_answered and self._endpoint.is_secure:  # hung up instead of an answer
            trouble, certificate = connection.trouble, self._endpoint.certificate
            kind = refusals.kind_of(trouble, certificate, is_secure=True) if trouble else None
            self._refused(kind or refusals.hung_up(certificate))
        elif self.last_error is None:
            self._failed(f"{self._endpoint.url} ended the connection: {occurrence.reasons[0]}")
        return []

    def _receive(self, connection: Connection, packet: MQTTMessage) -> None:
        with self._lock:
            self._serial += 1
            if packet.qos:
                self._owed[packet.mid] = self._serial
        if not self._inbox.put(packet, connection.generation, self._serial):
            self._settle_debt(connection.generation, packet.mid, self._serial)

    def _lose(self, connection: Connection) -> None:
        connection.drop()
        with self._lock:
            lost = self._outbox.disconnected()
            if self._connection is connection:
                self._connection = None
                log.info("bus disconnected", url=self._endpoint.url, unanswered=len(lost))
            self._owed.clear()
            self._subscriptions.disconnected()
            self._inbox.clear()
            self._lock.notify_all()
        for publication in lost:
            publication.settle("lost", "the connection ended before the broker's answer")

    def _unreachable(self, error: OSError) -> None:
        endpoint = self._endpoint
        kind = refusals.kind_of(error, endpoint.certificate, is_secure=endpoint.is_secure)
        if kind is None:
            self.refusal = None
            self._failed(f"cannot reach {endpoint.url}: {error.strerror or error}")
        else:
            self._refused(kind)

    def _refused(self, kind: refusals.Kind) -> None:
        """One of us does not take the other's certificate."""
        self._failed(f"{self._endpoint.url}: {refusals.SAID[kind]}")
        self.refusal = kind

    def _failed(self, why: str) -> None:
        """Remember, and say it once until it changes or a connection stands."""
        if why != self.last_error:
            log.error("bus: not connected, trying again", why=why)
        self.last_error = why

    def _guarded(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:  # (a callback's error is its own, the thread goes on)
            log.exception("bus: a callback raised")

    # --- with the lock held ---------------------------------------------------------------------------------
    def _wait_for_window(self, timeout_s: float) -> None:
        if not self._outbox.roomy and threading.current_thread() is not self._thread:
            self._lock.wait_for(lambda: self._outbox.roomy, timeout_s)
        if self._connection is None:
            raise BusOffline(self.last_error or f"not connected to {self._endpoint.url}")
        if not self._outbox.roomy:
            raise BusBusy(f"{self._outbox.unanswered} publications wait for {self._endpoint.url}'s answer")

    def _ask_for(self, connection: Connection, *filters: str) -> int:
        try:
            return self._subscriptions.ask(connection, *filters)
        except OSError as error:
            raise BusOffline(str(error)) from error

    def _settle_debt(self, generation: int, mid: int, serial: int) -> None:
        """Acknowledge packet ``mid`` if it is still the message of ``serial`` that the broker waits for."""
        with self._lock:
            connection = self._connection
            if connection is None or connection.generation != generation or self._owed.get(mid) != serial:
                self._stale += 1
                return
            del self._owed[mid]
            connection.acknowledge(mid)

    # --- small things ---------------------------------------------------------------------------------------
    def _place(self, stream: Stream, site: str | None) -> str:
        place = site or self._site
        if place is None:
            raise ValueError(f"`{stream.name}`: this bus has no site of its own, so every message names one")
        return place

    def _raise_refused(self, *filters: str) -> None:
        if (refusal := self._subscriptions.refusal(*filters)) is not None:
            raise BusRefused(f"{self._who()} may not subscribe to {refusal[0]}: {refusal[1]}")

    def _who(self) -> str:
        return f"user {self._endpoint.username}" if self._endpoint.username else self._endpoint.client_id
