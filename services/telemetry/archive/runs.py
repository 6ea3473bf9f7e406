"""What lies in the hot store -> runs in exact integers, and back to the messages.

A value that is a decimal of 1 to 3 places becomes the integer count of that place, and ``count / 10**places``
is the very float again. Where one is not, the 64 bits of the floats are kept: nothing is ever rounded. (The
sign of a zero is the one thing not kept.)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any, Final, NamedTuple
from zlib import crc32

import msgspec
import numpy as np
import orjson

from broker.messages import TensionBlock
from services.kit.moments import EPOCH
from services.telemetry.archive.models import (
    BITS,
    PHASE,
    PHASES,
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
    stored = sorted(entries, key=itemgetter(0, 1))
    if not stored:
        return []
    table = _Table(stored)
    return [table.run(group) for group in table.groups()]


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

    times: list[int]  # microseconds since the epoch, one a block
    periods: list[float]
    floats: Floats  # a row a column
    phases: Counts

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
        times = [(block.started_at - EPOCH) // _MICROSECOND for block in blocks]
        return cls(times, [block.period_ms for block in blocks], floats, phases)


class _Table:
    """Blocks in order of seq as columns of one length, with what each block adds to those before it."""

    def __init__(self, stored: Sequence[Stored]) -> None:
        self.seqs, self.counts = np.array([entry[:2] for entry in stored], dtype=np.int64).T
        parts = [_Part.of(stored[at : at + READ_AT_ONCE]) for at in range(0, len(stored), READ_AT_ONCE)]
        self.times = list(chain.from_iterable(part.times for part in parts))
        self.periods = list(chain.from_iterable(part.periods for part in parts))
        self.ends = np.cumsum(self.counts)
        rows = np.concatenate([part.floats for part in parts], axis=1)
        self.floats = dict(zip(VALUES, rows, strict=True))
        self.phases = np.concatenate([part.phases for part in parts])
        self.exact = self._exact_blocks()

    def _exact_blocks(self) -> list[tuple[bool, ...]]:
        """Of every block: which of its columns are decimals throughout."""
        starts = self.ends - self.counts
        columns = [np.logical_and.reduceat(_is_exact(self.floats[name], 3), starts) for name in VALUES]
        return [tuple(row) for row in np.stack(columns, axis=1).tolist()]

    def groups(self) -> list[list[tuple[int, int]]]:
        """(block, its first sample that is new) of each run."""
        found: list[list[tuple[int, int]]] = []
        reached, last = -1, None
        for number in range(len(self.periods)):
            first, after = int(self.seqs[number]), int(self.seqs[number] + self.counts[number])
            if after <= reached:
                continue
            kind = (self.periods[number], self.exact[number])
            begin = max(first, reached)
            if begin != reached or kind != last:
                found.append([])
            found[-1].append((number, begin - first))
            reached, last = after, kind
        return found

    def run(self, group: Sequence[tuple[int, int]]) -> Run:
        """One run of these blocks."""
        head, skipped = group[0]
        period_ms, pieces = self.periods[head], self._pieces(group)
        columns: dict[str, Counts] = {}
        decimals: dict[str, int] = {}
        for name, is_exact in zip(VALUES, self.exact[head], strict=True):
            floats = _gather(self.floats[name], pieces)
            decimals[name], columns[name] = counts_of(floats) if is_exact else (BITS, _bits(floats))
        columns[PHASE], decimals[PHASE] = narrowed(_gather(self.phases, pieces)), 0
        published = [(int(self.seqs[number]), self.times[number]) for number, _ in group]
        first = published[0][0] + skipped
        published[0] = (first, published[0][1] + round(skipped * period_ms * 1000))
        return Run(first, period_ms, thin_times(published, period_ms), columns, decimals)

    def _pieces(self, group: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Where the group's samples lie in the columns, in as few pieces as there are."""
        pieces: list[tuple[int, int]] = []
        ends, counts = self.ends.tolist(), self.counts.tolist()
        for number, skipped in group:
            end = ends[number]
            begin = end - counts[number] + skipped
            if pieces and pieces[-1][1] == begin:
                pieces[-1] = (pieces[-1][0], end)
            else:
                pieces.append((begin, end))
        return pieces


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
    head: dict[str, Any]
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
    for entry in sorted(entries, key=lambda entry: entry[:2]):
        chunk = _chunk(*entry)
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
    return _Chunk(first, first + count, started_at_us, period_ms, head, names, table)


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
    return Run(first, period_ms, times, columns, {}, b"\n".join(orjson.dumps(chunk.head) for chunk in group))


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
