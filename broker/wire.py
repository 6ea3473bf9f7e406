"""One connection to the broker over paho-mqtt, used once and thrown away.

A new client for every connection carries nothing over: paho keeps unacknowledged publications in memory and
sends all of them again after a reconnect, past every window; here the caller's spool decides what goes again.
Only the thread that pumps touches the socket; other threads queue packets and wake it.
"""

import functools
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

PORTS = {"mqtt": 1883, "mqtts": 8883}
CONNECT_TIMEOUT_S = 5.0
MAX_PACKET_BYTES = (
    16_777_216  # the broker drops what is larger instead of sending it; bounds a hostile message
)


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificates: the authority that signs the broker's, and our own with its key where the broker asks."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None

    def context(self) -> ssl.SSLContext:
        """A context that verifies the broker; OSError or ssl.SSLError when a file is missing or wrong."""
        context = ssl.create_default_context(cafile=self.ca)
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context


@dataclass(frozen=True, slots=True)
class Packet:
    """A PUBLISH that is ready to go."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    expiry_s: int | None = None
    response_topic: str | None = None
    correlation: bytes | None = None
    delay_s: int = 0  # of a will: how long the broker waits for us to come back

    def properties(self, kind: int = PacketTypes.PUBLISH) -> Properties:
        """The MQTT 5 properties, of a PUBLISH or of a will: not to be changed, others have the same."""
        return _properties_of(
            kind, self.expiry_s, self.response_topic, self.correlation, self.delay_s or None
        )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and as whom to connect."""

    url: str  # mqtt://host:port or mqtts://host:port; of a cluster mqtt://host:port,host:port
    client_id: str
    username: str | None = None
    password: str | None = None
    session_expiry_s: int = 0  # 0: the broker forgets us when the connection ends
    receive_maximum: int = 400
    keepalive_s: int = 15
    will: Packet | None = None
    tls: Tls | None = None

    @property
    def is_secure(self) -> bool:
        """Whether it is TLS."""
        return self.url.startswith("mqtts:")

    @property
    def certificate(self) -> str | None:
        """The file of our own."""
        return self.tls.certificate if self.tls else None

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Host and port of the broker, or of each node of a cluster; ValueError for what is no such URL."""
        scheme, _, hosts = self.url.partition("://")
        parts = [urlsplit(f"//{host}") for host in hosts.rstrip("/").split(",")]
        if scheme not in PORTS or not all(part.hostname and not part.path for part in parts):
            raise ValueError(
                f"{self.url!r} is no broker address: mqtt://host:port or mqtts://host:port; of a cluster "
                "mqtt://host:port,host:port"
            )
        return tuple((part.hostname or "", part.port or PORTS[scheme]) for part in parts)

    @property
    def address(self) -> tuple[str, int]:
        """The first of them; ValueError as above."""
        return self.addresses[0]


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something the broker told: CONNACK, PUBACK, SUBACK or DISCONNECT, to be handled after the pump."""

    kind: str
    reasons: tuple[ReasonCode, ...]
    mid: int = 0


class NotingClient(Client):
    """paho's client, which forgets why a reading failed; this one remembers."""

    trouble: OSError | None = None

    def _sock_recv(self, bufsize: int) -> bytes:
        try:
            return super()._sock_recv(bufsize)
        except BlockingIOError:
            raise
        except OSError as error:
            self.trouble = error
            raise


class Connection:
    """A connection from CONNECT to its end. ``pump`` and ``open`` belong to one thread, the rest to any."""

    client_class: type[Client] = NotingClient

    def __init__(
        self,
        endpoint: Endpoint,
        generation: int,
        on_message: Callable[["Connection", MQTTMessage], None],
        on_connack: Callable[["Connection"], None],
        in_flight: int,
    ) -> None:
        self.generation = generation
        self.window = in_flight
        self.session_present = False
        self.is_answered = False  # the broker has welcomed or refused us, with its reason
        self.occurrences: deque[Occurrence] = deque()
        self._endpoint = endpoint
        self._on_message = on_message
        self._on_connack = on_connack
        self._client = self._build()

    def open(self) -> None:
        """Connect the socket and send CONNECT; OSError when nobody answers there or TLS fails."""
        endpoint, addresses = self._endpoint, self._endpoint.addresses
        properties = _properties(PacketTypes.CONNECT)
        properties.ReceiveMaximum = endpoint.receive_maximum
        properties.MaximumPacketSize = MAX_PACKET_BYTES
        properties.SessionExpiryInterval = endpoint.session_expiry_s
        self._client.connect(
            *addresses[(self.generation - 1) % len(addresses)],  # in turn: a node may be gone for long
            keepalive=endpoint.keepalive_s,
            clean_start=endpoint.session_expiry_s == 0,
            properties=properties,
        )

    def pump(self, timeout_s: float) -> bool:
        """Read and write what can be read and written, waiting at most so long; False when it is over."""
        return self._client.loop(timeout_s) == MQTTErrorCode.MQTT_ERR_SUCCESS

    def pump_out(self) -> bool:
        """Write what waits and keep alive, but read nothing; False when it is over."""
        codes = (self._client.loop_write(), self._client.loop_misc())
        return all(code == MQTTErrorCode.MQTT_ERR_SUCCESS for code in codes)

    def send(self, packet: Packet) -> int:
        """Queue a PUBLISH, answer its packet id; OSError when paho does not take it."""
        info = self._client.publish(
            packet.topic, packet.payload, packet.qos, retain=packet.retain, properties=packet.properties()
        )
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise OSError(f"not sent: {info.rc.name}")
        return info.mid

    def subscribe(self, filters: Sequence[tuple[str, int]]) -> int:
        """Queue a SUBSCRIBE, answer its packet id; OSError when paho does not take it."""
        wanted = [(text, SubscribeOptions(qos=qos)) for text, qos in filters]
        code, mid = self._client.subscribe(wanted)
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise OSError(f"not sent: {code.name}")
        return mid

    def acknowledge(self, mid: int) -> None:
        """Queue the PUBACK of a QoS 1 message of this connection."""
        self._client.ack(mid, 1)

    @property
    def trouble(self) -> OSError | None:
        """Why a reading failed, where that was an error and no end."""
        return getattr(self._client, "trouble", None)

    def disconnect(self) -> None:
        """Queue a DISCONNECT: the broker forgets the will, and the pump ends."""
        self._client.disconnect()

    def drop(self) -> None:
        """Close every socket that is still open: whatever the other side thinks, this is over."""
        self._client._reset_sockets()  # noqa: SLF001  (paho leaves its wake-up pair to the garbage collector)

    def _build(self) -> Client:
        endpoint = self._endpoint
        client = self.client_class(
            CallbackAPIVersion.VERSION2,
            client_id=endpoint.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(self.window)
        client.username_pw_set(endpoint.username, endpoint.password)
        if endpoint.is_secure:
            client.tls_set_context((endpoint.tls or Tls()).context())
        if endpoint.will is not None:
            will = endpoint.will
            properties = will.properties(PacketTypes.WILLMESSAGE)
            client.will_set(will.topic, will.payload, will.qos, retain=will.retain, properties=properties)
        client.on_connect = self._connected
        client.on_publish = lambda _client, _data, mid, reason, _properties: self._note(
            "PUBACK", (reason,), mid
        )
        client.on_subscribe = lambda _client, _data, mid, reasons, _properties: self._note(
            "SUBACK", tuple(reasons), mid
        )
        client.on_disconnect = lambda _client, _data, _flags, reason, _properties: self._note(
            "DISCONNECT", (reason,)
        )
        client.on_message = lambda _client, _data, message: self._on_message(self, message)
        client.on_socket_open = _send_at_once
        client.on_socket_register_write = _leave_writing_to_the_pump
        return client

    def _connected(
        self, _client: Client, _data: Any, flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        """Before any message of the resumed session: what arrives must be acknowledgeable."""
        self.session_present, self.is_answered = flags.session_present, True
        self.window = min(self.window, getattr(properties, "ReceiveMaximum", self.window))
        if not reason.is_failure:
            self._on_connack(self)
        self._note("CONNACK", (reason,))

    def _note(self, kind: str, reasons: tuple[ReasonCode, ...], mid: int = 0) -> None:
        self.occurrences.append(Occurrence(kind, reasons, mid))


def _send_at_once(_client: Client, _data: Any, connection: Any) -> None:
    """Without this small messages wait up to 40 ms for the answer to the one before."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _properties(kind: int) -> Properties:
    return Properties(kind)  # type: ignore[no-untyped-call]  # paho leaves its constructor untyped


@functools.lru_cache(maxsize=256)
def _properties_of(
    kind: int,
    expiry_s: int | None,
    response_topic: str | None,
    correlation: bytes | None,
    delay_s: int | None,
) -> Properties:
    """Kept, and packed once, because paho takes longer for either than to send the packet."""
    values = {
        "ContentType": "application/json",
        "PayloadFormatIndicator": 1,
        "MessageExpiryInterval": expiry_s,
        "ResponseTopic": response_topic,
        "CorrelationData": correlation,
        "WillDelayInterval": delay_s,
    }
    properties = _properties(kind)
    for name, value in values.items():
        if value is not None:
            setattr(properties, name, value)
    packed = properties.pack()  # type: ignore[no-untyped-call]  # paho leaves it untyped
    object.__setattr__(properties, "pack", lambda: packed)
    return properties


def _leave_writing_to_the_pump(*_: object) -> None:
    """With this callback set paho does not write from the thread that publishes: two writers tear packets."""
