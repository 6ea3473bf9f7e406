"""The streams of one device and boot as they lie in Redis: what is in them, and whether that has changed."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import redis

from services.telemetry import keys
from services.telemetry.models import Kind, Raw, Source
from services.telemetry.reading import number_of, read_strays

PAGE: Final = 500  # entries a question: Redis is held up for about a millisecond
AT_ONCE: Final = 200  # streams asked in one round trip: bounds what is in memory, a page of each

Stored = tuple[int, int, bool]  # first, after, late


@dataclass(frozen=True, slots=True)
class Lane:
    """One stream: how many entries it ever had and how many of them are gone, its first and last id."""

    added: int = 0
    removed: int = 0
    first: bytes = b""
    last: bytes = b""


@dataclass(frozen=True, slots=True)
class Look:
    """Both lanes and the fields of the hash of strays, all in the same instant."""

    stream: Lane
    late: Lane
    strays: frozenset[bytes]

    @property
    def begins(self) -> int:
        """No number below it is here."""
        firsts = [number_of(lane.first) for lane in (self.stream, self.late) if lane.first]
        return min([*firsts, *(int(field.split(b"/")[0]) for field in self.strays)], default=0)

    @property
    def newest(self) -> int:
        """Where the stream's last entry begins: what is added to it begins behind; 0 when it is empty."""
        return number_of(self.stream.last) if self.stream.last else 0


def look(client: Any, kind: Kind, source: Source) -> Look:
    """What the streams say of themselves, without their entries, in one round trip."""
    pipe = client.pipeline(transaction=True)
    for lane in keys.lanes(kind, source):
        pipe.xinfo_stream(lane)
    pipe.hkeys(keys.strays(kind, source))
    stream, late, strays = pipe.execute(raise_on_error=False)
    if isinstance(strays, Exception):
        raise strays
    return Look(_lane(stream), _lane(late), frozenset(strays))


def _lane(told: Any) -> Lane:
    if isinstance(told, redis.ResponseError) and "no such key" in str(told):
        return Lane()
    if isinstance(told, Exception):
        raise told
    ends = [told[name][0] if told[name] else b"" for name in ("first-entry", "last-entry")]
    return Lane(told["entries-added"], told["entries-added"] - told["length"], *ends)


def spans(client: Any, lane: str, behind: bytes = b"") -> Iterator[tuple[int, int]]:
    """(first, after) of a stream's entries, those behind an id; no payload leaves Redis."""
    at = b"(" + behind if behind else b"-"
    while at:
        found, at = _span_page(client.eval(_SPANS, 1, lane, at, PAGE))
        yield from found


def all_spans(
    client: Any, pairs: Iterable[tuple[Kind, Source]]
) -> Iterator[tuple[Kind, Source, list[Stored]]]:
    """What lies in both lanes and the strays of many streams, some hundred asked in a round trip.

    Entries in order that touch are told as one; every late one by itself.
    """
    waiting = (_Reading(kind, source, keys.lanes(kind, source)) for kind, source in pairs)
    active: list[_Reading] = []
    while active := [*active, *itertools.islice(waiting, AT_ONCE - len(active))]:
        pipe = client.pipeline(transaction=False)
        for one in active:
            one.ask(pipe)
        answers = iter(pipe.execute())
        for one in active:
            one.take(answers)
        yield from ((one.kind, one.source, one.found) for one in active if one.is_done)
        active = [one for one in active if not one.is_done]


@dataclass(slots=True)
class _Reading:
    """A stream's lanes in turn, then its strays: what moves on meanwhile is seen, none is missed."""

    kind: Kind
    source: Source
    lanes: Sequence[str]  # those to be read yet
    at: bytes = b"-"  # in the first of them
    asked: int = 0
    found: list[Stored] = field(default_factory=list)
    is_done: bool = False

    def ask(self, pipe: Any) -> None:
        """All there is as long as nothing is known to be longer than a page, else that alone."""
        asked = self.lanes if self.at == b"-" else self.lanes[:1]
        for lane in asked:
            pipe.eval(_SPANS, 1, lane, self.at, PAGE)
        if self.at == b"-":
            pipe.hkeys(keys.strays(self.kind, self.source))
        self.asked = len(asked) + (self.at == b"-")

    def take(self, answers: Iterator[Any]) -> None:
        """Its part of the answers; what was read before the end of the lane above it is read again."""
        mine = list(itertools.islice(answers, self.asked))
        for answer in mine:
            if not self.lanes:
                self._add((_stray_span(name) for name in answer), late=True)
                self.is_done = True
                return
            page, at = _span_page(answer)
            self._add(page, late=len(self.lanes) == 1)
            self.at = at or b"-"
            if at:
                return
            self.lanes = self.lanes[1:]

    def _add(self, page: Iterable[tuple[int, int]], *, late: bool) -> None:
        for first, after in page:
            if not late and self.found and self.found[-1][1] == first:
                self.found[-1] = (self.found[-1][0], after, False)
            else:
                self.found.append((first, after, late))


def _span_page(answer: list[Any]) -> tuple[list[tuple[int, int]], bytes]:
    """(first, after) of a page's entries, and where the next page begins; empty: there is none."""
    ids, counts, size, last = answer
    numbers = zip(map(number_of, ids.split()), map(int, counts.split()), strict=True)
    return [(first, first + count) for first, count in numbers], b"(" + last if size == PAGE else b""


def _stray_span(name: bytes) -> tuple[int, int]:
    first, count, _ = name.split(b"/")
    return int(first), int(first) + int(count)


def entries(client: Any, kind: Kind, source: Source, first: int, after: int | None) -> list[Raw]:
    """The entries of both lanes that begin in ``first`` .. ``after - 1``, the one before, and all strays.

    The one before may reach in. One round trip for what fits a page. Ids end in -1, so that ``{number}-0``
    lies just before the entry of that number.
    """
    end = "+" if after is None else f"{after}-0"
    lanes, strays = keys.lanes(kind, source), keys.strays(kind, source)
    pipe = client.pipeline(transaction=False)
    for lane in lanes:
        pipe.xrevrange(lane, f"{first}-0", "-", count=1)
        pipe.eval(_ENTRIES, 1, lane, f"{first}-0", end, PAGE)
    pipe.hlen(strays)
    *answers, stray_count = pipe.execute()
    found: list[Raw] = []
    for lane, before, page in zip(lanes, answers[::2], answers[1::2], strict=True):
        found += [(number_of(entry_id), int(fields[b"n"]), fields[b"d"]) for entry_id, fields in before]
        found += _pages(client, lane, page, end)
    if stray_count:
        found += read_strays(client, kind, source)
    return found


def _pages(client: Any, lane: str, page: list[bytes], end: str) -> Iterator[Raw]:
    """A page of a stream and all behind it."""
    while True:
        ids, counts, sizes = (part.split() for part in page[:3])
        payloads, begin = page[3], 0
        for entry_id, count, size in zip(ids, map(int, counts), map(int, sizes), strict=True):
            yield number_of(entry_id), count, payloads[begin : begin + size]
            begin += size
        if len(ids) < PAGE:
            return
        page = client.eval(_ENTRIES, 1, lane, b"(" + ids[-1], end, PAGE)


# Ids and counts of a page of entries as two strings, how many entries there were, the last one's id.
_SPANS: Final = """
local ids, counts, last = {}, {}, ''
local page = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
for _, entry in ipairs(page) do
  for at = 1, #entry[2], 2 do
    if entry[2][at] == 'n' then
      ids[#ids + 1] = entry[1]
      counts[#counts + 1] = entry[2][at + 1]
    end
  end
  last = entry[1]
end
return {table.concat(ids, ' '), table.concat(counts, ' '), #page, last}
"""

# A page of entries as four strings, ids, counts, sizes and all payloads: a thousand small answers cost the
# client more than the samples in them.
_ENTRIES: Final = """
local ids, counts, sizes, payloads = {}, {}, {}, {}
for at, entry in ipairs(redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[2], 'COUNT', ARGV[3])) do
  ids[at] = entry[1]
  for place = 1, #entry[2], 2 do
    local value = entry[2][place + 1]
    if entry[2][place] == 'n' then counts[at] = value end
    if entry[2][place] == 'd' then payloads[at] = value; sizes[at] = #value end
  end
end
local blank = function(parts) return table.concat(parts, ' ') end
return {blank(ids), blank(counts), blank(sizes), table.concat(payloads)}
"""
