"""The port of a consumer of very many messages: one QoS 1 session a site, raw packets, acknowledged in bulk.

    receiver = Receiver("mqtt://127.0.0.1:1883", "telemetry", streams, session_expiry_s=604800)
    receiver.start()
    receiver.open("north")
    while running:
        packets = receiver.take(500, timeout_s=0.2)
        store.commit(packets)               # the effect is durable ...
        receiver.acknowledge(packets)       # ... and only now the broker may forget them

The broker keeps what a session misses while nobody has it open. Whoever opens it elsewhere takes it over:
this receiver's acknowledgements then go nowhere. Payloads are not looked at here, only topics and sizes.
"""

import contextlib
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from broker import topics
from broker.backoff import full_jitter
from broker.block_connection import BlockConnection
from broker.contract import Stream
from broker.gathering import Gathering
from broker.inbox import Refusals
from broker.links import Link, Packet, Session
from broker.splitter import DUPLICATE, QOS, RETAIN, Publication
from broker.wire import Endpoint, Occurrence, Tls

log = structlog.get_logger(__name__)

CONNACK_S: Final = 5.0
STEADY_S: Final = 10.0  # a connection that lasted so long makes the next failure a first one
TAKEN_OVER_S: Final = 5.0  # who took a session over is to keep it: longer than any lease
WAKE_S: Final = 0.5
READ_BELL: Final = 4096
_TAKEN_OVER: Final = 0x8E  # MQTT 5.0, 3.14.2.1
ADDRESSES: Final = 65_536  # topics kept parsed


class Receiver:
    """All sessions of a process and their one thread; every method may be called from any thread."""

    def __init__(
        self,
        url: str,
        client_id: str,
        streams: Sequence[Stream],
        *,
        once: Sequence[Stream] = (),
        username: str | None = None,
        password: str | None = None,
        session_expiry_s: int = 0,
        receive_maximum: int = 1100,
        keepalive_s: int = 15,
        tls: Tls | None = None,
        gather_s: float = 0.0,
    ) -> None:
        """Of ``once`` only what the broker kept is wanted, at each connect anew: retained messages.

        With ``gather_s`` messages are let come together for so long, as far as that delays no broker
        (``gathering.py``).
        """
        self._endpoint = Endpoint(
            url=url, client_id=client_id, username=username, password=password, tls=tls,
            session_expiry_s=session_expiry_s, receive_maximum=receive_maximum, keepalive_s=keepalive_s,
        )  # fmt: skip
        _ = self._endpoint.address  # a wrong address is the caller's error, now
        self._streams, self._once = tuple(streams), tuple(once)
        windowed = any(stream.qos for stream in self._streams)
        self._gathering = Gathering(gather_s, receive_maximum if windowed else None)
        self._capacity = 2 * receive_maximum  # a session: Mosquitto 2.0.11 sends more than was agreed to
        self._sessions: dict[str, Session] = {}
        self._left: list[Session] = []  # closed, their connections not yet
        self._waiting: deque[Packet] = deque()
        self._changed = threading.Condition(threading.RLock())
        self._addresses: dict[bytes, topics.Address] = {}
        self._closing = threading.Event()
        self._bell, self._ear = socket.socketpair()
        self._bell.settimeout(0)
        self._thread = threading.Thread(target=self._run, name=f"receive-{client_id}", daemon=True)
        self._generation = 0
        self.refusals = Refusals()
        self.received = 0
        self.stale_acknowledgements = 0

    # --- life -----------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Connect in the background whatever is opened; returns at once."""
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """End every session's connection; the broker keeps the sessions."""
        self._closing.set()
        self._wake()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self._bell.close()
        self._ear.close()

    def open(self, site: str) -> None:
        """Take a site's messages from now on (``+``: every site's, in one session); again is no change."""
        with self._changed:
            if site not in self._sessions:
                self._sessions[site] = Session(site, self._endpoint_of(site))
        self._wake()

    def close(self, site: str) -> None:
        """Leave a site to others; what is not acknowledged comes again to whoever opens it next."""
        with self._changed:
            session = self._sessions.pop(site, None)
            if session is not None:
                self._left.append(session)
                self._forget(session)
        self._wake()

    @property
    def sites(self) -> list[str]:
        """What is open."""
        return list(self._sessions)

    @property
    def connected(self) -> bool:
        """Whether every open session has its connection."""
        return all(session.link and session.link.standing for session in list(self._sessions.values()))

    @property
    def last_error(self) -> str | None:
        """Why a session is not connected; None when all are."""
        return next((session.error for session in list(self._sessions.values()) if session.error), None)

    # --- consumers ------------------------------------------------------------------------------------------
    def take(self, max_count: int, timeout_s: float) -> list[Packet]:
        """The next packets in order, at least one unless ``timeout_s`` passes first."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing.is_set(), timeout_s)
            waiting = self._waiting
            was_full = len(waiting) >= self._capacity
            taken = [waiting.popleft() for _ in range(min(max_count, len(waiting)))]
        if was_full:
            self._wake()
        return taken

    def acknowledge(self, packets: Iterable[Packet]) -> None:
        """Tell the broker that these are safe; those of an earlier connection come again anyway."""
        with self._changed:
            for packet in packets:
                link, mid = packet.link, packet.mid
                if not mid:
                    continue
                if link.owed.get(mid) is packet:
                    del link.owed[mid]
                    link.acknowledged.append(mid)
                else:
                    self.stale_acknowledgements += 1
        self._wake()

    # --- the thread -----------------------------------------------------------------------------------------
    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                brought = self._turn()
                pause_s = self._gathering.pause_s(brought, time.monotonic()) if self.connected else 0.0
                if pause_s:
                    self._closing.wait(pause_s)
            except Exception:  # (the thread outlives whatever a library raises)
                log.exception("receiver: a turn failed")
                self._closing.wait(WAKE_S)
        for session in [*self._sessions.values(), *self._left]:
            self._part(session)

    def _turn(self) -> int:
        """Wait until a socket or a consumer wants something, and do it; how many messages came."""
        now = time.monotonic()
        while self._left:
            self._part(self._left.pop())
        for session in list(self._sessions.values()):
            if session.link is None and now >= session.due:
                self._connect(session)
        links = {
            link.connection.socket.fileno(): link
            for session in list(self._sessions.values())
            if (link := session.link) is not None and link.connection.socket is not None
        }
        ready = self._wait(links, now)
        readable = {descriptor for descriptor, event in ready if event & ~select.POLLOUT}
        received = self.received
        for descriptor, link in links.items():
            try:
                if descriptor in readable and not link.connection.read():
                    self._lose(link)
                self._tend(link)
            except Exception:  # (whatever a library raises: what was half read comes again)
                log.exception("receiver: a connection failed", site=link.session.site)
                self._lose(link)
        return self.received - received

    def _wait(self, links: dict[int, Link], now: float) -> list[tuple[int, int]]:
        poll = select.poll()
        poll.register(self._ear, select.POLLIN)
        roomy = len(self._waiting) < self._capacity
        for descriptor, link in links.items():
            wanted = (select.POLLIN if roomy else 0) | (select.POLLOUT if link.connection.wants_write else 0)
            poll.register(descriptor, wanted)
        due = [session.due - now for session in list(self._sessions.values()) if session.link is None]
        ready = poll.poll(1000 * max(0.0, min([WAKE_S, *due])))
        if any(descriptor == self._ear.fileno() for descriptor, _ in ready):
            self._ear.recv(READ_BELL)
        return ready

    def _tend(self, link: Link) -> None:
        """Everything but reading: what the broker told, what waits to go out, the keep-alive."""
        if link.session.link is not link:
            return
        with self._changed:
            mids, link.acknowledged = link.acknowledged, []
        if mids:
            link.connection.acknowledge_all(mids)
        while link.connection.occurrences:
            occurrence = link.connection.occurrences.popleft()
            _HANDLERS[occurrence.kind](self, link, occurrence)
        silent = not link.standing and time.monotonic() - link.began > CONNACK_S
        if silent:
            link.session.error = f"{self._endpoint.url} does not answer"
        if silent or not link.connection.pump_out():
            self._lose(link)

    def _connect(self, session: Session) -> None:
        self._generation += 1
        link: Link

        def publications(found: list[Publication]) -> None:
            self._receive(link, found)

        try:
            connection = BlockConnection(session.endpoint, self._generation, publications, lambda _it: None)
        except OSError as error:  # of the files of certificates: the other sites are read on
            why = error.strerror or error
            session.error = f"our certificate, its key or the authority cannot be used: {why}"
            self._again(session, session.attempt + 1)
            return
        link = session.link = Link(session, connection)
        try:
            connection.open()
        except OSError as error:
            session.error = f"cannot reach {self._endpoint.url}: {error.strerror or error}"
            self._lose(link)

    def _receive(self, link: Link, found: list[Publication]) -> None:
        """Keep what the contract knows and its size allows; the rest is counted and acknowledged."""
        packets, refused = [], []
        for topic, mid, head, payload in found:
            address = self._addresses.get(topic)
            if address is None or not 0 < len(payload) <= address.stream.max_bytes:
                address = self._admitted(topic, len(payload))
            if address is None:
                refused.append(mid)
                continue
            packet = Packet(address, payload, bool(head & RETAIN), bool(head & DUPLICATE), link, mid)
            if head & QOS:
                link.owed[mid] = packet
            packets.append(packet)
        self.received += len(found)
        with self._changed:
            link.acknowledged += filter(None, refused)
            if self._sessions.get(link.session.site) is link.session:  # else it was closed as this came
                self._waiting += packets
            self._changed.notify_all()

    def _admitted(self, topic: bytes, size: int) -> topics.Address | None:
        try:
            text = topic.decode()
        except UnicodeDecodeError:
            text = None
        address = self.refusals.admit(text, size)
        if address is not None:
            if len(self._addresses) >= ADDRESSES:
                self._addresses.clear()
            self._addresses[topic] = address
        return address

    # --- what the broker tells ------------------------------------------------------------------------------
    def _on_connack(self, link: Link, occurrence: Occurrence) -> None:
        session = link.session
        if occurrence.reasons[0].is_failure:
            session.error = f"{self._endpoint.url} refuses {self._who(session)}: {occurrence.reasons[0]}"
            return
        session.error = None
        if link.connection.socket is None:
            return  # lost in the same breath
        log.info("site opened", site=session.site, session_present=link.connection.session_present)
        wanted = [(topics.topic_filter(stream, session.site), stream.qos) for stream in self._filters]
        link.connection.subscribe(wanted)

    def _on_suback(self, link: Link, occurrence: Occurrence) -> None:
        session = link.session
        for stream, reason in zip(self._filters, occurrence.reasons, strict=False):
            if reason.is_failure:
                wanted = topics.topic_filter(stream, session.site)
                session.error = f"{self._who(session)} may not subscribe to {wanted}: {reason}"
                session.due = time.monotonic() + TAKEN_OVER_S
                self._lose(link)
                return
        link.standing = True
        if self._once:
            filters = [topics.topic_filter(stream, session.site) for stream in self._once]
            link.connection.unsubscribe(filters)

    def _on_disconnect(self, link: Link, occurrence: Occurrence) -> None:
        session = link.session
        if occurrence.reasons[0].value == _TAKEN_OVER:
            session.error = f"another worker has opened site {session.site}"
            session.due = time.monotonic() + TAKEN_OVER_S
        elif session.error is None:
            session.error = f"{self._endpoint.url} ended the connection: {occurrence.reasons[0]}"

    def _on_puback(self, _link: Link, _occurrence: Occurrence) -> None:
        """Nothing is published here."""

    # --- ends -----------------------------------------------------------------------------------------------
    def _lose(self, link: Link) -> None:
        """This connection is over: what came on it and is not taken yet comes again."""
        session = link.session
        link.connection.drop()
        if session.link is not link:
            return
        while link.connection.occurrences:
            occurrence = link.connection.occurrences.popleft()
            if occurrence.kind != "SUBACK":
                _HANDLERS[occurrence.kind](self, link, occurrence)
        with self._changed:
            self._forget(session)
            session.link = None
        steady = link.standing and time.monotonic() - link.began > STEADY_S
        session.error = session.error or f"the connection to {self._endpoint.url} broke"
        self._again(session, 0 if steady else session.attempt + 1)

    def _again(self, session: Session, attempt: int) -> None:
        session.attempt = attempt
        session.due = max(session.due, time.monotonic() + full_jitter(session.attempt))
        log.warning("site is not connected, trying again", site=session.site, why=session.error)

    def _forget(self, session: Session) -> None:
        """Drop what waits of a session; with the lock held."""
        if session.link is not None:
            session.link.owed.clear()
        self._waiting = deque(packet for packet in self._waiting if packet.link.session is not session)

    def _part(self, session: Session) -> None:
        """An orderly end, as far as the broker listens."""
        link, session.link = session.link, None
        if link is None:
            return
        with self._changed:
            mids = link.acknowledged
        if mids:
            link.connection.acknowledge_all(mids)
        link.connection.disconnect()
        link.connection.pump_out()
        link.connection.drop()

    # --- small things ---------------------------------------------------------------------------------------
    @property
    def _filters(self) -> tuple[Stream, ...]:
        return self._streams + self._once

    def _endpoint_of(self, site: str) -> Endpoint:
        """Each site has a session of its own in the broker; all sites together have the bare name."""
        name = self._endpoint.client_id
        return replace(self._endpoint, client_id=name if site == topics.ANY else f"{name}-{site}")

    def _who(self, session: Session) -> str:
        name = self._endpoint.username
        return f"user {name}" if name else session.endpoint.client_id

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # (full: it is awake; closed: it is over)
            self._bell.send(b"!")


_HANDLERS: Final[dict[str, Callable[[Receiver, Link, Occurrence], None]]] = {
    "CONNACK": Receiver._on_connack,  # noqa: SLF001  (the table of this class's own methods)
    "SUBACK": Receiver._on_suback,  # noqa: SLF001  (the same)
    "PUBACK": Receiver._on_puback,  # noqa: SLF001  (the same)
    "DISCONNECT": Receiver._on_disconnect,  # noqa: SLF001  (the same)
}
