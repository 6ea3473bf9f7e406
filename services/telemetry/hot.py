"""The reading side of Redis: devices, sessions, blocks; many threads may ask at once."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, cast
from uuid import UUID

import orjson

from broker.messages import TensionBlock
from services.telemetry import keys, lanes
from services.telemetry.errors import AmbiguousDevice, UnknownDevice, UnknownSession
from services.telemetry.holes import Asking, Hole, read_all_holes, read_holed
from services.telemetry.lanes import Look
from services.telemetry.models import KINDS, VALUES, Block, Gap, Kind, Place, Raw, Source
from services.telemetry.store import connect, read_entries, read_gaps, told

BACKWARDS: Final = 100  # entries a page when reading from the end


@dataclass(frozen=True, slots=True)
class Overview:
    """The last of a device: `state` and `alarm` as published, its boots oldest first, its newest block."""

    latest: dict[str, Any]
    boots: list[UUID]
    newest: Block | None


class Hot:
    """What Redis holds, read only."""

    def __init__(self, url: str) -> None:
        self._redis = connect(url)

    def close(self) -> None:
        """Let go of the connections."""
        self._redis.close()

    # --- who and what --------------------------------------------------------------------------------------
    def place(self, device: str, site: str | None = None) -> Place:
        """Where a device of this name stands. Raises UnknownDevice, AmbiguousDevice."""
        found = [place for place in self.places() if place.device == device and site in (None, place.site)]
        if not found:
            raise UnknownDevice(f"device {device!r} is not known here: GET /devices lists those that are")
        if len(found) > 1:
            sites = " and ".join(place.site for place in found)
            raise AmbiguousDevice(f"device {device!r} stands in {sites}: add ?site=")
        return found[0]

    def places(self) -> list[Place]:
        """Every device that ever sent anything, in order."""
        with told():
            return sorted(Place.parse(text.decode()) for text in self._redis.smembers(keys.DEVICES))

    def heard(self) -> dict[Place, int]:
        """When the newest block of each device came in, ms since the epoch."""
        with told():
            found = self._redis.hgetall(keys.HEARD)
        return {Place.parse(place.decode()): int(at) for place, at in found.items()}

    def holes(self) -> dict[Source, dict[Hole, Asking]]:
        """What gateways were asked for and still owe, by device and boot."""
        with told():
            return read_all_holes(self._redis, read_holed(self._redis, "*"))

    def boots(self, place: Place) -> list[UUID]:
        """A device's boots in the order in which they were first heard of."""
        with told():
            return [UUID(text.decode()) for text in self._redis.zrange(keys.boots(place), 0, -1)]

    def latest(self, place: Place) -> dict[str, Any]:
        """The last `state` and `alarm` of a device, as they were published."""
        with told():
            fields = self._redis.hgetall(keys.latest(place))
        return _loaded(fields)

    def overview(self, places: Sequence[Place]) -> dict[Place, Overview]:
        """The last of every device, in two round trips for all of them."""
        pipe = self._redis.pipeline(transaction=False)
        for place in places:
            pipe.hgetall(keys.latest(place))
            pipe.zrange(keys.boots(place), 0, -1)
        with told():
            answers = pipe.execute()
        boots = {
            place: [UUID(text.decode()) for text in found]
            for place, found in zip(places, answers[1::2], strict=True)
        }
        newest = self._newest([Source(place, found[-1]) for place, found in boots.items() if found])
        return {
            place: Overview(_loaded(latest), boots[place], newest.get(place))
            for place, latest in zip(places, answers[::2], strict=True)
        }

    def _newest(self, sources: Sequence[Source]) -> dict[Place, Block]:
        pipe = self._redis.pipeline(transaction=False)
        for source in sources:
            pipe.xrevrange(keys.stream("tension", source), count=1)
        with told():
            answers = pipe.execute()
        pairs = zip(sources, answers, strict=True)
        return {source.place: _block(found[0][1][b"d"]) for source, found in pairs if found}

    def gateways(self) -> dict[Place, dict[str, Any]]:
        """Every gateway's last word: its birth, or the end of that very boot."""
        with told():
            places = [Place.parse(text.decode()) for text in self._redis.smembers(keys.GATEWAYS)]
            told_of = {place: self._redis.hgetall(keys.gateway(place)) for place in places}
        return {place: last_word(fields) for place, fields in told_of.items()}

    # --- sessions -------------------------------------------------------------------------------------------
    def sessions(self, limit: int) -> list[tuple[UUID, dict[str, str]]]:
        """The sessions that started last, newest first."""
        with told():
            ids = [UUID(text.decode()) for text in self._redis.zrevrange(keys.SESSIONS, 0, limit - 1)]
            pipe = self._redis.pipeline(transaction=False)
            for session_id in ids:
                pipe.hgetall(keys.session(session_id))
            found = pipe.execute()
        return [(session_id, _text(fields)) for session_id, fields in zip(ids, found, strict=True) if fields]

    def session(self, session_id: UUID) -> dict[str, str]:
        """What is known of a session. Raises UnknownSession."""
        with told():
            fields = self._redis.hgetall(keys.session(session_id))
        if not fields:
            raise UnknownSession(f"session {session_id} is not known here")
        return _text(fields)

    def events(self, source: Source) -> list[dict[str, Any]]:
        """Every event of a device and boot, in order."""
        with told():
            found = sorted(read_entries(self._redis, "event", source), key=lambda row: row[0])
        return [orjson.loads(content) for _, _, content, _ in found]

    # --- blocks ---------------------------------------------------------------------------------------------
    def sources(self) -> Iterator[Source]:
        """Every device and boot, in two round trips."""
        places = self.places()
        pipe = self._redis.pipeline(transaction=False)
        for place in places:
            pipe.zrange(keys.boots(place), 0, -1)
        with told():
            found = pipe.execute()
        for place, boots in zip(places, found, strict=True):
            yield from (Source(place, UUID(text.decode())) for text in boots)

    def all_spans(
        self, pairs: Iterable[tuple[Kind, Source]]
    ) -> Iterator[tuple[Kind, Source, list[lanes.Stored]]]:
        """What is stored of many streams, as the entries themselves say; no payload leaves Redis."""
        with told():
            yield from lanes.all_spans(self._redis, pairs)

    def filled(self, sources: Sequence[Source]) -> list[tuple[Kind, Source]]:
        """Which kinds of which sources have anything here, in one round trip."""
        pipe = self._redis.pipeline(transaction=False)
        pairs: list[tuple[Kind, Source]] = [(kind, source) for source in sources for kind in KINDS]
        for kind, source in pairs:
            for lane in keys.lanes(kind, source):
                pipe.xlen(lane)
            pipe.hlen(keys.strays(kind, source))
        with told():
            sizes = pipe.execute()
        return [pair for row, pair in enumerate(pairs) if any(sizes[3 * row : 3 * row + 3])]

    def all_gaps(self, sources: Sequence[Source]) -> dict[Source, list[Gap]]:
        """What is known to come never, of all these, in one round trip."""
        pipe = self._redis.pipeline(transaction=False)
        for source in sources:
            pipe.hgetall(keys.gaps(source))
        with told():
            found = pipe.execute()
        return {source: _gaps(source, fields) for source, fields in zip(sources, found, strict=True)}

    def gaps(self, source: Source) -> list[Gap]:
        """Numbers that are known to come never, with the reason."""
        with told():
            return read_gaps(self._redis, source)

    def newest(self, source: Source) -> Block | None:
        """The last block of a device and boot."""
        return next(iter(self._backwards(source)), None)

    def last_blocks(self, source: Source, count: int) -> list[Block]:
        """The last ``count`` blocks in order, late ones in their places."""
        newest = list(itertools.islice(self._backwards(source), count))
        first = newest[-1].seq if len(newest) == count else 0
        return self.blocks(source, first, None)[-count:]

    def blocks(self, source: Source, first: int, after: int | None) -> list[Block]:
        """The blocks that hold samples ``first`` .. ``after - 1`` (None: up to now), late ones in place."""
        return [_block(content) for _, _, content in self.raw("tension", source, first, after)]

    def raw(self, kind: Kind, source: Source, first: int = 0, after: int | None = None) -> list[Raw]:
        """(first, count, payload) of every entry that holds any of ``first`` .. ``after - 1`` (None: all).

        In order of number, late ones in their places; two contents under one number are both there.
        """
        with told():
            found = lanes.entries(self._redis, kind, source, first, after)
        inside = (row for row in found if row[0] + row[1] > first and (after is None or row[0] < after))
        return sorted(inside, key=itemgetter(0))

    def look(self, kind: Kind, source: Source) -> Look:
        """What the streams say of themselves: two looks tell whether anything has changed between them."""
        with told():
            return lanes.look(self._redis, kind, source)

    def late_since(self, kind: Kind, source: Source, behind: bytes) -> list[tuple[int, int]]:
        """(first, after) of what came late behind an entry of that id (empty: all)."""
        with told():
            return list(lanes.spans(self._redis, keys.late(kind, source), behind))

    def _backwards(self, source: Source) -> Iterator[Block]:
        at = "+"
        with told():
            while page := self._redis.xrevrange(keys.stream("tension", source), at, "-", count=BACKWARDS):
                for _, fields in page:
                    yield _block(fields[b"d"])
                at = f"({page[-1][0].decode()}"


def _gaps(source: Source, fields: dict[bytes, bytes]) -> list[Gap]:
    found = []
    for field, reason in fields.items():
        kind, first, after = field.decode().split("/")
        found.append(Gap(cast("Kind", kind), source, int(first), int(after), reason.decode()))
    return found


def _loaded(fields: dict[bytes, bytes]) -> dict[str, Any]:
    return {name.decode(): orjson.loads(payload) for name, payload in fields.items()}


def _text(fields: dict[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in fields.items()}


def _block(content: bytes) -> Block:
    message = TensionBlock.model_validate_json(content)
    values = {name: list(getattr(message, name)) for name in VALUES}
    return Block(message.seq, message.started_at, message.period_ms, values, list(message.phase))


def last_word(fields: dict[bytes, bytes]) -> dict[str, Any]:
    """A will of an earlier boot cannot end a later one."""
    birth = orjson.loads(fields[b"birth"]) if b"birth" in fields else {}
    end = orjson.loads(fields[b"end"]) if b"end" in fields else {}
    if not birth:
        return dict(end)
    over = end.get("boot") == birth["boot"]
    return {**birth, "state": end["state"], "at": end["at"]} if over else dict(birth)
