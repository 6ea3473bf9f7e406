"""What a receiver (``receive.py``) holds: sessions, the connections of each, and what came on them."""

import time
from typing import NamedTuple

from broker import topics
from broker.block_connection import BlockConnection
from broker.wire import Endpoint


class Packet(NamedTuple):
    """One message as it came; it keeps the broker waiting until it is acknowledged."""

    address: topics.Address
    payload: bytes
    retained: bool
    duplicate: bool  # the broker says it may have sent this before
    link: "Link"  # the connection it came on: only that one can acknowledge it
    mid: bytes  # packet id; empty for QoS 0


class Link:
    """One connection of one session, from CONNECT to its end."""

    def __init__(self, session: "Session", connection: BlockConnection) -> None:
        self.session = session
        self.connection = connection
        self.owed: dict[bytes, Packet] = {}  # what the broker waits to hear about
        self.acknowledged: list[bytes] = []  # packet ids whose PUBACK is not queued yet
        self.began = time.monotonic()
        self.standing = False  # once the broker has taken the subscriptions: from then on nothing is missed


class Session:
    """A site's session: at most one link at a time, tried again for as long as it is wanted."""

    def __init__(self, site: str, endpoint: Endpoint) -> None:
        self.site = site
        self.endpoint = endpoint
        self.link: Link | None = None
        self.attempt = 0
        self.due = 0.0  # when to connect next
        self.error: str | None = "not connected yet"
