"""Numbers that are missing below stored ones and may still come: what is known of them, and where it is kept.

Redis hash ``holes:{site/device}:{boot}``: ``kind/first/after`` -> JSON of how long and how often it was asked
for. Only holes that were asked for are in it; what will never come is a gap (models.py). The set ``holed``
names the sources that have such a hash: whoever takes over a site knows from it where to go on asking.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson

from services.telemetry.models import Kind, Place, Source

HOLED: Final = "holed"  # set of "site/device boot"


class Hole(NamedTuple):
    """Numbers ``first`` .. ``after - 1`` of one stream that are not stored."""

    kind: Kind
    source: Source
    first: int
    after: int

    @property
    def field(self) -> str:
        """As it stands in the hash."""
        return f"{self.kind}/{self.first}/{self.after}"


@dataclass(frozen=True, slots=True)
class Asking:
    """What was done about a hole: since when (wall clock, for people), seconds waited, how often asked."""

    since: str
    waited_s: float
    asks: int


def holes_key(source: Source) -> str:
    """The hash of one device and boot."""
    return f"holes:{{{source.place}}}:{source.boot}"


def read_holes(client: Any, source: Source) -> dict[Hole, Asking]:
    """Every hole of a device and boot that was asked for and is not known to be closed."""
    return read_all_holes(client, [source])[source]


def read_all_holes(client: Any, sources: Sequence[Source]) -> dict[Source, dict[Hole, Asking]]:
    """The same of many, in one round trip."""
    pipe = client.pipeline(transaction=False)
    for source in sources:
        pipe.hgetall(holes_key(source))
    return {
        source: {_hole(source, name): Asking(**orjson.loads(known)) for name, known in fields.items()}
        for source, fields in zip(sources, pipe.execute(), strict=True)
    }


def read_holed(client: Any, site: str) -> list[Source]:
    """The sources of a site (``*``: of all) that have holes which were asked for."""
    found = []
    for member in client.sscan_iter(HOLED, match=f"{site}/*", count=1000):
        place, _, boot = member.decode().partition(" ")
        found.append(Source(Place.parse(place), UUID(boot)))
    return found


def write_holes(client: Any, changes: Mapping[Hole, Asking | None]) -> None:
    """Keep what is known; None forgets a hole. Lost in a crash, it is found out again."""
    if not changes:
        return
    pipe = client.pipeline(transaction=False)
    sources = {hole.source: None for hole in changes}
    for hole, asking in changes.items():
        if asking is None:
            pipe.hdel(holes_key(hole.source), hole.field)
        else:
            known = asdict(asking) | {"waited_s": round(asking.waited_s, 1)}
            pipe.hset(holes_key(hole.source), hole.field, orjson.dumps(known))
    for source in sources:
        pipe.hlen(holes_key(source))
    left = pipe.execute()[-len(sources) :]
    for source, count in zip(sources, left, strict=True):
        name = f"{source.place} {source.boot}"
        if count:
            pipe.sadd(HOLED, name)
        else:
            pipe.srem(HOLED, name)
    pipe.execute()


def holes_of(source: Source, missing: Mapping[Kind, Iterable[tuple[int, int]]]) -> Iterator[Hole]:
    """The holes of one source, as ``Spans.holes`` gives them by stream."""
    for kind, spans in missing.items():
        for first, after in spans:
            yield Hole(kind, source, first, after)


def waiting_since(now: datetime) -> Asking:
    """Nothing was done yet."""
    return Asking(now.isoformat(timespec="seconds"), 0.0, 0)


def _hole(source: Source, field: bytes) -> Hole:
    kind, first, after = field.decode().split("/")
    return Hole(kind, source, int(first), int(after))  # type: ignore[arg-type]  # written by ``field``
