"""The names of everything in Redis, in one place.

All keys of a device carry it as their hash tag: in a Redis Cluster they have one slot and one transaction may
speak of them. The chain-wide ones below have a slot each, wherever that is. One server takes a batch, which
speaks of many devices, in one transaction; the nodes of a cluster each take their part (``spread.py``).
"""

from typing import Final
from uuid import UUID

from services.telemetry.models import Kind, Place, Source

DEVICES: Final = "devices"  # set of site/device
GATEWAYS: Final = "gateways"  # set of site/gateway
SESSIONS: Final = "sessions"  # sorted set of session ids by their start
HEARD: Final = "heard"  # hash site/device -> ms since the epoch when its newest block came in
BATCHES: Final = (
    "batches"  # counts them: each one writes, so that each one is flushed; of a node: `batches:N`
)


def stream(kind: Kind, source: Source) -> str:
    """Stream of a device and boot; an entry's id is ``{first}-1``, its fields n (count) and d (JSON)."""
    return f"{kind}:{{{source.place}}}:{source.boot}"


def late(kind: Kind, source: Source) -> str:
    """Stream of what came behind its successors, itself in order: the backlog after an outage."""
    return f"late:{kind}:{{{source.place}}}:{source.boot}"


def lanes(kind: Kind, source: Source) -> tuple[str, str]:
    """Both streams; what neither takes is in the hash of strays."""
    return stream(kind, source), late(kind, source)


def strays(kind: Kind, source: Source) -> str:
    """Hash ``first/count/checksum`` -> content of what neither stream takes, or differs from the stored."""
    return f"strays:{kind}:{{{source.place}}}:{source.boot}"


def cursor(source: Source) -> str:
    """Hash kind -> first number that is missing, a lower bound: what lies behind it is counted again."""
    return f"cursor:{{{source.place}}}:{source.boot}"


def archived(source: Source) -> str:
    """Hash kind -> number; what lies below is in the archive or a named gap, and trimmed here."""
    return f"archived:{{{source.place}}}:{source.boot}"


def gaps(source: Source) -> str:
    """Hash ``kind/first/after`` -> why these numbers will never come."""
    return f"gaps:{{{source.place}}}:{source.boot}"


def boots(place: Place) -> str:
    """Sorted set of a device's boots by first arrival."""
    return f"boots:{{{place}}}"


def order(place: Place) -> str:
    """The same with the boots that have left Redis: one that sends again is no newer for it."""
    return f"order:{{{place}}}"


def latest(place: Place) -> str:
    """Hash of a device's last retained messages: state, alarm."""
    return f"latest:{{{place}}}"


def gateway(place: Place) -> str:
    """Hash of a gateway's last birth and of its last end."""
    return f"gateway:{{{place}}}"


def session(session_id: UUID) -> str:
    """Hash of what is known of a session."""
    return f"session:{{{session_id}}}"
