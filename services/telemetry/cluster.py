"""A Redis Cluster as one client: every command goes to the node that has its key's slot.

    client = Cluster("redis+cluster://:password@host:port,host:port")  # some of its nodes; rediss: TLS
    client.hgetall(key), client.pipeline(transaction=False)            # as redis.Redis
    client.primaries()                                                 # its nodes, one by one

Where slots lie is asked when it is first needed and again after whatever went wrong; MOVED, ASK and TRYAGAIN
are followed, an absent node is not waited for: whoever asked is told and tries again. For many threads.
Protocol: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
"""

import contextlib
import functools
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self
from urllib.parse import urlsplit

import redis
from redis.commands import CoreCommands
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, TryAgainError

SCHEMES: Final = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
PORT: Final = 6379
REDIRECTS: Final = 8  # followed for one command: a slot moves once
PAUSE_S: Final = 0.05  # while the keys of one command lie on two nodes
_REDIRECTED: Final = (AskError, TryAgainError)  # (MOVED is an ASK to redis-py)
_AWAY: Final = (redis.ConnectionError, redis.TimeoutError, ClusterDownError, OSError)
_OF_A_SERVER: Final = frozenset({"INFO", "PING", "CONFIG GET", "WAITAOF", "TIME", "DBSIZE"})

slot_of = functools.lru_cache(maxsize=100_000)(key_slot)


class Address(NamedTuple):
    """Of a node."""

    host: str
    port: int

    def __str__(self) -> str:
        """As people write it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Primary:
    """A node that takes writes, and how many others keep a copy of it."""

    address: Address
    replicas: int


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Who has which slot, as a node has told it once."""

    slots: Sequence[Primary | None]
    primaries: Sequence[Primary]


def is_cluster(url: str) -> bool:
    """Whether an address names a cluster."""
    return url.partition("://")[0] in SCHEMES


class Cluster(CoreCommands):
    """What redis.Redis is for one server. Raises ValueError when the URL is no cluster's."""

    _event_dispatcher: Any = None  # (redis-py's commands want one to be there)

    def __init__(self, url: str, **options: Any) -> None:
        scheme, _, rest = url.partition("://")
        rest, mark, query = rest.partition("?")
        user, at, hosts = rest.rpartition("@")
        self._head, self._tail = f"{SCHEMES[scheme]}://{user}{at}", f"{mark}{query}"
        self._options = options
        self._seeds = [_address(host) for host in hosts.rstrip("/").split(",")]
        self._lock = threading.Lock()
        self._clients: dict[Address, Any] = {}
        self._layout: Layout | None = None
        self._failed: set[Address] = set()
        for seed in self._seeds:
            self.node(seed)

    # --- the nodes ------------------------------------------------------------------------------------------
    def node(self, address: Address) -> Any:
        """One node's own client."""
        with self._lock:
            if address not in self._clients:
                made = redis.Redis.from_url(f"{self._head}{address}{self._tail}", **self._options)
                self._clients[address] = made
            return self._clients[address]

    def primaries(self) -> list[Any]:
        """Every node that has slots. Raises redis.ConnectionError."""
        return [self.node(one.address) for one in self.layout().primaries]

    def layout(self) -> Layout:
        """Who has which slot. Raises redis.ConnectionError when nobody tells."""
        return self._layout or self.look()

    def primary(self, slot: int) -> Primary:
        """Who has a slot. Raises redis.ConnectionError when nobody has."""
        found = self.layout().slots[slot]
        if found is None:
            self.forget()
            raise redis.ConnectionError(f"no node of the cluster has slot {slot}")
        return found

    def look(self) -> Layout:
        """Ask any node where the slots lie now, those that failed last of all."""
        with self._lock:
            known = dict.fromkeys([*self._clients, *self._seeds])
        why: Exception | None = None
        for address in sorted(known, key=self._failed.__contains__):
            try:
                said = self.node(address).execute_command("CLUSTER SLOTS")
            except (redis.RedisError, OSError) as error:
                self._failed.add(address)
                why = error
                continue
            self._failed.discard(address)
            self._layout = _layout(said, address.host)
            return self._layout
        raise redis.ConnectionError(f"no node of the cluster answers: {why}")

    def forget(self, failed: Address | None = None) -> None:
        """Something was not as it was thought to be: where slots lie is asked again."""
        self._layout = None
        if failed is not None:
            self._failed.add(failed)

    def close(self) -> None:
        """Let go of all connections."""
        for client in list(self._clients.values()):
            client.close()

    # --- commands -------------------------------------------------------------------------------------------
    def ping(self, **_: Any) -> bool:  # type: ignore[override]  # (overloaded for its async client)
        """Whether every node answers that has slots."""
        return all(node.ping() for node in self.primaries())

    def pipeline(self, transaction: bool = True) -> "Pipeline":  # noqa: FBT001, FBT002  (as redis.Redis has it)
        """Commands that go out together; in a transaction all have one slot."""
        return Pipeline(self, transaction=transaction)

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """One command, where its key is."""
        slot = slot_of(key_of(args))
        target, asking = self.primary(slot).address, False
        for _ in range(REDIRECTS):
            with self.going_wrong(target):
                try:
                    return self._one(target, args, options, asking=asking)
                except _REDIRECTED as error:
                    target, asking = self._next(error, slot)
        raise redis.ConnectionError(f"slot {slot} moves from node to node: try again")

    def _one(self, target: Address, args: Any, options: Any, *, asking: bool) -> Any:
        if not asking:
            return self.node(target).execute_command(*args, **options)
        pipe = self.node(target).pipeline(transaction=False)
        pipe.execute_command("ASKING")
        pipe.execute_command(*args, **options)
        return pipe.execute()[-1]

    def _next(self, error: Exception, slot: int) -> tuple[Address, bool]:
        """Where to go instead, and whether ASKING."""
        if isinstance(error, TryAgainError):
            time.sleep(PAUSE_S)
            return self.primary(slot).address, False
        assert isinstance(error, AskError)  # noqa: S101  (the other one)
        moved = isinstance(error, MovedError)
        if moved:
            self.forget()
        return Address(error.host, error.port), not moved

    @contextlib.contextmanager
    def going_wrong(self, target: Address) -> Iterator[None]:
        """Whatever breaks on a node: where slots lie is asked again by whoever comes next."""
        try:
            yield
        except _AWAY:
            self.forget(target)
            raise


class Pipeline(CoreCommands):
    """Commands for any slots, each node's in one round trip; answers in the order of the commands."""

    _event_dispatcher: Any = None

    def __init__(self, cluster: Cluster, *, transaction: bool) -> None:
        self._cluster = cluster
        self._transaction = transaction
        self._stack: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def __enter__(self) -> Self:
        """As redis.Redis's."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is kept."""
        self._stack.clear()

    def __len__(self) -> int:
        """How many commands wait."""
        return len(self._stack)

    def __bool__(self) -> bool:
        """It is there without any."""
        return True

    def execute_command(self, *args: Any, **options: Any) -> Self:
        """One more."""
        self._stack.append((args, options))
        return self

    def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002  (as redis.Redis has it)
        """Send all; the answers, errors among them unless they are raised."""
        stack, self._stack = self._stack, []
        if not stack:
            return []
        answers = self._whole(stack) if self._transaction else self._spread(stack)
        if raise_on_error:
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
        return answers

    def _whole(self, stack: list[tuple[tuple[Any, ...], dict[str, Any]]]) -> list[Any]:
        (slot,) = {slot_of(key_of(args)) for args, _ in stack}
        for _ in range(REDIRECTS):
            target = self._cluster.primary(slot).address
            with self._cluster.going_wrong(target):
                pipe = self._cluster.node(target).pipeline(transaction=True)
                for args, options in stack:
                    pipe.execute_command(*args, **options)
                try:
                    return list(pipe.execute(raise_on_error=False))
                except _REDIRECTED:  # (before EXEC: nothing was done)
                    self._cluster.forget()
                    time.sleep(PAUSE_S)
        raise redis.ConnectionError(f"slot {slot} is being moved to another node: try again")

    def _spread(self, stack: list[tuple[tuple[Any, ...], dict[str, Any]]]) -> list[Any]:
        answers: list[Any] = [None] * len(stack)
        parts: dict[Address, list[int]] = {}
        for index, (args, _) in enumerate(stack):
            parts.setdefault(self._cluster.primary(slot_of(key_of(args))).address, []).append(index)
        for target, indices in parts.items():
            pipe = self._cluster.node(target).pipeline(transaction=False)
            for index in indices:
                args, options = stack[index]
                pipe.execute_command(*args, **options)
            with self._cluster.going_wrong(target):
                found = pipe.execute(raise_on_error=False)
            for index, answer in zip(indices, found, strict=True):
                answers[index] = answer
        for index, answer in enumerate(answers):
            if isinstance(answer, _REDIRECTED):
                args, options = stack[index]
                answers[index] = self._cluster.execute_command(*args, **options)
            elif isinstance(answer, ClusterDownError):
                self._cluster.forget()
        return answers


def key_of(args: Sequence[Any]) -> bytes:
    """The first key of a command; all of one command lie in one slot."""
    name = str(args[0]).upper()
    if name in _OF_A_SERVER:
        raise TypeError(f"{name} concerns a server: ask each of primaries()")
    key = args[3] if name == "EVAL" else args[1]
    return key if isinstance(key, bytes) else str(key).encode()


def _address(text: str) -> Address:
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.path:
        raise ValueError(f"{text!r} is no host:port")
    return Address(parts.hostname, parts.port or PORT)


def _layout(said: Any, asked: str) -> Layout:
    """CLUSTER SLOTS; a node that does not know its own name is the one that was asked."""
    table: list[Primary | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
    for first, last, node, *replicas in said:
        host = node[0].decode() if node[0] else ""
        one = Primary(Address(host if host not in ("", "?") else asked, int(node[1])), len(replicas))
        table[first : last + 1] = [one] * (last + 1 - first)
    return Layout(table, list(dict.fromkeys(filter(None, table))))
