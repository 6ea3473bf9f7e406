"""What the archiver sees of Redis: what waits to be archived, and taking away what is."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

import orjson

from services.telemetry import keys
from services.telemetry.archive.planning import HotSession
from services.telemetry.archive.rows import NOTHING, Marks, SessionRow, Span
from services.telemetry.errors import Corrupt
from services.telemetry.models import KINDS, Gap, Kind, Place, Source
from services.telemetry.store import PAGE, connect, number_of, read_gaps, told

Lane = Literal["stream", "late", "strays"]
_DELETE: Final = {"stream": "XDEL", "late": "XDEL", "strays": "HDEL"}
_KEY_OF: Final = {"stream": keys.stream, "late": keys.late, "strays": keys.strays}
DELETED_AT_ONCE: Final = 1000  # ids a command


class HotEntry(NamedTuple):
    """An entry and where it stands, so that just this one can be taken away."""

    first: int
    after: int
    payload: bytes
    kind: Kind
    lane: Lane
    id: bytes


@dataclass(frozen=True, slots=True)
class HotBoot:
    """One device and boot as the archiver watches it."""

    source: Source
    newest: bool  # no later boot of the device is known
    stored: Marks  # a lower bound of how far all is stored without a hole
    mark: Marks  # what Redis says is archived


class HotSide:
    """Not for more than one thread. Every method raises StoreUnavailable when Redis is away."""

    def __init__(self, url: str) -> None:
        self._redis = connect(url)

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

    def gaps(self, source: Source) -> list[Gap]:
        """What is known to come never."""
        with told():
            return read_gaps(self._redis, source)

    def period_ms(self, source: Source) -> float | None:
        """The period of the oldest block that is there; None without one."""
        with told():
            found = self._redis.xrange(keys.stream("tension", source), "-", "+", count=1)
        if not found:
            return None
        try:
            return float(orjson.loads(found[0][1][b"d"])["period_ms"])
        except (ValueError, KeyError, TypeError) as error:
            raise Corrupt(f"Redis keeps no block under {found[0][0].decode()} of {source}: {error}") from None

    def is_late(self, source: Source, marks: Marks) -> bool:
        """Whether anything lies below the marks: it came late, or was not taken away yet."""
        commands: list[tuple[Any, ...]] = []
        for kind in KINDS:
            below = f"{marks[kind]}-0"
            commands += [("XRANGE", lane, "-", below, "COUNT", 1) for lane in keys.lanes(kind, source)]
            commands.append(("HLEN", keys.strays(kind, source)))
        with told():
            return any(self._ask(commands))

    def entries(self, kind: Kind, source: Source, first: int = 0, after: int | None = None) -> list[HotEntry]:
        """The entries that begin in ``first`` .. ``after - 1``, of all lanes, in order of number."""
        with told():
            found = list(self._entries(kind, source, first, after))
        return sorted(found, key=lambda entry: (entry.first, entry.after))

    def memory(self) -> tuple[int, int]:
        """(used, limit) in bytes; limit 0: none is set."""
        with told():
            info = self._redis.info("memory")
        return int(info["used_memory"]), int(info.get("maxmemory", 0))

    # --- taking away ----------------------------------------------------------------------------------------
    def take_away(self, source: Source, marks: Marks, entries: Iterable[HotEntry]) -> None:
        """In one transaction: say how far all is archived, and delete exactly these entries.

        By their ids, not by a threshold: what came in since they were read stays.
        """
        doomed: dict[tuple[str, str], list[bytes]] = {}
        for entry in entries:
            command = (_DELETE[entry.lane], _KEY_OF[entry.lane](entry.kind, source))
            doomed.setdefault(command, []).append(entry.id)
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(keys.archived(source), mapping=marks)
        for (name, key), ids in doomed.items():
            for at in range(0, len(ids), DELETED_AT_ONCE):
                pipe.execute_command(name, key, *ids[at : at + DELETED_AT_ONCE])
        with told():
            pipe.execute()

    def forget_sessions(self, sessions: Collection[UUID]) -> None:
        """They are in the archive."""
        if not sessions:
            return
        pipe = self._redis.pipeline(transaction=True)
        pipe.zrem(keys.SESSIONS, *map(str, sessions))
        for session in sessions:
            pipe.delete(keys.session(session))
        with told():
            pipe.execute()

    def forget_boot(self, source: Source) -> None:
        """Everything of a boot that is over and wholly in the archive."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.zrem(keys.boots(source.place), str(source.boot))
        pipe.delete(keys.cursor(source), keys.gaps(source), keys.archived(source))
        for kind in KINDS:
            pipe.delete(*keys.lanes(kind, source), keys.strays(kind, source))
        with told():
            pipe.execute()

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
                    number = number_of(entry_id)
                    yield HotEntry(number, number + int(fields[b"n"]), fields[b"d"], kind, name, entry_id)
                at = f"({page[-1][0].decode()}"
        for field, payload in self._redis.hscan_iter(keys.strays(kind, source), count=PAGE):
            number, count, _ = field.split(b"/")
            if first <= int(number) and (after is None or int(number) < after):
                yield HotEntry(int(number), int(number) + int(count), payload, kind, "strays", field)


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
