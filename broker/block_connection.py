"""A connection that reads in blocks: paho connects, subscribes and keeps alive, the splitter reads."""

import contextlib
import ssl
from collections.abc import Callable
from socket import socket
from typing import Any, cast

from paho.mqtt.client import Client
from paho.mqtt.enums import MessageType, MQTTErrorCode

from broker.splitter import MalformedStream, Publication, Splitter
from broker.wire import MAX_PACKET_BYTES, Connection, Endpoint

READ_BYTES = 262_144
_PUBACK = b"\x40\x02"  # fixed header of a PUBACK without a reason: success (MQTT 5.0, 3.4.2.1)


class BlockClient(Client):
    """paho's client with another way of reading: it is handed every packet but the PUBLISH ones."""

    on_publications: Callable[[list[Publication]], None]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._splitter = Splitter(MAX_PACKET_BYTES)
        self._for_paho = b""

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Read what is there, once. CONNACK and the like are handled before the messages behind them."""
        try:
            data = self._there()
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        except OSError:
            data = b""
        if not data:
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        try:
            publications, self._for_paho = self._splitter.feed(data)
        except MalformedStream:
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_PROTOCOL)
        while self._for_paho:
            code = super().loop_read(max_packets)
            if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return code
        if publications:
            self.on_publications(publications)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _there(self) -> bytes:
        """What has come by now: of TLS a call gives one record, which Mosquitto makes of each message."""
        data = super()._sock_recv(READ_BYTES)
        if not isinstance(self._sock, ssl.SSLSocket):
            return data
        parts, size = [data], len(data)
        with contextlib.suppress(BlockingIOError):
            while parts[-1] and size < READ_BYTES:
                parts.append(super()._sock_recv(READ_BYTES))
                size += len(parts[-1])
        return b"".join(parts)

    def queue(self, packets: bytes) -> None:
        """Whole packets that go out behind what is queued already."""
        self._packet_queue(MessageType.PUBACK, packets, 0, 0)

    def _sock_recv(self, bufsize: int) -> bytes:
        """What paho reads: the packets that the splitter left to it."""
        if not self._for_paho:
            raise BlockingIOError
        data, self._for_paho = self._for_paho[:bufsize], self._for_paho[bufsize:]
        return data


class BlockConnection(Connection):
    """A connection that belongs to one thread; the caller waits for its socket, reads and writes."""

    client_class = BlockClient

    def __init__(
        self,
        endpoint: Endpoint,
        generation: int,
        on_publications: Callable[[list[Publication]], None],
        on_connack: Callable[[Connection], None],
    ) -> None:
        super().__init__(endpoint, generation, lambda _connection, _message: None, on_connack, 1)
        self._blocks = cast("BlockClient", self._client)
        self._blocks.on_publications = on_publications

    @property
    def socket(self) -> "socket | None":
        """To wait for; None when the connection is over."""
        return cast("socket | None", self._blocks.socket())

    @property
    def wants_write(self) -> bool:
        """Whether anything waits to go out."""
        return self._blocks.want_write()

    def read(self) -> bool:
        """Take what is there; False when the connection is over."""
        alive = self._blocks.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
        while alive and getattr(self.socket, "pending", int)():  # TLS has decrypted more than was read
            alive = self._blocks.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
        return alive

    def acknowledge_all(self, mids: list[bytes]) -> None:
        """Queue the PUBACKs of these packet ids."""
        self._blocks.queue(_PUBACK + _PUBACK.join(mids))

    def unsubscribe(self, filters: list[str]) -> None:
        """Queue an UNSUBSCRIBE."""
        self._blocks.unsubscribe(filters)
