"""Many writes into a Redis Cluster: grouped by node, sent to all at once, each seen on disk by its own node.

No transaction spans slots, and none is needed: nothing is acknowledged before every node has its part, and
the same batch may be written again, whole or in part. A node whose disk has not been heard of, its replicas'
included, has stored nothing for certain.
"""

import contextlib
import functools
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import redis

from services.telemetry import keys, resp
from services.telemetry.cluster import PAUSE_S, REDIRECTS, Address, Cluster, Layout, Primary, slot_of
from services.telemetry.errors import StoreUnavailable

FLUSH_TIMEOUT_MS: Final = 4000  # everysec flushes once a second; a disk slower than this is an outage
Meanwhile = Callable[[], bool] | None
_ASKING: Final = resp.pack("ASKING")
_END: Final = b"\r\n"
_MOVED, _ASK, _LATER = "MOVED ", "ASK ", "TRYAGAIN"


@dataclass(slots=True)
class _Part:
    """What one node is to do: which of the commands, and how it is known to be on disk there."""

    target: Primary
    is_asked: bool  # in the place of the node that has the slot
    wait: bytes
    indices: list[int] = field(default_factory=list)
    entries: int = 0

    def of(self, commands: Sequence[bytes]) -> Iterator[bytes]:
        """What is sent."""
        for index in self.indices:
            if self.is_asked:
                yield _ASKING
            yield commands[index]

    def index(self, place: int, refusal: resp.Refusal) -> int:
        """Which command a reply belongs to. Raises redis.ResponseError when it is none of them."""
        at = place // 2 if self.is_asked else place
        if at >= len(self.indices):
            raise redis.ResponseError(str(refusal))
        return self.indices[at]

    def require_flushed(self, waited: Sequence[int]) -> None:
        """Raises StoreUnavailable."""
        if not self.wait:
            return
        node, replicas = self.target.address, self.target.replicas
        within = f"within {FLUSH_TIMEOUT_MS} ms"
        if waited[0] < 1:
            raise StoreUnavailable(f"Redis {node} did not flush its append-only file {within}")
        if waited[1] < replicas:
            raise StoreUnavailable(
                f"Redis {node}: {waited[1]} of its {replicas} replicas have flushed {within}; each needs "
                "`appendonly yes`, or a promoted one would lack what was acknowledged"
            )


def write(
    cluster: Cluster,
    commands: Sequence[bytes],
    entries: int,
    *,
    waits: bool,
    meanwhile: Meanwhile = None,
) -> dict[int, resp.Refusal]:
    """Run packed commands, the first ``entries`` of them XADDs; those refused, by index.

    ``waits``: the nodes answer before they have flushed, and are asked. One that has replicas is asked in any
    case, and all of them must have flushed, too: one of them may take its place. Raises StoreUnavailable and
    what a broken connection raises: then nothing counts as stored.
    """
    refused: dict[int, resp.Refusal] = {}
    left: Mapping[int, str] = dict.fromkeys(range(len(commands)), "")
    for _ in range(REDIRECTS):
        parts = _parts(cluster, commands, left, waits=waits)
        for part in parts.values():
            part.entries = sum(index < entries for index in part.indices)
        found = _round(cluster, parts, commands, meanwhile)
        left = {index: str(refusal) for index, refusal in found.items() if _is_elsewhere(str(refusal))}
        refused |= {index: refusal for index, refusal in found.items() if index not in left}
        if not left:
            return refused
        if not all(why.startswith(_ASK) for why in left.values()):
            cluster.forget()
            time.sleep(PAUSE_S)
    raise StoreUnavailable(f"Redis Cluster moves slots to and fro: {next(iter(left.values()))}")


def _is_elsewhere(refusal: str) -> bool:
    return refusal.startswith((_MOVED, _ASK, _LATER))


def _parts(
    cluster: Cluster, commands: Sequence[bytes], left: Mapping[int, str], *, waits: bool
) -> dict[tuple[Address, bool], _Part]:
    """By node; what one was told to ask another for goes there, this once."""
    parts: dict[tuple[Address, bool], _Part] = {}
    layout = cluster.layout()
    for index, why in left.items():
        if why.startswith(_ASK):
            host, _, port = why.split()[2].rpartition(":")
            asked = Address(host, int(port))
            target = next((one for one in layout.primaries if one.address == asked), Primary(asked, 0))
        else:
            slot = slot_of(_key_of(commands[index]))
            target = layout.slots[slot] or cluster.primary(slot)
        where = target.address, why.startswith(_ASK)
        part = parts.get(where)
        if part is None:
            wait = resp.pack("WAITAOF", 1, target.replicas, FLUSH_TIMEOUT_MS)
            part = parts[where] = _Part(target, where[1], wait if waits or target.replicas else b"")
        part.indices.append(index)
    return parts


def _round(
    cluster: Cluster,
    parts: Mapping[tuple[Address, bool], _Part],
    commands: Sequence[bytes],
    meanwhile: Meanwhile,
) -> dict[int, resp.Refusal]:
    """Send to all nodes, then hear all; what was refused."""
    found: dict[int, resp.Refusal] = {}
    with contextlib.ExitStack() as stack:
        under_way = []
        for part in parts.values():
            address = part.target.address
            with cluster.going_wrong(address):
                connection = stack.enter_context(resp.lent(cluster.node(address).connection_pool))
                mine = [*part.of(commands), *_counter(cluster.layout(), address)]
                resp.send(connection, mine, part.wait)
            under_way.append((part, connection, len(mine)))
        for part, connection, size in under_way:
            with cluster.going_wrong(part.target.address):
                outcome = _heard(connection, size, part, meanwhile)
            part.require_flushed(outcome.waited)
            for place, refusal in outcome.refused.items():
                found[part.index(place, refusal)] = refusal
    return found


def _heard(connection: Any, size: int, part: _Part, meanwhile: Meanwhile) -> resp.Outcome:
    """Raises no Refusal: the other nodes' replies are under way, and their connections must be dropped."""
    try:
        return resp.hear(connection, size, part.entries, part.wait, meanwhile)
    except resp.Refusal as refusal:
        raise redis.ResponseError(str(refusal)) from None


def _counter(layout: Layout, address: Address) -> list[bytes]:
    """A write on each node, so that each has something to flush: also what an earlier process left there.

    A node that has no slots yet has none.
    """
    key = _counters(layout).get(address)
    return [] if key is None else [resp.pack("INCR", key)]


@functools.lru_cache(maxsize=8)
def _counters(layout: Layout) -> dict[Address, str]:
    """A key on each node."""
    found: dict[Address, str] = {}
    for number in itertools.count():
        if len(found) == len(layout.primaries):
            break
        key = f"{keys.BATCHES}:{number}"
        primary = layout.slots[slot_of(key.encode())]
        if primary is not None:
            found.setdefault(primary.address, key)
    return found


def _key_of(command: bytes) -> bytes:
    """The first key of a packed command."""
    _, _, name, _, key, _ = command.split(_END, 5)
    return command.split(_END, 9)[8] if name == b"EVAL" else key
