"""Who may do what, as a RabbitMQ cluster is told it: definitions to be imported, from the same contract.

    python -m broker.rabbitmq USERS.json > definitions.json     # USERS.json: a list of what User takes

RabbitMQ judges a publication by its topic and a subscription by its filter, both by regular expressions on
the topic with dots for slashes. What a gateway or a bridge may write is spelled out, as for Mosquitto; of the
centre's own services the stream is. Whoever would subscribe to `#` is refused. What it cannot say: a retained
message is told only by the node that took it, so that nothing of ours relies on it (docs/operations.md).
"""

import base64
import hashlib
import json
import re
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from broker import topics
from broker.acl import BRIDGE, User, reads, writes
from broker.contract import STREAMS

VHOST: Final = "/"
EXCHANGE: Final = "amq.topic"
QUEUES: Final = r"^(mqtt-(subscription|will)-.*|amq\.topic)$"  # what a session is made of
_LEVEL: Final = r"[^.]+"
_NOTHING: Final = "^$"


def definitions(users: Sequence[User]) -> dict[str, Any]:
    """Users, permissions and topic permissions, as `load_definitions` takes them."""
    return {
        "vhosts": [{"name": VHOST}],
        "users": [_account(user) for user in users],
        "permissions": [
            {"user": user.username, "vhost": VHOST, "configure": QUEUES, "write": QUEUES, "read": QUEUES}
            for user in users
        ],
        "topic_permissions": [
            {
                "user": user.username, "vhost": VHOST, "exchange": EXCHANGE,
                "write": _any_of(_written(user, users)), "read": _any_of(_read(user, users)),
            }
            for user in users
        ],
    }  # fmt: skip


def hashed(password: str, salt: bytes | None = None) -> str:
    """A password as RabbitMQ keeps it: base64 of salt and SHA-256 of salt and password."""
    salt = secrets.token_bytes(4) if salt is None else salt
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _account(user: User) -> dict[str, Any]:
    """Without a password only a certificate of this name lets in."""
    password = hashed(user.password) if user.password else ""
    return {
        "name": user.username, "tags": [], "password_hash": password,
        "hashing_algorithm": "rabbit_password_hashing_sha256",
    }  # fmt: skip


def _written(user: User, users: Sequence[User]) -> list[str]:
    if user.role in ("gateway", BRIDGE):
        return writes(user, users)
    site = user.site or topics.ANY
    return [topics.topic_filter(one, site) for one in STREAMS.values() if user.role in one.producers]


def _read(user: User, users: Sequence[User]) -> list[str]:
    """A bridge subscribes with one filter a stream, for whatever beds its site has."""
    if user.role != BRIDGE:
        return reads(user, users)
    consumed = [stream for stream in STREAMS.values() if "gateway" in stream.consumers]
    return [topics.topic_filter(stream, user.site or "") for stream in consumed]


def _any_of(filters: Sequence[str]) -> str:
    """A `+` stands for one level of a topic, and for the `*` that it becomes in a subscription."""
    if not filters:
        return _NOTHING
    levels = (
        (_LEVEL if level == topics.ANY else re.escape(level) for level in one.split("/")) for one in filters
    )
    return "^(" + "|".join(r"\.".join(one) for one in levels) + ")$"


def main() -> None:
    """Definitions of the users in a file, on standard output."""
    rows = json.loads(Path(sys.argv[1]).read_text())
    users = [User(**{**row, "devices": tuple(row.get("devices", ()))}) for row in rows]
    sys.stdout.write(json.dumps(definitions(users), indent=2) + "\n")


if __name__ == "__main__":
    main()
