"""What a server, or each node of a cluster, says of itself: does it keep what it takes, and its memory."""

from dataclasses import dataclass
from typing import Any, Literal

import redis

from services.telemetry.cluster import Cluster
from services.telemetry.errors import NotDurable

Flush = Literal["always", "waitaof"]


@dataclass(frozen=True, slots=True)
class Server:
    """What the server says of itself: how a write is known to be on disk, and its memory in bytes."""

    flush: Flush
    used_bytes: int
    limit_bytes: int  # 0: none


def memory_of(client: Any) -> tuple[int, int]:
    """(used, limit) in bytes, of a cluster's fullest node; limit 0: none is set."""
    nodes = client.primaries() if isinstance(client, Cluster) else [client]
    found = [node.info("memory") for node in nodes]
    every = [(int(info["used_memory"]), int(info.get("maxmemory", 0))) for info in found]
    return max(every, key=lambda one: (one[0] / one[1] if one[1] else 0.0, one[0]))


def examine(client: Any) -> Server:
    """Of a cluster the most careful way to flush counts, and the fullest node. Raises NotDurable."""
    if isinstance(client, Cluster):
        client.look()
    nodes = client.primaries() if isinstance(client, Cluster) else [client]
    ways = {_examine_one(node, named=len(nodes) > 1) for node in nodes}
    return Server("waitaof" if "waitaof" in ways else "always", *memory_of(client))


def _examine_one(node: Any, *, named: bool) -> Flush:
    """How a node is known to have flushed. Raises NotDurable, of several with its name."""
    try:
        return _examine_node(node)
    except NotDurable as error:
        where = node.connection_pool.connection_kwargs
        prefix = f"node {where['host']}:{where['port']}: " if named else ""
        raise NotDurable(f"{prefix}{error.message}") from None


def _examine_node(client: Any) -> Flush:
    info = client.info("persistence") | client.info("memory")
    if not info.get("aof_enabled"):
        raise NotDurable(
            "Redis keeps no append-only file: set `appendonly yes`, or what it takes dies with it"
        )
    limit, policy = int(info.get("maxmemory", 0)), str(info.get("maxmemory_policy", "noeviction"))
    if limit and policy != "noeviction":
        raise NotDurable(f"Redis may evict what it keeps: set `maxmemory-policy noeviction`, it is {policy}")
    return _flush_of(client)


def _flush_of(client: Any) -> Flush:
    """How a write is known to be on disk: by the server's own promise, or by asking it."""
    try:
        found = client.config_get("*appendfsync*")
    except redis.ResponseError:
        found = {}  # a hosted server hides its configuration; WAITAOF tells all the same
    policy = str(found.get("appendfsync", "unknown"))
    if found.get("no-appendfsync-on-rewrite") == "yes":  # then `always` and `everysec` pause, too
        raise NotDurable(
            "Redis flushes nothing while it rewrites its append-only file: set `no-appendfsync-on-rewrite no`"
        )
    if policy == "always":
        return "always"
    if policy == "no":
        raise NotDurable(
            "Redis leaves flushing to the operating system: set `appendfsync always` or `everysec`"
        )
    try:
        client.waitaof(0, 0, 1)
    except redis.ResponseError:
        raise NotDurable(
            f"Redis has `appendfsync {policy}` and no WAITAOF (since 7.2): set `appendfsync always`"
        ) from None
    return "waitaof"
