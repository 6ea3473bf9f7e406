"""Who may do what on the broker: Mosquitto's access list, one rule a stream, site and device.

Write rules spell out site and device: no wildcard may ever let one bed speak for another. Read rules of the
roles that watch every site use `+`. Whatever is not listed is denied, to everybody. A user is the name in a
client's certificate, or who gave that name's password.

Mosquitto grants every subscription and judges each message by the list when it is to be delivered: who
subscribes to `#` hears what the list names and nothing else, and nothing of `$SYS/#`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from broker import topics
from broker.contract import STREAMS, Role, Stream

BRIDGE: Final = "bridge"  # a clinic's broker at the centre: what all gateways of its site may, and no more
UserRole = Role | Literal["bridge"]
_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")

HEADER = """\
# Generated from broker/contract.py: what each user may publish (write) and receive (read).
# Everything not listed here is denied. Write rules name site and device; they hold no wildcard.
"""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may connect, in one role.

    A gateway has a site, its own name and its devices; a bridge has a site. The others may be bound to one
    site; without one they serve every site there is.
    """

    role: UserRole
    username: str
    password: str = field(default="", repr=False)
    site: str | None = None
    gateway: str | None = None
    devices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.role not in (*get_args(Role), BRIDGE):
            raise ValueError(f"user {self.username!r}: no role {self.role!r} in the contract")
        if not _USERNAME.fullmatch(self.username):
            raise ValueError(
                f"username {self.username!r}: letters, digits, dot, dash, underscore, @; at most 64"
            )
        if self.role == "gateway" and not (self.site and self.gateway):
            raise ValueError(f"gateway user {self.username!r} needs its site and its name")
        if self.role == BRIDGE and not self.site:
            raise ValueError(f"bridge user {self.username!r} needs its site")
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
            ("read", topic) for topic in reads(user, users)
        ]
        rules.sort(key=lambda rule: -_rate_hz(rule[1]))
        lines = [f"topic {access} {topic}" for access, topic in rules]
        sections.append("\n".join([f"user {user.username}", *lines, ""]))
    return "\n".join(sections)


def writes(user: User, users: Sequence[User]) -> list[str]:
    """The topics this user may publish to, each spelled out."""
    role = _speaks_as(user)
    found = [
        topic
        for stream in STREAMS.values()
        if role in stream.producers
        for gateway in _gateways(user, users)
        for topic in _places(stream, gateway)
    ]
    return list(dict.fromkeys(found))  # gateways of one site share its clinic streams


def reads(user: User, users: Sequence[User] = ()) -> list[str]:
    """The topic filters this user may receive; a bridge's are those of its site's gateways."""
    streams = [stream for stream in STREAMS.values() if _speaks_as(user) in stream.consumers]
    if user.role in ("gateway", BRIDGE):
        places = [
            topic for stream in streams for one in _gateways(user, users) for topic in _places(stream, one)
        ]
        return list(dict.fromkeys(places))
    return [topics.topic_filter(stream, user.site or topics.ANY) for stream in streams]


def bridge_name(site: str) -> str:
    """Who a clinic's broker is at the centre."""
    return f"bridge-{site}"


def _speaks_as(user: User) -> str:
    return "gateway" if user.role == BRIDGE else user.role


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
