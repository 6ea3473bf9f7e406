"""What the archiver sees of Redis: what waits to be archived, and taking away what is."""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
import orjson

from services.telemetry import keys
from services.telemetry.archive.entries import HotEntries, HotEntry, Lane
from services.telemetry.archive.planning import HotSession
from services.telemetry.archive.rows import NOTHING, Commit, Marks, SessionRow, Span
from services.telemetry.cluster import Cluster
from services.telemetry.models import KINDS, Gap, Kind, Place, Source
from services.telemetry.store import PAGE, connect, memory_of, number_of, read_gaps, told

_DELETE: Final = {"stream": "XDEL", "late": "XDEL", "strays": "HDEL"}
_KEY_OF: Final = {"stream": keys.stream, "late": keys.late, "strays": keys.strays}
DELETED_AT_ONCE: Final = 1000  # ids a command
MOST: Final = 1 << 20  # numbers of one entry: a message holds a few thousand


# KEYS: boots of a device; marks of the boot; what is to be empty. ARGV: boot, how many marks there are.
_FORGET: Final = """
for i = 2 + ARGV[2], #KEYS do
  local size = redis.call('TYPE', KEYS[i]).ok == 'hash' and 'HLEN' or 'XLEN'
  if redis.call(size, KEYS[i]) > 0 then return 0 end
end
redis.call('ZREM', KEYS[1], ARGV[1])
return redis.call('DEL', unpack(KEYS, 2))
"""


@dataclass(frozen=True, slots=True)
class Doomed:
    """What Redis may forget of a source once a step is committed: exactly this, and all of it at once."""

    source: Source
    marks: Marks
    ids: Mapping[tuple[str, str], Sequence[bytes]]  # (command, key) -> ids or fields
    gaps: Sequence[str]
    sessions: Sequence[UUID]

    @classmethod
    def of(cls, step: Commit, entries: Iterable[HotEntry]) -> "Doomed":
        """By ids, not by a threshold: what came in since they were read stays."""
        ids: dict[tuple[str, str], list[bytes]] = {}
        for entry in entries:
            command = (_DELETE[entry.lane], _KEY_OF[entry.lane](entry.kind, step.source))
            ids.setdefault(command, []).append(entry.id)
        gaps = [f"{gap.kind}/{gap.first}/{gap.after}" for gap in step.gaps]
        return cls(step.source, step.after, ids, gaps, [row.id for row in step.sessions])

    @property
    def count(self) -> int:
        """How many entries."""
        return sum(map(len, self.ids.values()))


@dataclass(frozen=True, slots=True)
class HotBoot:
    """One device and boot as the archiver watches it."""

    source: Source
    newest: bool  # no later boot of the device is known
    stored: Marks  # a lower bound of how far all is stored without a hole
    mark: Marks  # what Redis says is archived


@dataclass(frozen=True, slots=True)
class Head:
    """Of a block: its period, and when its first sample was taken."""

    period_ms: float
    started_at_us: int


class _BlockHead(msgspec.Struct):
    started_at: datetime
    period_ms: Annotated[float, msgspec.Meta(gt=0)]


_HEAD: Final = msgspec.json.Decoder(_BlockHead)


class HotSide:
    """Not for more than one thread. Every method raises StoreUnavailable when Redis is away."""

    def __init__(self, url: str) -> None:
        self._redis = connect(url)
        self._is_spread = isinstance(self._redis, Cluster)  # then no transaction speaks of many devices

    def close(self) -> None:
        """Let go of the connection."""
        self._redis.close()

    # --- looking --------------------------------------------------------------------------------------------
    def sites(self) -> set[str]:
        """Every site of which anything was ever stored."""
        return {place.site for place in self._places()}

    def boots(self, sites: Collection[str], done: Collection[Source] = ()) -> list[HotBoot]:
        """Every device and boot of these sites but those that are done, in two round trips."""
        places = [place for place in self._places() if place.site in sites]
        with told():
            found = self._ask([("ZRANGE", keys.boots(place), 0, -1) for place in places])
            sources = [
                (Source(place, UUID(boot.decode())), boot is boots[-1])
                for place, boots in zip(places, found, strict=True)
                for boot in boots
            ]
            sources = [(source, newest) for source, newest in sources if source not in done]
            commands = [
                ("HGETALL", key(source)) for source, _ in sources for key in (keys.cursor, keys.archived)
            ]
            answers = [_marks(answer) for answer in self._ask(commands)]
        pairs = zip(sources, answers[::2], answers[1::2], strict=True)
        return [HotBoot(source, newest, stored, mark) for (source, newest), stored, mark in pairs]

    def sessions(self) -> list[tuple[UUID, dict[str, str]]]:
        """Every session that Redis still knows of, as ingest noted it."""
        with told():
            ids = [UUID(text.decode()) for text in self._redis.zrange(keys.SESSIONS, 0, -1)]
            found = self._ask([("HGETALL", keys.session(session)) for session in ids])
        return [(session, _text(fields)) for session, fields in zip(ids, found, strict=True) if fields]

    def cures(self) -> set[UUID]:
        """Cures of which a session is not archived yet, as far as its end has told."""
        rows = [session_row(session, fields) for session, fields in self.sessions()]
        return {row.cure for row in rows if row.cure is not None}

    def gaps(self, source: Source) -> list[Gap]:
        """What is known to come never."""
        with told():
            return read_gaps(self._redis, source)

    def heads(self, marks: Mapping[Source, int]) -> dict[Source, Head]:
        """Of each source the first block from its mark on, in one round trip; none where none can be read."""
        commands = [
            ("XRANGE", keys.stream("tension", source), f"{mark}-0", "+", "COUNT", 1)
            for source, mark in marks.items()
        ]
        with told():
            answers = self._ask(commands)
        found = {}
        for source, rows in zip(marks, answers, strict=True):
            with contextlib.suppress(msgspec.MsgspecError, KeyError, IndexError):
                block = _HEAD.decode(dict(rows[0][1])[b"d"])
                found[source] = Head(block.period_ms, round(block.started_at.timestamp() * 1_000_000))
        return found

    def is_late(self, source: Source, marks: Marks) -> bool:
        """Whether anything lies below the marks: it came late, or was not taken away yet."""
        commands: list[tuple[Any, ...]] = []
        for kind in KINDS:
            below = f"{marks[kind]}-0"
            commands += [("XRANGE", lane, "-", below, "COUNT", 1) for lane in keys.lanes(kind, source)]
            commands.append(("HLEN", keys.strays(kind, source)))
        with told():
            return any(self._ask(commands))

    def entries(self, kind: Kind, source: Source, first: int = 0, after: int | None = None) -> HotEntries:
        """The entries that begin in ``first`` .. ``after - 1``, of all lanes, in order of number."""
        with told():
            found = HotEntries(self._entries(kind, source, first, after))
        return HotEntries(_up_to_the_next(found)) if found.flawed else found

    def memory(self) -> tuple[int, int]:
        """(used, limit) in bytes, of a cluster's fullest node; limit 0: none is set."""
        with told():
            return memory_of(self._redis)

    # --- taking away ----------------------------------------------------------------------------------------
    def take_away(self, doomed: Sequence[Doomed]) -> None:
        """Say how far all is archived, and let go of what is: in one transaction, in a cluster in this order.

        What dies between the two is compared with the archive and taken away. A gap goes with them: below the
        mark nobody counts, and the index names it.
        """
        if not doomed:
            return
        pipe = self._redis.pipeline(transaction=not self._is_spread)
        for one in doomed:
            pipe.hset(keys.archived(one.source), mapping=one.marks)
        if self._is_spread:
            with told():
                pipe.execute()
        for one in doomed:
            for (name, key), ids in one.ids.items():
                for at in range(0, len(ids), DELETED_AT_ONCE):
                    pipe.execute_command(name, key, *ids[at : at + DELETED_AT_ONCE])
            if one.gaps:
                pipe.hdel(keys.gaps(one.source), *one.gaps)
            _forget_sessions(pipe, one.sessions)
        with told():
            pipe.execute()

    def forget_sessions(self, sessions: Collection[UUID]) -> None:
        """They are in the archive."""
        if not sessions:
            return
        pipe = self._redis.pipeline(transaction=not self._is_spread)
        _forget_sessions(pipe, sessions)
        with told():
            pipe.execute()

    def forget_boot(self, source: Source) -> None:
        """Everything of a boot that is over and wholly in the archive; one that has anything left stays.

        What lies behind an open hole is archived once the hole is closed or named, however long that takes.
        """
        kept = [key for kind in KINDS for key in (*keys.lanes(kind, source), keys.strays(kind, source))]
        marks = [keys.cursor(source), keys.archived(source)]
        names = [keys.boots(source.place), *marks, keys.gaps(source), *kept]
        with told():
            self._redis.eval(_FORGET, len(names), *names, str(source.boot), len(marks))

    # --- one by one -----------------------------------------------------------------------------------------
    def _places(self) -> list[Place]:
        with told():
            return sorted(Place.parse(text.decode()) for text in self._redis.smembers(keys.DEVICES))

    def _ask(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        pipe = self._redis.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        answers: list[Any] = pipe.execute()
        return answers

    def _entries(self, kind: Kind, source: Source, first: int, after: int | None) -> Iterator[HotEntry]:
        lanes: tuple[tuple[Lane, str], ...] = (
            ("stream", keys.stream(kind, source)), ("late", keys.late(kind, source)),
        )  # fmt: skip
        for name, lane in lanes:
            at, end = f"{first}-0", "+" if after is None else f"{after}-0"
            while page := self._redis.xrange(lane, at, end, count=PAGE):
                for entry_id, fields in page:
                    yield _entry(kind, name, entry_id, fields)
                at = f"({page[-1][0].decode()}"
        for field, payload in self._redis.hscan_iter(keys.strays(kind, source), count=PAGE):
            entry = _stray(kind, field, payload)
            if first <= entry.first and (after is None or entry.first < after):
                yield entry


def _forget_sessions(pipe: Any, sessions: Collection[UUID]) -> None:
    if sessions:
        pipe.zrem(keys.SESSIONS, *map(str, sessions))
        for session in sessions:  # (each has a slot of its own)
            pipe.delete(keys.session(session))


def _entry(kind: Kind, lane: Lane, entry_id: bytes, fields: Mapping[bytes, bytes]) -> HotEntry:
    """Of a stream; one that ingest cannot have written stands for its own number, with all its fields."""
    first, count, payload = number_of(entry_id), fields.get(b"n", b""), fields.get(b"d")
    if payload is None or not count.isdigit() or not 0 < int(count) <= MOST:
        content = msgspec.msgpack.encode(dict(fields)) if payload is None else payload
        return HotEntry(first, first + 1, content, kind, lane, entry_id, f"it speaks of {count!r} numbers")
    return HotEntry(first, first + int(count), payload, kind, lane, entry_id)


def _stray(kind: Kind, field: bytes, payload: bytes) -> HotEntry:
    """Of the hash, whose fields are ``first/count/checksum``."""
    parts = field.split(b"/")
    if len(parts) != 3 or not all(part.isdigit() for part in parts[:2]) or not 0 < int(parts[1]) <= MOST:  # noqa: PLR2004  (its three parts)
        return HotEntry(0, 1, payload, kind, "strays", field, f"its name is {field!r}")
    return HotEntry(int(parts[0]), int(parts[0]) + int(parts[1]), payload, kind, "strays", field)


def _up_to_the_next(entries: Sequence[HotEntry]) -> list[HotEntry]:
    """Those with a flaw hold the numbers up to the next entry: how many they are, nobody can tell."""
    found, next_first = [], 0
    for entry in reversed(entries):
        flawed = entry.flaw and entry.lane != "strays" and entry.first < next_first <= entry.first + MOST
        found.append(entry._replace(after=next_first) if flawed else entry)
        next_first = entry.first
    return found[::-1]


def spans_of_gaps(gaps: Iterable[Gap], kind: Kind) -> list[Span]:
    """Of one kind, as spans."""
    return sorted((gap.first, gap.after) for gap in gaps if gap.kind == kind)


def source_of(fields: Mapping[str, str]) -> Source | None:
    """Where a session is, or was when it ended; None when neither names its boot."""
    boot = fields.get("boot") or fields.get("end_boot")
    return None if boot is None else Source(Place(fields["site"], fields["device"]), UUID(boot))


def hot_session(session: UUID, fields: Mapping[str, str]) -> HotSession | None:
    """Where a session lies; None while its start is not known."""
    if "first_seq" not in fields:
        return None
    ended_here = "end_seq" in fields and fields.get("end_boot") == fields.get("boot")
    return HotSession(session, int(fields["first_seq"]), int(fields["end_seq"]) + 1 if ended_here else None)


def session_row(session: UUID, fields: Mapping[str, str]) -> SessionRow:
    """A session as ingest noted it, for the index; statistics come later."""
    summary: dict[str, Any] | None = orjson.loads(fields["summary"]) if "summary" in fields else None
    said = summary or {}
    started = fields.get("started_at") or said.get("started_at")
    return SessionRow(
        id=session,
        place=Place(fields["site"], fields["device"]),
        started_at_us=_microseconds(started) or 0,
        boot=UUID(fields["boot"]) if "boot" in fields else None,
        first_seq=int(fields["first_seq"]) if "first_seq" in fields else None,
        end_seq=int(fields["end_seq"]) if "end_seq" in fields else None,
        cure=_uuid(said.get("cure")),
        patient=_uuid(said.get("patient")),
        appointment=_uuid(said.get("appointment")),
        region=fields.get("region") or said.get("region"),
        segment=fields.get("segment") or said.get("segment"),
        ended_at_us=_microseconds(said.get("ended_at")),
        ended_by=fields.get("ended_by"),
        summary=summary,
    )


def _marks(fields: Any) -> Marks:
    """HGETALL through a plain pipeline answers a dict, however the client was told to."""
    known = {name.decode(): int(value) for name, value in dict(fields).items()}
    return {kind: known.get(kind, NOTHING[kind]) for kind in KINDS}


def _text(fields: Any) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in dict(fields).items()}


def _uuid(text: str | None) -> UUID | None:
    return UUID(text) if text else None


def _microseconds(text: str | None) -> int | None:
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return round(at.timestamp() * 1_000_000)
