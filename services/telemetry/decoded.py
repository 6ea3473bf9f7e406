"""Tension out of Redis as runs, the older part kept decoded: a wide curve is decoded once, not at each look.

Samples are kept in pieces of ``PIECE`` numbers, each the very samples that Redis would give of them. What
comes in order begins behind the last entry, so that it never touches a piece below; for all else, late
entries, strays, and what the archiver takes away, the streams are looked at before every answer, and what is
touched is let go. What is kept is therefore always what was there at that look.
"""

import itertools
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from services.telemetry.archive.models import BITS, Run, join, narrowed
from services.telemetry.archive.runs import tension_runs
from services.telemetry.hot import Hot
from services.telemetry.lanes import Look
from services.telemetry.models import Source

PIECE: Final = 1024  # samples: 20 s
WIDE: Final = 2 * PIECE  # a window that is narrower is read as it is
PIECES_AT_ONCE: Final = 64  # read and decoded together: bounds what is in memory undecoded
MOST_PIECES: Final = 20_000  # of one window, nine days: one that is wider, or absurd, is read as it is
LIMIT_BYTES: Final = 64_000_000  # of samples kept; some four million, or seventy hours of one bed at 50 Hz
_OVERHEAD: Final = 2000  # bytes of a piece beside its columns

Runs = Sequence[Run]
_Key = tuple[Source, int]


@dataclass(slots=True)
class _Known:
    """Which pieces of a source are kept, and the look at which they were right."""

    look: Look
    pieces: set[int] = field(default_factory=set)


class Decoded:
    """The tension of ``hot``; at most ``limit_bytes`` are kept, those asked for last. For many threads."""

    def __init__(self, hot: Hot, limit_bytes: int = LIMIT_BYTES) -> None:
        self._hot = hot
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._known: dict[Source, _Known] = {}
        self._kept: OrderedDict[_Key, tuple[Runs, int]] = OrderedDict()
        self.bytes = 0

    def runs(self, source: Source, first: int, after: int | None) -> list[Run]:
        """Samples ``first`` .. ``after - 1`` (None: all), joined where they touch."""
        if after is not None and after - first < WIDE:
            return self._read(source, first, after)
        now = self._hot.look("tension", source)
        low = max(first, now.begins) // PIECE
        behind = now.newest // PIECE if after is None else min(now.newest, after) // PIECE
        if not 0 < behind - low <= MOST_PIECES:
            return self._read(source, first, after)
        found = self._pieces(source, now, low, behind)
        tail = behind * PIECE
        if after is None or after > tail:
            found += self._read(source, tail, after)
        end = max((run.after for run in found), default=first) if after is None else after
        return join(level([run.slice(first, end) for run in found if run.first < end and run.after > first]))

    def _read(self, source: Source, first: int, after: int | None) -> list[Run]:
        """As Redis has it; what reaches in from outside is cut."""
        runs = tension_runs(self._hot.raw("tension", source, first, after))
        end = max((run.after for run in runs), default=first) if after is None else after
        return [run.slice(first, end) for run in runs if run.first < end and run.after > first]

    # --- pieces ---------------------------------------------------------------------------------------------
    def _pieces(self, source: Source, now: Look, low: int, behind: int) -> list[Run]:
        """The samples of pieces ``low`` .. ``behind - 1``: those that are kept, and the others read."""
        found = self._take(source, now, range(low, behind))
        missing = [number for number in range(low, behind) if number not in found]
        for group in _neighbours(missing):
            found |= self._fill(source, now, group)
        return [run for number in range(low, behind) for run in found[number]]

    def _take(self, source: Source, now: Look, wanted: Iterable[int]) -> dict[int, Runs]:
        if not self._advance(source, now):
            return {}
        with self._lock:
            if not self._is_at(source, now):
                return {}
            found = {}
            for number in wanted:
                kept = self._kept.get((source, number))
                if kept is not None:
                    self._kept.move_to_end((source, number))
                    found[number] = kept[0]
            return found

    def _fill(self, source: Source, before: Look, group: range) -> dict[int, Runs]:
        """Read pieces and keep those that nothing has touched while they were read."""
        runs = self._read(source, group.start * PIECE, group.stop * PIECE)
        found: dict[int, Runs] = {number: _cut(runs, number) for number in group}
        since = self._hot.look("tension", source)
        touched = self._touched(source, before, since)
        if touched is not None and self._advance(source, since):
            self._keep(source, since, {number: found[number] for number in group if number not in touched})
        return found

    def _keep(self, source: Source, look: Look, pieces: dict[int, Runs]) -> None:
        with self._lock:
            if not self._is_at(source, look):
                return
            known = self._known[source]
            for number, runs in pieces.items():
                self._drop(source, [number])
                size = _OVERHEAD + sum(column.nbytes for run in runs for column in run.columns.values())
                self._kept[source, number] = (runs, size)
                known.pieces.add(number)
                self.bytes += size
            while self.bytes > self._limit:
                oldest = next(iter(self._kept))
                self._drop(oldest[0], [oldest[1]])
            self._known = {one: its for one, its in self._known.items() if its.pieces or one == source}

    def _drop(self, source: Source, numbers: Iterable[int]) -> None:
        for number in numbers:
            kept = self._kept.pop((source, number), None)
            if kept is not None:
                self.bytes -= kept[1]
                self._known[source].pieces.discard(number)

    # --- what has changed -----------------------------------------------------------------------------------
    def _advance(self, source: Source, now: Look) -> bool:
        """Let go of what was touched since the last look; False when another thread was quicker."""
        with self._lock:
            before = self._known.setdefault(source, _Known(now)).look
        touched = self._touched(source, before, now)
        with self._lock:
            known = self._known.setdefault(source, _Known(now))
            if known.look is not before:
                return _settled(known.look) == _settled(now)
            self._drop(source, list(known.pieces if touched is None else known.pieces & touched))
            known.look = now
            return True

    def _is_at(self, source: Source, look: Look) -> bool:
        return source in self._known and _settled(self._known[source].look) == _settled(look)

    def _touched(self, source: Source, before: Look, now: Look) -> set[int] | None:
        """The pieces that a late entry has changed between two looks; None: any may have changed."""
        if now.stream.added < before.stream.added:
            return None
        if _settled(before) == _settled(now):
            return set()
        grown = replace(before.late, added=now.late.added, last=now.late.last)
        late = grown if before.late.first else now.late
        is_only_late = _settled(replace(before, late=late)) == _settled(now)
        if not is_only_late or now.late.added < before.late.added or now.late.removed != before.late.removed:
            return None
        spans = self._hot.late_since("tension", source, before.late.last)
        return {number for first, after in spans for number in _numbers(first, after)}


def _settled(look: Look) -> tuple[object, ...]:
    """What no entry in order changes."""
    return look.stream.removed, look.stream.first, look.late, look.strays


def _numbers(first: int, after: int) -> range:
    return range(first // PIECE, min(-(-after // PIECE), first // PIECE + MOST_PIECES))


def _neighbours(numbers: Sequence[int]) -> Iterable[range]:
    """Numbers in order as ranges of at most PIECES_AT_ONCE."""
    for _, group in itertools.groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        part = [number for _, number in group]
        for at in range(part[0], part[-1] + 1, PIECES_AT_ONCE):
            yield range(at, min(at + PIECES_AT_ONCE, part[-1] + 1))


def _cut(runs: Runs, number: int) -> list[Run]:
    """The samples of one piece, as copies: a view would keep all that was read with it."""
    first, after = number * PIECE, (number + 1) * PIECE
    parts = [run.slice(first, after) for run in runs if run.first < after and run.after > first]
    return [
        replace(part, columns={name: column.copy() for name, column in part.columns.items()})
        for part in parts
    ]


def level(runs: Sequence[Run]) -> list[Run]:
    """The same samples, each column in the most decimals that it has in any of the runs: they can be joined.

    The floats stay the very same; a column of floats' bits stays as it is.
    """
    most: dict[str, int] = {}
    for run in runs:
        for name, decimals in run.decimals.items():
            most[name] = max(most.get(name, BITS), decimals)
    return [_levelled(run, most) for run in runs]


def _levelled(run: Run, most: dict[str, int]) -> Run:
    low = {name: most[name] - own for name, own in run.decimals.items() if own not in (BITS, most[name])}
    if not low:
        return run
    scaled = {
        name: narrowed(run.columns[name].astype(np.int64) * 10**places)
        for name, places in low.items()
        if name in run.columns
    }
    decimals = {**run.decimals, **{name: most[name] for name in low}}
    return replace(run, columns={**run.columns, **scaled}, decimals=decimals)
