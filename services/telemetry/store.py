"""The writing side of Redis: one transaction a batch, flushed to disk before it counts as stored."""

import contextlib
import itertools
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import orjson
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.kit.errors import SpondylError
from services.telemetry import keys, resp, spread
from services.telemetry.cluster import Cluster, is_cluster
from services.telemetry.errors import NotDurable, StoreUnavailable
from services.telemetry.examining import Flush, Server, examine, memory_of
from services.telemetry.models import KINDS, Batch, Entry, Fate, Kind, Source
from services.telemetry.progress import Spans
from services.telemetry.reading import PAGE, number_of, read_entries, read_gaps, read_progress, read_strays
from services.telemetry.spread import FLUSH_TIMEOUT_MS

__all__ = [
    "PAGE", "NotDurable", "Server", "Store", "StoreUnavailable", "connect", "memory_of", "nothing_archived",
    "number_of", "read_entries", "read_gaps", "read_strays", "told",
]  # fmt: skip

SOCKET_TIMEOUT_S = 5.0
SOURCES_AT_ONCE: Final = 100  # whose entries are in memory together
_REFUSED: Final = "equal or smaller than the target stream top item"
_COUNT: Final = resp.pack("INCR", keys.BATCHES)
_WAITAOF: Final = resp.pack("WAITAOF", 1, 0, FLUSH_TIMEOUT_MS)
BOOTS_IN_ORDER: Final = 100  # of a device that are remembered: some kB, and months of daily restarts
# KEYS: boots of a device, their order. ARGV: now, boot, how many are remembered. One that was never heard of
# is the last even when the clock was set back since another; one that was has the place that it had.
_ADD_BOOT: Final = """
local place = redis.call('ZSCORE', KEYS[2], ARGV[2])
if not place then
  place = ARGV[1]
  for _, key in ipairs(KEYS) do
    place = math.max(place, (redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2] or 0) + 1)
  end
end
redis.call('ZADD', KEYS[1], 'NX', place, ARGV[2])
redis.call('ZADD', KEYS[2], 'NX', redis.call('ZSCORE', KEYS[1], ARGV[2]), ARGV[2])
return redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - ARGV[3])
"""
Checkpoints = dict[Source, dict[Kind, int]]
IsArchived = Callable[[Kind, Source, int, int], bool]
Meanwhile = Callable[[], bool] | None


def nothing_archived(_kind: Kind, _source: Source, _first: int, _after: int) -> bool:
    """Where there is no archive, nothing is in it."""
    return False


class Store:
    """One connection that writes, to each node of a cluster; not for more than one thread.

    ``is_archived`` tells whether the archive has all of ``first`` .. ``after - 1``: asked only about what
    Redis refused and no longer has itself.
    """

    def __init__(self, url: str, is_archived: IsArchived = nothing_archived) -> None:
        self._redis = connect(url, redis_connect_func=self._connected)
        self._is_archived = is_archived
        self._heads: dict[tuple[Source, str], bytes] = {}
        self._known: set[Source] = set()  # sources that readers can find
        self._connects = 0
        self._examined = 0  # the connection on which the server was looked at
        self.server: Server | None = None

    def prepare(self) -> Server:
        """Look whether the server keeps what it takes. Raises StoreUnavailable, NotDurable."""
        self.server = None
        with told():
            server = examine(self._redis)
        if self._connects != self._examined:
            self._known.clear()  # it may be another server
            self._heads.clear()
        self._examined = self._connects
        self.server = server
        return server

    def commit(self, batch: Batch, checkpoints: Checkpoints, meanwhile: Meanwhile = None) -> list[Fate]:
        """Store a batch and see it on disk; the fate of each entry, in order.

        ``checkpoints`` is how far each source was stored before this batch. ``meanwhile`` is called while
        the server writes, again and again until it is done or False is answered; it has no part in this
        batch. Raises StoreUnavailable and NotDurable: then nothing counts as stored and the same batch is
        committed again.
        """
        flush = (self.server or self.prepare()).flush
        server, self.server = self.server, None  # after a failure it is looked at anew: it may be another one
        new = batch.sources - self._known
        with told():
            refused = self._write(batch, checkpoints, new, flush, meanwhile)
            fates = self._settle(batch.entries, refused, flush)
        if self._connects != self._examined:
            raise StoreUnavailable("Redis was away and is back: looking at what it still has")
        self._known |= new
        self.server = server
        return fates

    def progress(self, source: Source) -> dict[Kind, Spans]:
        """What is stored of a source, read from the entries themselves behind the last checkpoint."""
        return self.progress_of([source])[source]

    def progress_of(self, sources: Iterable[Source]) -> dict[Source, dict[Kind, Spans]]:
        """What is stored of each of many sources, in a few round trips for all of them."""
        known: dict[Source, dict[Kind, Spans]] = {}
        waiting = iter(sources)
        while some := list(itertools.islice(waiting, SOURCES_AT_ONCE)):
            with told():
                known |= read_progress(self._redis, some)
        return known

    def forget(self, source: Source) -> None:
        """Let go of what is kept in memory about a source: it is looked up again when something comes."""
        self._known.discard(source)
        for lane in ("stream", "late"):
            for kind in KINDS:
                self._heads.pop((source, f"{lane}/{kind}"), None)

    def close(self) -> None:
        """Let go of the connection."""
        self._redis.close()

    def _connected(self, connection: Any) -> None:
        self._connects += 1
        connection.on_connect()

    def _write(
        self,
        batch: Batch,
        checkpoints: Checkpoints,
        new: Iterable[Source],
        flush: Flush,
        meanwhile: Meanwhile,
    ) -> list[int]:
        """Everything in one transaction; the indices of entries that Redis refused because of their id."""
        adding = self._adding(batch.entries, "stream")
        return self._refused([*adding, *_index(batch, checkpoints, new)], len(adding), flush, meanwhile)

    def _adding(self, entries: Iterable[Entry], lane: Literal["stream", "late"]) -> list[bytes]:
        """XADD for each entry: number and content."""
        heads, commands = self._heads, []
        for kind, source, first, after, content in entries:
            name = source, f"{lane}/{kind}"
            head = heads.get(name)
            if head is None:
                key = keys.stream(kind, source) if lane == "stream" else keys.late(kind, source)
                head = heads[name] = resp.pack_entry_head(key.encode())
            commands.append(resp.pack_entry(head, first, after - first, content))
        return commands

    def _settle(self, entries: list[Entry], refused: list[int], flush: Flush) -> list[Fate]:
        """A refused entry is there already with the same content, or it came late and takes its own path."""
        fates: list[Fate] = ["stored"] * len(entries)
        if not refused:
            return fates
        late = self._absent(entries, refused)
        if late:
            adding = self._adding((entries[index] for index in late), "late")
            behind = [late[place] for place in self._refused(adding, len(adding), flush)]
            stray = self._absent(entries, behind) if behind else []  # this batch or a worker was quicker
            if stray:
                self._refused([_keep_stray(entries[index]) for index in stray], 0, flush)
            late = sorted({*late} - {*behind} | {*stray})
        for index in refused:
            fates[index] = "late" if index in late else "duplicate"
        return fates

    def _absent(self, entries: list[Entry], refused: list[int]) -> list[int]:
        """Which of the refused are nowhere with this content, each once.

        Lanes and strays are read first and then how far the archive has come: an archiver that trims between
        the two can only make an entry look archived, and then the archive itself is asked.
        """
        pipe = self._redis.pipeline(transaction=False)
        for index in refused:
            entry, at = entries[index], f"{entries[index].first}-1"
            for lane in keys.lanes(entry.kind, entry.source):
                pipe.xrange(lane, at, at)
            pipe.hget(keys.strays(entry.kind, entry.source), _stray_field(entry))
        for index in refused:
            pipe.hget(keys.archived(entries[index].source), entries[index].kind)
        answers = pipe.execute()
        marks = answers[3 * len(refused) :]
        found = iter(answers)
        absent: dict[Entry, int] = {}
        for index, mark in zip(refused, marks, strict=True):
            entry = entries[index]
            *lanes, stray = itertools.islice(found, 3)
            contents = [fields[b"d"] for lane in lanes for _, fields in lane] + [stray] * (stray is not None)
            if not (
                any(_same(content, entry.content) for content in contents) or self._in_archive(entry, mark)
            ):
                absent.setdefault(entry, index)
        return list(absent.values())

    def _in_archive(self, entry: Entry, mark: bytes | None) -> bool:
        """Wholly below what was archived, and the archive does have it; else it is a late correction."""
        kind, source, first, after, _ = entry
        return mark is not None and after <= int(mark) and self._is_archived(kind, source, first, after)

    def _refused(
        self, commands: list[bytes], entries: int, flush: Flush, meanwhile: Meanwhile = None
    ) -> list[int]:
        """Run the commands; of the first ``entries``, which are XADDs, those refused for their id.

        A counter is raised with them, so that there is always something to flush: what an earlier process
        wrote and did not see on disk is then on disk too.
        """
        refused = self._run(commands, entries, flush, meanwhile)
        for index, refusal in refused.items():
            if index >= entries or _REFUSED not in str(refusal):
                raise refusal
        return list(refused)

    def _run(
        self, commands: list[bytes], entries: int, flush: Flush, meanwhile: Meanwhile
    ) -> Mapping[int, resp.Refusal]:
        """In one transaction, or on every node of a cluster; seen on disk."""
        waits = flush == "waitaof"
        if isinstance(self._redis, Cluster):
            return spread.write(self._redis, commands, entries, waits=waits, meanwhile=meanwhile)
        with resp.lent(self._redis.connection_pool) as connection:
            wait = _WAITAOF if waits else b""
            outcome = resp.transact(connection, [*commands, _COUNT], entries, wait, meanwhile)
        if waits and outcome.waited[0] < 1:
            raise StoreUnavailable(f"Redis did not flush its append-only file within {FLUSH_TIMEOUT_MS} ms")
        return outcome.refused


def connect(url: str, **options: Any) -> Any:
    """A client of one server or of a cluster that answers or fails within seconds.

    It never tries again by itself, but for what a cluster says lies elsewhere. Raises SpondylError when the
    URL is not one.
    """
    make = Cluster if is_cluster(url) else redis.Redis.from_url
    try:
        return make(
            url,
            socket_timeout=SOCKET_TIMEOUT_S,
            socket_connect_timeout=SOCKET_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            **options,
        )
    except ValueError:  # (its message may show the password)
        raise SpondylError(
            "SPONDYL_REDIS_URL is no address: redis://:password@host:port/0 for one server, "
            "redis+cluster://:password@host:port,host:port for a cluster (rediss with TLS)"
        ) from None


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Whatever the client raises, in the house's words."""
    try:
        yield
    except (redis.RedisError, resp.Refusal, OSError) as error:
        raise StoreUnavailable(f"Redis: {str(error) or type(error).__name__}") from error


def _keep_stray(entry: Entry) -> bytes:
    return resp.pack("HSET", keys.strays(entry.kind, entry.source), _stray_field(entry), entry.content)


def _stray_field(entry: Entry) -> str:
    """Two different contents under one number are both kept: the audit shows them."""
    return f"{entry.first}/{entry.after - entry.first}/{zlib.crc32(entry.content):08x}"


def _same(stored: bytes, content: bytes) -> bool:
    """The same JSON, however it was written: a spool may write it anew."""
    return stored == content or _value(stored) == _value(content)


def _value(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:  # (JSON5 as the contract's reader takes it, and this one does not)
        return content


def _index(batch: Batch, checkpoints: Checkpoints, new: Iterable[Source]) -> Iterator[bytes]:
    """What readers find their way by; every command gives the same state when it is sent again."""
    now_ms = int(time.time() * 1000)
    for source in new:
        yield resp.pack("SADD", keys.DEVICES, str(source.place))
        ordered = keys.boots(source.place), keys.order(source.place)
        yield resp.pack("EVAL", _ADD_BOOT, 2, *ordered, now_ms, str(source.boot), BOOTS_IN_ORDER)
    for source, marks in checkpoints.items():
        yield resp.pack("HSET", keys.cursor(source), *_flat(marks))
    if batch.heard:
        yield resp.pack("HSET", keys.HEARD, *_flat(batch.heard))
    for gap in batch.gaps:
        yield resp.pack("HSET", keys.gaps(gap.source), f"{gap.kind}/{gap.first}/{gap.after}", gap.reason)
    for (place, name), payload in batch.latest.items():
        yield resp.pack("SADD", keys.DEVICES, str(place))
        yield resp.pack("HSET", keys.latest(place), name, payload)
    for place, fields in batch.gateways.items():
        yield resp.pack("SADD", keys.GATEWAYS, str(place))
        for name, content in fields.items():
            yield _set_or_delete(keys.gateway(place), name, content)
    yield from _index_sessions(batch)


def _index_sessions(batch: Batch) -> Iterator[bytes]:
    for session_id, known in batch.sessions.items():
        yield resp.pack("HSET", keys.session(session_id), *_flat(known))
    for session_id, started in batch.session_starts.items():
        yield resp.pack("ZADD", keys.SESSIONS, started, str(session_id))


def _set_or_delete(key: str, name: str, content: bytes | None) -> bytes:
    return resp.pack("HDEL", key, name) if content is None else resp.pack("HSET", key, name, content)


def _flat(fields: dict[Any, Any]) -> Iterator[Any]:
    for name, value in fields.items():
        yield name if isinstance(name, str) else str(name)
        yield value
