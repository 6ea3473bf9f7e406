"""Who may do what on the broker: Mosquitto's access list, one rule a stream, site and device.

Write rules spell out site and device: no wildcard may ever let one bed speak for another. Read rules of the
roles that watch every site use `+`. Whatever is not listed is denied, to everybody.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

from broker import topics
from broker.contract import STREAMS, Role, Stream

_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")

HEADER = """\
# Generated from broker/contract.py: what each user may publish (write) and receive (read).
# Everything not listed here is denied. Write rules name site and device; they hold no wildcard.
"""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may connect, in one role.

    A gateway has a site, its own name and its devices. The others may be bound to one site; without one they
    serve every site there is.
    """

    role: Role
    username: str
    password: str = field(default="", repr=False)
    site: str | None = None
    gateway: str | None = None
    devices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.role not in get_args(Role):
            raise ValueError(f"user {self.username!r}: no role {self.role!r} in the contract")
        if not _USERNAME.fullmatch(self.username):
            raise ValueError(
                f"username {self.username!r}: letters, digits, dot, dash, underscore, @; at most 64"
            )
        if self.role == "gateway" and not (self.site and self.gateway):
            raise ValueError(f"gateway user {self.username!r} needs its site and its name")
        for what, name in (
            ("site", self.site),
            ("gateway", self.gateway),
            *(("device", d) for d in self.devices),
        ):
            if name is not None:
                topics.check_name(what, name)


def acl_for(users: Sequence[User]) -> str:
    """Mosquitto's access list for these users; the gateways among them say which sites and devices exist.

    A user's rules for the streams with the most messages come first: Mosquitto walks the list from its
    beginning at every message, and telemetry's has a line for each bed of the chain.
    """
    sections = [HEADER]
    for user in users:
        rules = [("write", topic) for topic in writes(user, users)] + [
            ("read", topic) for topic in reads(user)
        ]
        rules.sort(key=lambda rule: -_rate_hz(rule[1]))
        lines = [f"topic {access} {topic}" for access, topic in rules]
        sections.append("\n".join([f"user {user.username}", *lines, ""]))
    return "\n".join(sections)


def writes(user: User, users: Sequence[User]) -> list[str]:
    """The topics this user may publish to, each spelled out."""
    found = [
        topic
        for stream in STREAMS.values()
        if user.role in stream.producers
        for gateway in _gateways(user, users)
        for topic in _places(stream, gateway)
    ]
    return list(dict.fromkeys(found))  # gateways of one site share its clinic streams


def reads(user: User) -> list[str]:
    """The topic filters this user may subscribe to and receive."""
    streams = [stream for stream in STREAMS.values() if user.role in stream.consumers]
    if user.role == "gateway":
        return [topic for stream in streams for topic in _places(stream, user)]
    return [topics.topic_filter(stream, user.site or topics.ANY) for stream in streams]


def _rate_hz(topic: str) -> float:
    return STREAMS[topic.rpartition("/")[2]].rate_hz


def _gateways(user: User, users: Sequence[User]) -> list[User]:
    """The gateways that exist within the user's reach: itself for a gateway."""
    if user.role == "gateway":
        return [user]
    return [other for other in users if other.role == "gateway" and user.site in (None, other.site)]


def _places(stream: Stream, gateway: User) -> list[str]:
    """The topics of one stream at one gateway: of each device, of itself, or of its site."""
    names: dict[str, tuple[str | None, ...]] = {
        "device": gateway.devices,
        "gateway": (gateway.gateway,),
        "clinic": (None,),
    }
    return [topics.topic(stream, gateway.site or "", name) for name in names[stream.scope]]
