"""What waits in Redis of one kind and source, in a few large pieces: a session is thousands of entries.

As so many small objects they would lie between what stays, and hold on to memory that nobody uses any more.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple, overload

import numpy as np

from services.telemetry.archive.planning import Spans
from services.telemetry.models import MAX_SEQ, Kind

Lane = Literal["stream", "late", "strays"]


class HotEntry(NamedTuple):
    """An entry and where it stands, so that just this one can be taken away."""

    first: int
    after: int
    payload: bytes
    kind: Kind
    lane: Lane
    id: bytes
    flaw: str = ""  # why it is no entry of ours, whatever its payload says


def _id(first: int) -> bytes:
    """Of an entry as ingest writes it: Redis has no 0-0."""
    return b"%d-1" % first


def _is_plain(entry: HotEntry) -> bool:
    streamed = entry.lane != "strays" and entry.id == _id(entry.first)
    return streamed and not entry.flaw and entry.after <= MAX_SEQ


class _Table:
    """Entries in the order in which they were read; what is not as ingest writes it is kept as it is."""

    def __init__(self) -> None:
        self.numbers = array("q")  # first and after in turn
        self.ends = array("q", [0])  # of the payloads, one behind the other
        self.text = bytearray()
        self.ways: list[tuple[Kind, Lane]] = []
        self.way = bytearray()  # which of these, an entry
        self.odd: dict[int, HotEntry] = {}

    def add(self, entry: HotEntry) -> None:
        """One more."""
        if _is_plain(entry):
            self.text += entry.payload
        else:
            self.odd[len(self.way)] = entry
        self.numbers.extend((min(entry.first, MAX_SEQ), min(entry.after, MAX_SEQ)))
        self.ends.append(len(self.text))
        way = (entry.kind, entry.lane)
        if way not in self.ways:
            self.ways.append(way)
        self.way.append(self.ways.index(way))

    def entry(self, row: int) -> HotEntry:
        """As it was."""
        if row in self.odd:
            return self.odd[row]
        first, after = self.numbers[2 * row : 2 * row + 2]
        payload = bytes(memoryview(self.text)[self.ends[row] : self.ends[row + 1]])
        kind, lane = self.ways[self.way[row]]
        return HotEntry(first, after, payload, kind, lane, _id(first))


class HotEntries(Sequence[HotEntry]):
    """Entries in order of (first, after), each made when it is asked for."""

    def __init__(self, entries: Iterable[HotEntry] = ()) -> None:
        self._table = _Table()
        for entry in entries:
            self._table.add(entry)
        numbers = np.array(self._table.numbers, np.int64).reshape(-1, 2)
        self._order: Spans = np.lexsort((numbers[:, 1], numbers[:, 0]))
        self.spans: Spans = numbers[self._order]  # int64[entries, 2]: first, after

    def pick(self, places: Spans | slice) -> "HotEntries":
        """Those at these places (indices or a mask), of the same table."""
        found = object.__new__(HotEntries)
        found._table, found._order, found.spans = self._table, self._order[places], self.spans[places]
        return found

    @property
    def flawed(self) -> bool:
        """Whether any of them has a flaw."""
        flawed = {row for row, entry in self._table.odd.items() if entry.flaw}
        return bool(flawed) and not flawed.isdisjoint(self._order.tolist())

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[HotEntry]:
        return map(self._table.entry, map(int, self._order))

    @overload
    def __getitem__(self, at: int) -> HotEntry: ...
    @overload
    def __getitem__(self, at: slice) -> "HotEntries": ...
    def __getitem__(self, at: int | slice) -> "HotEntry | HotEntries":
        return self.pick(at) if isinstance(at, slice) else self._table.entry(int(self._order[at]))


NONE: Final = HotEntries()
