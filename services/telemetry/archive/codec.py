"""A run of samples <-> blocks of bytes: differences, zigzag, byte planes, zstd; see docs/archive-format.md.

A block is whole in itself: it carries where it lies, its times, its columns and its own checksum, and one of
its columns is decoded without the others. What is decoded is checked first: any byte that was changed makes
``decode`` raise Corrupt, and no count in a block is believed before memory is asked for.
"""

import struct
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby, pairwise
from math import log2
from operator import itemgetter
from typing import Any, Final, NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt
import zstandard

from services.telemetry.archive.models import BITS, Counts, Run, Times, heads, narrowed, thin_times
from services.telemetry.errors import Corrupt

MAGIC: Final = b"SPB1"
LEVEL: Final = 3
MIN_MATCH: Final = 7  # measured: noise has no shorter match worth its search: 5 times as fast, 1 % smaller
BLOCK_S: Final = 300.0  # about so much time goes into a block: a power of two of samples
MAX_BLOCK_POWER: Final = 16  # and no more than 2**16 of them, at the shortest periods
SAMPLED: Final = 8  # every eighth count tells how large they are
MAX_SAMPLES: Final = 1 << 21  # of one block: what a reader is ready to make room for
MAX_COLUMNS: Final = 256
MAX_VALUES: Final = 1 << 25  # samples times columns
MAX_NOTE: Final = 64_000_000
MAX_PERIOD_MS: Final = 1e9  # of a bucket of the coarsest pyramid too
_HEAD: Final = struct.Struct("<4sI")  # magic, crc32 of all behind it
# first, count, period_ms, first anchor's seq and microseconds, further anchors, bytes of the note, columns
_BODY: Final = struct.Struct("<QIdqqIIH")
_COLUMN: Final = struct.Struct("<BBbBB")  # bytes of: the name, a count; decimals, times differenced, planes
_NARROW: Final = 4  # bytes of a count, or else 8
_SIZES: Final = (_NARROW, 8)
MAX_ORDER: Final = 2
MAX_DECIMALS: Final = 3


@lru_cache(maxsize=256)
def _rest(name_bytes: int, order: int, width: int) -> struct.Struct:
    """What follows a column's head: its name, the start of each differencing, the length of each plane."""
    return struct.Struct(f"<{name_bytes}s{order}q{width}I")


class _Zstd(threading.local):
    """zstd's contexts: each thread has its own."""

    def __init__(self) -> None:
        parameters = zstandard.ZstdCompressionParameters.from_level(LEVEL, min_match=MIN_MATCH)
        self.compressor = zstandard.ZstdCompressor(compression_params=parameters)
        self.decompressor = zstandard.ZstdDecompressor()


_zstd = _Zstd()


# --- encode -------------------------------------------------------------------------------------------------
def encode(run: Run) -> list[bytes]:
    """The run as blocks of about BLOCK_S each; a chunk of the note is never cut in two."""
    return [encode_block(part) for part in parts(run)]


def block_samples(period_ms: float) -> int:
    """Samples of a whole block at this period: blocks are buckets of the pyramid too, so a power of two."""
    power = round(log2(max(BLOCK_S * 1000 / period_ms, 1.0)))
    return 1 << min(power, MAX_BLOCK_POWER)


def parts(run: Run) -> Iterator[Run]:
    """The run in the pieces that become blocks: cut at multiples of the block's length since boot."""
    step = block_samples(run.period_ms)
    edges = [run.first, *range((run.first // step + 1) * step, run.after, step), run.after]
    if run.note:
        edges = _at_chunks(edges, run)
    for first, after in pairwise(edges):
        yield run.slice(first, after)


def _at_chunks(edges: Sequence[int], run: Run) -> list[int]:
    """The same edges, each moved to the end of the chunk it falls into."""
    ends = np.array([head.seq + head.count for head, _ in heads(run.note)])
    moved = {run.first, run.after}
    for edge in edges[1:-1]:
        behind = ends[ends >= edge]
        moved.add(min(int(behind.min()), run.after) if behind.size else run.after)
    return sorted(moved)


def encode_block(run: Run) -> bytes:
    """One run as one block."""
    note = _zstd.compressor.compress(run.note) if run.note else b""
    columns = [_column(name, counts, run.decimals.get(name, 0)) for name, counts in run.columns.items()]
    body = b"".join(
        [
            _BODY.pack(
                run.first,
                run.count,
                run.period_ms,
                *run.times[0],
                len(run.times) - 1,
                len(note),
                len(columns),
            ),
            note,
            *_anchors(run.times[1:]),
            *columns,
        ]
    )
    return _HEAD.pack(MAGIC, crc32(body)) + body


def _anchors(times: Times) -> list[bytes]:
    """The anchors behind the first as two more columns."""
    if not times:
        return []
    seqs, microseconds = np.array(times, dtype=np.int64).T
    return [_column("seq", seqs, 0), _column("us", microseconds, 0)]


def _column(name: str, counts: Counts, decimals: int) -> bytes:
    fitting = narrowed(counts) if decimals != BITS else counts
    rest, starts = _differences(fitting)
    frames = [_zstd.compressor.compress(plane) for plane in _planes(rest)]
    encoded = name.encode()
    return b"".join(
        [
            _COLUMN.pack(len(encoded), fitting.itemsize, decimals, len(starts), len(frames)),
            _rest(len(encoded), len(starts), len(frames)).pack(encoded, *starts, *map(len, frames)),
            *frames,
        ]
    )


def _differences(counts: Counts) -> tuple[Counts, list[int]]:
    """Counts, their differences or those of these, whichever are smallest, and the first of each before."""
    starts: list[int] = []
    best, rest = counts, counts
    least, kept = _weight(counts), 0
    while len(starts) < MAX_ORDER and len(rest) > 1:
        starts.append(int(rest[0]))
        rest = rest[1:] - rest[:-1]
        if (weight := _weight(rest)) < least:
            best, least, kept = rest, weight, len(starts)
    return best, starts[:kept]


def _weight(counts: Counts) -> int:
    """How large the counts are, by a sample; where it errs or wraps, the block is larger and as exact."""
    return int(np.add.reduce(np.abs(counts[::SAMPLED])))


def _planes(rest: Counts) -> list[memoryview]:
    """Zigzag folds the sign into the lowest bit; then all lowest bytes, all second ones, as far as needed."""
    low, high = (int(np.minimum.reduce(rest)), int(np.maximum.reduce(rest))) if rest.size else (0, 0)
    size = next(size for size in (1, 2, 4, 8) if -(1 << 8 * size - 1) <= low and high < 1 << 8 * size - 1)
    narrow = rest.astype(f"i{size}")
    folded = ((narrow + narrow) ^ (narrow >> 8 * size - 1)).view(f"u{size}")
    width = (max(2 * high, -2 * low - 1, 0).bit_length() + 7) // 8
    return [(folded >> 8 * row if row else folded).astype(np.uint8).data for row in range(width)]


# --- decode -------------------------------------------------------------------------------------------------
def decode(block: bytes, columns: Collection[str] | None = None, *, checked: bool = False) -> Run:
    """The run that became this block, or only some of its columns (names that it has not are left out).

    ``checked``: another checksum has just told that it is whole. Raises Corrupt.
    """
    return _unpack([_parse(block, checked=checked)], columns)


def decode_all(
    blocks: Iterable[bytes], columns: Collection[str] | None = None, *, checked: bool = False
) -> list[Run]:
    """Blocks in order of seq as runs; those that touch and are alike become one without a copy.

    Raises Corrupt.
    """
    groups: list[list[_Packed]] = []
    for block in blocks:
        packed = _parse(block, checked=checked)
        if groups and groups[-1][-1].goes_on_in(packed):
            groups[-1].append(packed)
        else:
            groups.append([packed])
    return [_unpack(group, columns) for group in groups]


class _PackedColumn(NamedTuple):  # made some 30 times a session: a dataclass takes four times as long
    name: str
    decimals: int
    size: int  # bytes that hold any of its counts
    starts: tuple[int, ...]
    frames: tuple[memoryview, ...]


class _Packed(NamedTuple):
    """A block whose parts are found and not yet decoded."""

    first: int
    samples: int
    period_ms: float
    times: Times
    note: bytes
    columns: tuple[_PackedColumn, ...]

    def goes_on_in(self, other: "_Packed") -> bool:
        """Whether the other's samples follow at once and are made alike."""
        return (
            self.first + self.samples == other.first
            and self.period_ms == other.period_ms
            and [one[:2] for one in self.columns] == [one[:2] for one in other.columns]  # name, decimals
        )


def _unpack(parts: Sequence[_Packed], wanted: Collection[str] | None) -> Run:
    """One run of blocks that go on in each other."""
    head = parts[0]
    total = sum(part.samples for part in parts)
    rows = [row for row, one in enumerate(head.columns) if wanted is None or one.name in wanted]
    if not rows:
        raise Corrupt(f"a block has none of the columns {sorted(wanted or ())}")
    wide = any(part.columns[row].size > _NARROW for part in parts for row in rows)
    table = np.empty((len(rows), total), np.int64 if wide else np.int32)  # at once: memory is what costs here
    for row, counts in zip(rows, table, strict=True):
        _decode_column([part.columns[row] for part in parts], [part.samples for part in parts], counts)
    names = [head.columns[row].name for row in rows]
    decimals = {head.columns[row].name: head.columns[row].decimals for row in rows}
    times = head.times
    if len(parts) > 1:
        anchors = [anchor for part in parts for anchor in part.times]
        times = thin_times(anchors, head.period_ms, tolerance_us=1)
    note = b"\n".join(part.note for part in parts if part.note)
    return Run(head.first, head.period_ms, times, dict(zip(names, table, strict=True)), decimals, note)


def _parse(block: bytes, *, checked: bool) -> _Packed:
    """Check a block and find its parts. Raises Corrupt."""
    view = memoryview(block)
    if len(view) < _HEAD.size + _BODY.size:
        raise Corrupt(f"a block of {len(view)} bytes: its head alone takes {_HEAD.size + _BODY.size}")
    magic, checksum = _HEAD.unpack_from(view)
    if magic != MAGIC:
        raise Corrupt(f"a block begins with {magic!r}: expected {MAGIC!r}")
    if not checked and (found := crc32(view[_HEAD.size :])) != checksum:
        raise Corrupt(f"a block's checksum is {found:08x}, recorded {checksum:08x}: its bytes were changed")
    try:
        return _Reader(view, _HEAD.size).packed()
    except (struct.error, UnicodeDecodeError, zstandard.ZstdError) as error:
        raise Corrupt(f"a block's checksum is right and its content is not: {error}") from None


class _Reader:
    """Reads on through a block whose checksum is right."""

    def __init__(self, view: memoryview, at: int) -> None:
        self.view, self.at = view, at

    def packed(self) -> _Packed:
        first, count, period_ms, seq, microseconds, more, note_bytes, columns = self.unpack(_BODY)
        _require("samples", count, 1, MAX_SAMPLES)
        _require("further anchors", more, 0, count)
        _require("columns", columns, 1, MAX_COLUMNS)
        _require("values", count * columns, 1, MAX_VALUES)
        if not 0 < period_ms <= MAX_PERIOD_MS:
            raise Corrupt(f"a block's period is {period_ms} ms: more than 0 and at most {MAX_PERIOD_MS:g}")
        note = _inflate(self.take(note_bytes), MAX_NOTE) if note_bytes else b""
        times = ((seq, microseconds), *self.anchors(more))
        if any(later <= earlier for (earlier, _), (later, _) in pairwise(times)):
            raise Corrupt("a block's anchors of time are not in order of seq")
        found = tuple(self.column(count) for _ in range(columns))
        if self.at != len(self.view):
            raise Corrupt(f"a block has {len(self.view) - self.at} bytes behind its last column")
        return _Packed(first, count, period_ms, times, note, found)

    def anchors(self, count: int) -> Times:
        """The anchors behind the first."""
        if not count:
            return ()
        rows = np.empty((2, count), np.int64)
        for row in rows:
            _decode_column([self.column(count)], [count], row)
        return tuple(zip(*rows.tolist(), strict=True))

    def column(self, count: int) -> _PackedColumn:
        """The next column's parts."""
        name_bytes, size, decimals, order, width = self.unpack(_COLUMN)
        if size not in _SIZES:
            raise Corrupt(f"a count of a column takes {size} bytes: {_SIZES} are possible")
        _require("differences", order, 0, min(MAX_ORDER, count))
        _require("planes", width, 0, 8)
        _require("decimals", decimals, BITS, MAX_DECIMALS)
        found = self.unpack(_rest(name_bytes, order, width))
        frames = [self.take(length) for length in found[1 + order :]]
        return _PackedColumn(_name(found[0]), decimals, size, found[1 : 1 + order], tuple(frames))

    def unpack(self, form: struct.Struct) -> tuple[Any, ...]:
        values = form.unpack_from(self.view, self.at)
        self.at += form.size
        return values

    def take(self, length: int) -> memoryview:
        taken = self.view[self.at : self.at + length]
        if len(taken) != length:
            raise Corrupt(f"a block ends at byte {len(self.view)}, and speaks of {self.at + length}")
        self.at += length
        return taken


@lru_cache(maxsize=MAX_COLUMNS)
def _name(encoded: bytes) -> str:
    return encoded.decode()


def _decode_column(pieces: Sequence[_PackedColumn], sizes: Sequence[int], counts: Counts) -> None:
    """Byte planes -> zigzag -> differences -> counts, of all blocks at once, into the array given.

    Raises Corrupt.
    """
    lengths = [size - len(piece.starts) for piece, size in zip(pieces, sizes, strict=True)]
    try:
        planes = [
            b"".join(_plane(piece, row, length) for piece, length in zip(pieces, lengths, strict=True))
            for row in range(max(len(piece.frames) for piece in pieces))
        ]
    except zstandard.ZstdError as error:
        raise Corrupt(f"column {pieces[0].name} cannot be decompressed: {error}") from None
    rest = _unfold(planes, sum(lengths))
    at = taken = 0
    shapes = [(size, len(piece.starts), piece.size) for piece, size in zip(pieces, sizes, strict=True)]
    for (samples, order, size), alike in groupby(zip(shapes, pieces, strict=True), key=itemgetter(0)):
        starts = [piece.starts for _, piece in alike]
        rows, length = len(starts), samples - order
        part = rest[taken : taken + rows * length].reshape(rows, length)
        _sum_up(starts, size, part, counts[at : at + rows * samples].reshape(rows, samples))
        at, taken = at + rows * samples, taken + rows * length


def _plane(column: _PackedColumn, row: int, length: int) -> bytes:
    """One plane; that of nothing where the column needs it not."""
    if row >= len(column.frames):
        return bytes(length)
    plane = _inflate(column.frames[row], length)
    if len(plane) != length:
        raise Corrupt(f"a plane of column {column.name} holds {len(plane)} of {length} samples")
    return plane


def _sum_up(starts: Sequence[tuple[int, ...]], size: int, rest: Counts, counts: Counts) -> None:
    """Differences -> counts, a row a block, each with its starts.

    Sums wrap as the differences did, in as many bytes (``size``): their end is right.
    """
    if size < counts.itemsize:
        narrow = np.empty(counts.shape, np.int32)
        _sum_up(starts, size, rest, narrow)
        counts[:] = narrow
        return
    order = len(starts[0])
    counts[:, order:] = rest
    for at in range(order - 1, -1, -1):
        counts[:, at] = np.array([one[at] for one in starts], np.int64)  # cut to its bytes, as it wrapped
        np.add.accumulate(counts[:, at:], axis=1, dtype=counts.dtype, out=counts[:, at:])


def _unfold(planes: Sequence[bytes], length: int) -> npt.NDArray[Any]:
    """Signed integers of as many bytes as there are planes, or the next size that exists."""
    if not planes:
        return np.zeros(length, np.int8)
    size = 1 << (len(planes) - 1).bit_length()
    folded = np.frombuffer(planes[0], np.uint8).astype(f"u{size}")
    for row, plane in enumerate(planes[1:], 1):
        higher = np.frombuffer(plane, np.uint8).astype(folded.dtype)
        higher <<= folded.dtype.type(8 * row)
        folded |= higher
    one = folded.dtype.type(1)
    signs: npt.NDArray[Any] = (folded & one).view(f"i{size}")
    np.negative(signs, out=signs)
    folded >>= one
    signs ^= folded.view(signs.dtype)
    return signs


def _inflate(frame: memoryview, limit: int) -> bytes:
    """A zstd frame that may not become longer than the limit."""
    size = zstandard.frame_content_size(frame)
    if not 0 <= size <= limit:
        raise Corrupt(f"a compressed part says that it holds {size} bytes: at most {limit} are expected")
    return _zstd.decompressor.decompress(frame)


def _require(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise Corrupt(f"a block speaks of {value} {what}: {low} to {high} are possible")
