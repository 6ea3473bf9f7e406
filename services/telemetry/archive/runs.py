"""What lies in the hot store -> runs in exact integers, and back to the messages.

A value that is a decimal of 1 to 3 places becomes the integer count of that place, and ``count / 10**places``
is the very float again. Where one is not, the 64 bits of the floats are kept: nothing is ever rounded. (The
sign of a zero is the one thing not kept.)
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice
from operator import attrgetter
from typing import Any, Final, NamedTuple
from zlib import crc32

import msgspec
import numpy as np
import orjson

from broker.messages import TensionBlock
from services.kit.moments import EPOCH
from services.telemetry.archive.models import (
    BIT,
    BITS,
    PHASE,
    PHASES,
    UNMEASURED,
    VALUES,
    Counts,
    Floats,
    Run,
    heads,
    narrowed,
    thin_times,
)
from services.telemetry.errors import Corrupt

Stored = tuple[int, int, bytes]  # first, count, payload
_MICROSECOND: Final = timedelta(microseconds=1)
_DECIMALS: Final = (1, 2, 3)
_EXACT_BELOW: Final = 2.0**53
_PHASE_CODES: Final = {name: code for code, name in enumerate(PHASES)}
_WHOLE: Final = "as_it_came"  # the column of a chunk whose own columns are not one integer a sample
MAX_COUNT: Final = 1 << 20  # samples of one entry: a message holds a few thousand


class _Block(msgspec.Struct):
    """A TensionBlock as the gateway writes it; what differs goes through the contract's own model."""

    seq: int
    started_at: datetime
    period_ms: float
    tension_n: list[float]
    target_n: list[float]
    position_mm: list[float]
    residual_n: list[float]
    phase: list[str]
    unmeasured: dict[str, list[tuple[int, int]]] | None = None


_BLOCK: Final = msgspec.json.Decoder(_Block)
_BLOCKS: Final = msgspec.json.Decoder(list[_Block])
_COLUMNS: Final = tuple(map(attrgetter, VALUES))
READ_AT_ONCE: Final = 256  # blocks: their lists stay in the processor's cache, and are few for the collector


# --- tension ------------------------------------------------------------------------------------------------
def tension_runs(entries: Iterable[Stored]) -> list[Run]:
    """Runs of tension samples, joined where they touch; a sample that came twice is taken once.

    Entries (first, count, payload as published) in any order. Raises Corrupt for what is no block of just
    these numbers.
    """
    parts = [_Part.of(some) for some in _some_at_once(entries)]
    if not parts:
        return []
    table = _Table(parts)
    return [table.run(*group) for group in table.groups()]


def _some_at_once(entries: Iterable[Stored]) -> Iterator[list[Stored]]:
    rest = iter(entries)
    while some := list(islice(rest, READ_AT_ONCE)):
        yield some


def _blocks(payloads: Sequence[bytes]) -> list[_Block]:
    """All of them read at once; one by one when that fails, or when a payload was more than one value."""
    try:
        blocks = _BLOCKS.decode(b"[" + b",".join(payloads) + b"]")
    except msgspec.MsgspecError:
        return [_block(payload) for payload in payloads]
    return blocks if len(blocks) == len(payloads) else [_block(payload) for payload in payloads]


def _block(payload: bytes) -> _Block:
    try:
        return _BLOCK.decode(payload)
    except msgspec.MsgspecError:
        pass
    try:
        message = TensionBlock.model_validate_json(payload)
    except ValueError as error:
        raise Corrupt(f"stored as a tension block, and is none: {str(error).splitlines()[0]}") from None
    return _Block(**{name: getattr(message, name) for name in _Block.__struct_fields__})


class _Part(NamedTuple):
    """Some blocks as columns: their lists are gone before the next ones are read."""

    numbers: Counts  # int64[blocks, 3]: seq, count, microseconds since the epoch
    periods: Floats  # one a block
    floats: Floats  # a row a column
    phases: Counts
    unmeasured: Counts | None  # the bits of that column; None: all was measured

    @classmethod
    def of(cls, stored: Sequence[Stored]) -> "_Part":
        """Raises Corrupt."""
        blocks = _blocks([payload for _, _, payload in stored])
        for (first, count, _), block in zip(stored, blocks, strict=True):
            lists = (block.tension_n, block.target_n, block.position_mm, block.residual_n, block.phase)
            sizes = {len(one) for one in lists}
            if count < 1 or first != block.seq or sizes != {count} or block.started_at.tzinfo is None:
                raise Corrupt(
                    f"tension block {block.seq}, stored as {first} with {count} samples: "
                    f"its columns hold {sorted(sizes)}, or it has no zone"
                )
        floats = np.array([list(chain.from_iterable(map(column, blocks))) for column in _COLUMNS], np.float64)
        names = chain.from_iterable(block.phase for block in blocks)
        try:
            phases = np.array(list(map(_PHASE_CODES.__getitem__, names)), np.int64)
        except KeyError as error:
            raise Corrupt(f"phase {error} is not one that the archive has a number for") from None
        numbers = np.array([
            (first, count, (block.started_at - EPOCH) // _MICROSECOND)
            for (first, count, _), block in zip(stored, blocks, strict=True)
        ], np.int64)  # fmt: skip
        periods = np.array([block.period_ms for block in blocks], np.float64)
        return cls(numbers, periods, floats, phases, _unmeasured(blocks))


def _unmeasured(blocks: Sequence[_Block]) -> Counts | None:
    """What of each sample nobody measured, in bits; None when that is nothing."""
    if not any(block.unmeasured for block in blocks):
        return None
    rows = [np.zeros(len(block.phase), np.int32) for block in blocks]
    for row, block in zip(rows, blocks, strict=True):
        for name, stretches in (block.unmeasured or {}).items():
            for first, after in stretches:
                row[first:after] |= BIT.get(name, 0)
    return np.concatenate(rows)


def _all_unmeasured(parts: Sequence[_Part]) -> Counts | None:
    if all(part.unmeasured is None for part in parts):
        return None
    return np.concatenate([
        np.zeros(len(part.phases), np.int32) if part.unmeasured is None else part.unmeasured for part in parts
    ])  # fmt: skip


class _Table:
    """Blocks in order of seq as columns of one length."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        numbers = np.concatenate([part.numbers for part in parts])
        periods = np.concatenate([part.periods for part in parts])
        rows = np.concatenate([part.floats for part in parts], axis=1)
        phases = np.concatenate([part.phases for part in parts])
        unmeasured = _all_unmeasured(parts)
        order = np.lexsort((numbers[:, 1], numbers[:, 0]))
        if (np.diff(order) != 1).any():
            samples = _samples_in_order(numbers[:, 1], order)
            numbers, periods, rows, phases = numbers[order], periods[order], rows[:, samples], phases[samples]
            unmeasured = None if unmeasured is None else unmeasured[samples]
        self.seqs, self.counts, self.times = numbers.T
        self.periods, self.phases, self.unmeasured = periods, phases, unmeasured
        self.floats = dict(zip(VALUES, rows, strict=True))
        self.ends = np.cumsum(self.counts)
        starts = self.ends - self.counts
        # Of every block: which of its columns are decimals throughout.
        self.exact = np.stack(
            [np.logical_and.reduceat(_is_exact(column, 3), starts) for column in rows], axis=1
        )

    def groups(self) -> list[tuple[Counts, Counts]]:
        """(blocks, of each its first sample that is new) of each run."""
        reached = np.concatenate([[-1], np.maximum.accumulate(self.seqs + self.counts)])
        blocks = np.flatnonzero(reached[1:] > reached[:-1])
        reached, firsts, periods = reached[blocks], self.seqs[blocks], self.periods[blocks]
        skipped = np.maximum(reached - firsts, 0)
        is_other = (self.exact[blocks][1:] != self.exact[blocks][:-1]).any(axis=1)
        is_new = (firsts > reached)[1:] | (periods[1:] != periods[:-1]) | is_other
        cuts = np.flatnonzero(is_new) + 1
        return list(zip(np.split(blocks, cuts), np.split(skipped, cuts), strict=True))

    def run(self, blocks: Counts, skipped: Counts) -> Run:
        """One run of these blocks."""
        period_ms, pieces = float(self.periods[blocks[0]]), self._pieces(blocks, skipped)
        columns: dict[str, Counts] = {}
        decimals: dict[str, int] = {}
        for name, is_exact in zip(VALUES, self.exact[blocks[0]], strict=True):
            floats = _gather(self.floats[name], pieces)
            decimals[name], columns[name] = counts_of(floats) if is_exact else (BITS, _bits(floats))
        columns[PHASE], decimals[PHASE] = narrowed(_gather(self.phases, pieces)), 0
        if self.unmeasured is not None and (bits := _gather(self.unmeasured, pieces)).any():
            columns[UNMEASURED] = bits
        published = np.stack([self.seqs[blocks], self.times[blocks]], axis=1)
        published[0] += skipped[0], round(skipped[0] * period_ms * 1000)
        return Run(int(published[0, 0]), period_ms, thin_times(published, period_ms), columns, decimals)

    def _pieces(self, blocks: Counts, skipped: Counts) -> list[tuple[int, int]]:
        """Where their samples lie in the columns, in as few pieces as there are."""
        ends = self.ends[blocks]
        begins = ends - self.counts[blocks] + skipped
        cuts = np.flatnonzero(begins[1:] != ends[:-1])
        firsts, lasts = np.concatenate([[0], cuts + 1]), np.concatenate([cuts, [len(blocks) - 1]])
        return list(zip(begins[firsts].tolist(), ends[lasts].tolist(), strict=True))


def _samples_in_order(counts: Counts, order: Counts) -> Counts:
    """Where the samples of blocks of these sizes lie, the blocks taken in this order."""
    ends = np.cumsum(counts)
    return np.concatenate([np.arange(ends[at] - counts[at], ends[at]) for at in order])


def _gather(column: Any, pieces: Sequence[tuple[int, int]]) -> Any:
    return np.concatenate([column[begin:end] for begin, end in pieces])


def counts_of(floats: Floats) -> tuple[int, Counts]:
    """(decimals, counts) of a column: the fewest places, 1 to 3, in which all are exact, or their bits."""
    for decimals in _DECIMALS:
        if _is_exact(floats, decimals).all():
            return decimals, narrowed(np.rint(floats * 10**decimals).astype(np.int64))
    return BITS, _bits(floats)


def _is_exact(floats: Floats, decimals: int) -> Any:
    with np.errstate(over="ignore", invalid="ignore"):
        counts = np.rint(floats * 10**decimals)
        return (counts / 10**decimals == floats) & (np.abs(counts) < _EXACT_BELOW)


def _bits(floats: Floats) -> Counts:
    return np.ascontiguousarray(floats).view(np.int64)


# --- black box ----------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Chunk:
    """A black-box message: all but its columns, and these as counts; of another make, whole in the first."""

    first: int
    after: int
    started_at_us: int
    period_ms: float
    head: bytes  # JSON
    names: tuple[str, ...]
    table: Counts  # int64[names, samples]

    def goes_on_in(self, other: "_Chunk") -> bool:
        """Whether the other's samples follow at once and are made alike."""
        alike = self.period_ms == other.period_ms and self.names == other.names
        return alike and self.after == other.first


def blackbox_runs(entries: Iterable[Stored]) -> list[Run]:
    """Runs of black-box chunks, joined where they touch; the note has a line of JSON a chunk.

    One whose numbers all came before is left out. Raises Corrupt for what is no chunk.
    """
    groups: list[list[_Chunk]] = []
    reached = -1
    for chunk in sorted((_chunk(*entry) for entry in entries), key=attrgetter("first", "after")):
        if chunk.after <= reached:
            continue
        if groups and groups[-1][-1].goes_on_in(chunk):
            groups[-1].append(chunk)
        else:
            groups.append([chunk])
        reached = chunk.after
    return [_blackbox_run(group) for group in groups]


def _chunk(first: int, count: int, payload: bytes) -> _Chunk:
    if not 0 < count <= MAX_COUNT:
        raise Corrupt(f"black-box chunk {first} speaks of {count} samples: one holds at most {MAX_COUNT}")
    try:
        head = orjson.loads(payload)
        started_at_us = (datetime.fromisoformat(head["started_at"]) - EPOCH) // _MICROSECOND
        period_ms, (names, table) = float(head["period_ms"]), _columns_of(head["columns"])
        is_whole = (head["seq"], head["count"]) == (first, count)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Corrupt(f"stored as black-box chunk {first}, and is none: {error!r}") from None
    if not is_whole or not names or table.shape[1] != count:
        names, table = (_WHOLE,), np.zeros((1, count), np.int64)
    else:
        del head["columns"]
        if head.get("crc32") == _checksum(table):
            del head["crc32"]
    return _Chunk(first, first + count, started_at_us, period_ms, orjson.dumps(head), names, table)


def _columns_of(columns: dict[str, list[int]]) -> tuple[tuple[str, ...], Counts]:
    """Names in order and integer columns of one length; no names when they are anything else."""
    nothing: tuple[tuple[str, ...], Counts] = (), np.zeros((0, 0), np.int64)
    names = tuple(sorted(columns))
    try:
        lists = [msgspec.convert(columns[name], list[int]) for name in names]
        if len({len(one) for one in lists}) != 1:
            return nothing
        flat = np.fromiter(chain.from_iterable(lists), np.int64, len(lists) * len(lists[0]))
    except (OverflowError, ValueError):  # (msgspec's refusals are ValueErrors)
        return nothing
    table = flat.reshape(len(lists), -1)
    return names, np.cumsum(table, axis=1)


def _checksum(table: Counts) -> int:
    """Of the columns one behind the other, in order of their names."""
    return crc32(table.astype("<i4").tobytes())


def _blackbox_run(group: Sequence[_Chunk]) -> Run:
    first, period_ms = group[0].first, group[0].period_ms
    times = thin_times([(chunk.first, chunk.started_at_us) for chunk in group], period_ms)
    table = np.concatenate([chunk.table for chunk in group], axis=1)
    columns = {name: narrowed(row) for name, row in zip(group[0].names, table, strict=True)}
    return Run(first, period_ms, times, columns, {}, b"\n".join(chunk.head for chunk in group))


def chunks_of(run: Run) -> list[dict[str, Any]]:
    """The very BlackboxChunk messages, as JSON objects, of all chunks that lie wholly inside the run."""
    chunks = []
    for place, line in heads(run.note):
        if place.seq < run.first or place.seq + place.count > run.after:
            continue
        chunk = orjson.loads(line)
        if _WHOLE not in run.columns:
            rows = slice(place.seq - run.first, place.seq - run.first + place.count)
            columns = {name: column[rows] for name, column in run.columns.items()}
            chunk["columns"] = {
                name: np.diff(column, prepend=np.int64(0)).tolist() for name, column in columns.items()
            }
            chunk.setdefault("crc32", _checksum(np.stack([columns[name] for name in sorted(columns)])))
        chunks.append(chunk)
    return chunks
