"""The writing side of Redis: one transaction a batch, flushed to disk before it counts as stored."""

import contextlib
import itertools
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.kit.errors import SpondylError
from services.telemetry import keys
from services.telemetry.errors import NotDurable, StoreUnavailable
from services.telemetry.models import KINDS, Batch, Entry, Fate, Gap, Kind, Source
from services.telemetry.packing import count_of
from services.telemetry.progress import Spans

SOCKET_TIMEOUT_S = 5.0
FLUSH_TIMEOUT_MS = 4000  # everysec flushes once a second; a disk slower than this is an outage
PAGE = 1000
_REFUSED: Final = "equal or smaller than the target stream top item"
Flush = Literal["always", "waitaof"]
Command = tuple[str | bytes | int | float, ...]
Checkpoints = dict[Source, dict[Kind, int]]


@dataclass(frozen=True, slots=True)
class Server:
    """What the server says of itself: how a write is known to be on disk, and its memory in bytes."""

    flush: Flush
    used_bytes: int
    limit_bytes: int  # 0: none


class Store:
    """One connection that writes; not for more than one thread."""

    def __init__(self, url: str) -> None:
        self._redis = connect(url, redis_connect_func=self._connected)
        self._connects = 0
        self._examined = 0  # the connection on which the server was looked at
        self.server: Server | None = None

    def prepare(self) -> Server:
        """Look whether the server keeps what it takes. Raises StoreUnavailable, NotDurable."""
        self.server = None
        with told():
            server = _examine(self._redis)
        self._examined = self._connects
        self.server = server
        return server

    def commit(self, batch: Batch, checkpoints: Checkpoints) -> list[Fate]:
        """Store a batch and see it on disk; the fate of each entry, in order.

        ``checkpoints`` is how far each source was stored before this batch. Raises StoreUnavailable and
        NotDurable: then nothing counts as stored and the same batch is committed again.
        """
        flush = (self.server or self.prepare()).flush
        server, self.server = self.server, None  # after a failure it is looked at anew: it may be another one
        with told():
            refused = self._write(batch, checkpoints, flush)
            fates = self._settle(batch.entries, refused, flush)
        if self._connects != self._examined:
            raise StoreUnavailable("Redis was away and is back: looking at what it still has")
        self.server = server
        return fates

    def progress(self, source: Source) -> dict[Kind, Spans]:
        """What is stored of a source, read from the entries themselves behind the last checkpoint."""
        with told():
            marks = {
                key.decode(): int(value) for key, value in self._redis.hgetall(keys.cursor(source)).items()
            }
            spans = {kind: Spans(marks.get(kind, 0)) for kind in KINDS}
            for gap in read_gaps(self._redis, source):
                spans[gap.kind].add(gap.first, gap.after)
            for kind in KINDS:
                for first, content, _ in read_entries(self._redis, kind, source, marks.get(kind, 0)):
                    spans[kind].add(first, first + count_of(content))
        return spans

    def close(self) -> None:
        """Let go of the connection."""
        self._redis.close()

    def _connected(self, connection: Any) -> None:
        self._connects += 1
        connection.on_connect()

    def _write(self, batch: Batch, checkpoints: Checkpoints, flush: Flush) -> list[int]:
        """Everything in one transaction; the indices of entries that Redis refused because of their id."""
        adding = [_add(keys.stream(entry.kind, entry.source), entry) for entry in batch.entries]
        return self._refused([*adding, *_index(batch, checkpoints)], range(len(adding)), flush)

    def _settle(self, entries: list[Entry], refused: list[int], flush: Flush) -> list[Fate]:
        """A refused entry is there already with the same content, or it came late and takes its own path."""
        fates: list[Fate] = ["stored"] * len(entries)
        late = self._absent(entries, refused)
        for index in refused:
            fates[index] = "late" if index in late else "duplicate"
        if late:
            adding = [
                _add(keys.late(entries[index].kind, entries[index].source), entries[index]) for index in late
            ]
            stray = self._refused(adding, late, flush)
            if stray:
                self._refused([_keep_stray(entries[index]) for index in stray], stray, flush)
        return fates

    def _absent(self, entries: list[Entry], refused: list[int]) -> list[int]:
        """Which of the refused are nowhere with this content, each once."""
        pipe = self._redis.pipeline(transaction=False)
        for index in refused:
            entry, at = entries[index], f"{entries[index].first}-1"
            for lane in keys.lanes(entry.kind, entry.source):
                pipe.xrange(lane, at, at)
            pipe.hget(keys.strays(entry.kind, entry.source), _stray_field(entry))
        answers = iter(pipe.execute())
        absent: dict[Entry, int] = {}
        for index in refused:
            *found, stray = itertools.islice(answers, 3)
            contents = [fields.get(b"d") for lane in found for _, fields in lane]
            if entries[index].content not in (*contents, stray):
                absent.setdefault(entries[index], index)
        return list(absent.values())

    def _refused(self, commands: list[Command], indices: Iterable[int], flush: Flush) -> list[int]:
        """Run the commands; of the first ones, which ``indices`` stand for, those refused for their id."""
        results = self._transact(commands, flush)
        places = list(indices)
        refused = []
        for place, result in enumerate(results):
            if place < len(places) and _is_refusal(result):
                refused.append(places[place])
            elif isinstance(result, Exception):
                raise result
        return refused

    def _transact(self, commands: list[Command], flush: Flush) -> list[Any]:
        """MULTI, the commands, EXEC and, where asked for, the wait for the disk: one connection, one turn.

        A counter is raised with them, so that there is always something to flush: what an earlier process
        wrote and did not see on disk is then on disk too.
        """
        pipe = self._redis.pipeline(transaction=False)
        for command in (("MULTI",), *commands, ("INCR", keys.BATCHES), ("EXEC",)):
            pipe.execute_command(*command)
        if flush == "waitaof":
            pipe.execute_command("WAITAOF", 1, 0, FLUSH_TIMEOUT_MS)
        replies = pipe.execute(raise_on_error=False)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        if flush == "waitaof" and replies.pop()[0] < 1:
            raise StoreUnavailable(f"Redis did not flush its append-only file within {FLUSH_TIMEOUT_MS} ms")
        results: list[Any] = replies[-1]
        return results


def connect(url: str, **options: Any) -> Any:
    """A client that answers or fails within seconds and never tries again by itself.

    Raises SpondylError when the URL is not one.
    """
    try:
        return redis.Redis.from_url(
            url,
            socket_timeout=SOCKET_TIMEOUT_S,
            socket_connect_timeout=SOCKET_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            **options,
        )
    except ValueError:  # (its message may show the password)
        raise SpondylError("SPONDYL_REDIS_URL is no address: redis://:password@host:port/0") from None


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Whatever the client raises, in the house's words."""
    try:
        yield
    except redis.RedisError as error:
        raise StoreUnavailable(f"Redis: {str(error) or type(error).__name__}") from error


def read_entries(
    client: Any, kind: Kind, source: Source, first: int = 0
) -> Iterator[tuple[int, bytes, bool]]:
    """(number, content, late) of every stored entry from ``first`` on, lane by lane.

    The late ones are read last: one that arrives meanwhile is seen, none is missed.
    """
    for late, lane in enumerate(keys.lanes(kind, source)):
        at = f"{first}-0"
        while page := client.xrange(lane, at, "+", count=PAGE):
            for entry_id, fields in page:
                yield number_of(entry_id), fields[b"d"], bool(late)
            at = f"({page[-1][0].decode()}"
    for number, content in read_strays(client, kind, source):
        if number >= first:
            yield number, content, True


def read_strays(client: Any, kind: Kind, source: Source) -> Iterator[tuple[int, bytes]]:
    """(number, content) of what is in neither stream."""
    for field, content in client.hscan_iter(keys.strays(kind, source), count=PAGE):
        yield int(field.partition(b"/")[0]), content


def number_of(entry_id: bytes) -> int:
    """The first number that an entry of a stream stands for."""
    return int(entry_id.partition(b"-")[0])


def read_gaps(client: Any, source: Source) -> list[Gap]:
    """The numbers that are known to come never."""
    found = []
    for field, reason in client.hgetall(keys.gaps(source)).items():
        kind, first, after = field.decode().split("/")
        found.append(Gap(kind, source, int(first), int(after), reason.decode()))
    return found


def _add(lane: str, entry: Entry) -> Command:
    return "XADD", lane, f"{entry.first}-1", "d", entry.content


def _keep_stray(entry: Entry) -> Command:
    return "HSET", keys.strays(entry.kind, entry.source), _stray_field(entry), entry.content


def _stray_field(entry: Entry) -> str:
    """Two different contents under one number are both kept: the audit shows them."""
    return f"{entry.first}/{zlib.crc32(entry.content):08x}"


def _is_refusal(result: object) -> bool:
    return isinstance(result, redis.ResponseError) and _REFUSED in str(result)


def _index(batch: Batch, checkpoints: Checkpoints) -> Iterator[Command]:
    """What readers find their way by; every command gives the same state when it is sent again."""
    now_ms = int(time.time() * 1000)
    for source in batch.sources:
        yield "SADD", keys.DEVICES, str(source.place)
        yield "ZADD", keys.boots(source.place), "NX", now_ms, str(source.boot)
    for source, marks in checkpoints.items():
        yield "HSET", keys.cursor(source), *_flat(marks)
    for gap in batch.gaps:
        yield "HSET", keys.gaps(gap.source), f"{gap.kind}/{gap.first}/{gap.after}", gap.reason
    for (place, name), payload in batch.latest.items():
        yield "SADD", keys.DEVICES, str(place)
        yield "HSET", keys.latest(place), name, payload
    for place, fields in batch.gateways.items():
        yield "SADD", keys.GATEWAYS, str(place)
        for name, content in fields.items():
            if content is None:
                yield "HDEL", keys.gateway(place), name
            else:
                yield "HSET", keys.gateway(place), name, content
    for session_id, known in batch.sessions.items():
        yield "HSET", keys.session(session_id), *_flat(known)
    for session_id, started in batch.session_starts.items():
        yield "ZADD", keys.SESSIONS, started, str(session_id)


def _flat(fields: dict[Any, Any]) -> Iterator[str | int]:
    for name, value in fields.items():
        yield name
        yield value


def _examine(client: Any) -> Server:
    info = client.info("persistence") | client.info("memory")
    if not info.get("aof_enabled"):
        raise NotDurable(
            "Redis keeps no append-only file: set `appendonly yes`, or what it takes dies with it"
        )
    limit, policy = int(info.get("maxmemory", 0)), str(info.get("maxmemory_policy", "noeviction"))
    if limit and policy != "noeviction":
        raise NotDurable(f"Redis may evict what it keeps: set `maxmemory-policy noeviction`, it is {policy}")
    return Server(_flush_of(client), int(info["used_memory"]), limit)


def _flush_of(client: Any) -> Flush:
    """How a write is known to be on disk: by the server's own promise, or by asking it."""
    try:
        policy = str(client.config_get("appendfsync").get("appendfsync", "unknown"))
    except redis.ResponseError:
        policy = "unknown"  # a hosted server hides its configuration; WAITAOF tells all the same
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
