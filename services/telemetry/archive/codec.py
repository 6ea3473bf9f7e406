"""A run of samples <-> blocks of bytes: differences, zigzag, byte planes, zstd; see docs/archive-format.md.

A block is whole in itself: it carries where it lies, its times, its columns and its own checksum, and one of
its columns is decoded without the others. What is decoded is checked first: any byte that was changed makes
``decode`` raise Corrupt, and no count in a block is believed before memory is asked for.
"""

import struct
import threading
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final
from zlib import crc32

import numpy as np
import numpy.typing as npt
import zstandard

from services.telemetry.archive.models import BITS, Counts, Run, heads
from services.telemetry.errors import Corrupt

MAGIC: Final = b"SPB1"
LEVEL: Final = 3
MIN_MATCH: Final = 7  # measured: noise has no shorter match worth its search: 5 times as fast, 1 % smaller
BLOCK_S: Final = 300.0  # samples of so much time go into a block
BLOCK_SAMPLES: Final = 60_000  # and no more than this, at the shortest periods
MAX_SAMPLES: Final = 10_000_000  # of one block: what a reader is ready to make room for
MAX_COLUMNS: Final = 256
MAX_NOTE: Final = 64_000_000
_HEAD: Final = struct.Struct("<4sI")  # magic, crc32 of all behind it
_BODY: Final = struct.Struct("<QIdIIH")  # first, count, period_ms, anchors, bytes of the note, columns
_COLUMN: Final = struct.Struct("<BbBB")  # bytes of the name, decimals, times differenced, planes
_START: Final = struct.Struct("<q")
_LENGTH: Final = struct.Struct("<I")
MAX_ORDER: Final = 2
MAX_DECIMALS: Final = 3

Plane = npt.NDArray[np.uint8]


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


def parts(run: Run) -> Iterator[Run]:
    """The run in the pieces that become blocks: cut at multiples of the block's length since boot."""
    step = max(1, min(BLOCK_SAMPLES, round(BLOCK_S * 1000 / run.period_ms)))
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
    seqs, times = np.array(run.times, dtype=np.int64).T
    note = _zstd.compressor.compress(run.note) if run.note else b""
    columns = [_column(name, counts, run.decimals.get(name, 0)) for name, counts in run.columns.items()]
    body = b"".join(
        [
            _BODY.pack(run.first, run.count, run.period_ms, len(seqs), len(note), len(columns)),
            note,
            _column("seq", seqs, 0),
            _column("us", times, 0),
            *columns,
        ]
    )
    return _HEAD.pack(MAGIC, crc32(body)) + body


def _column(name: str, counts: Counts, decimals: int) -> bytes:
    rest, starts = _differences(np.ascontiguousarray(counts, dtype=np.int64))
    planes = [plane.tobytes() for plane in _planes(rest)]
    frames = [_zstd.compressor.compress(plane) for plane in planes]
    encoded = name.encode()
    return b"".join(
        [
            _COLUMN.pack(len(encoded), decimals, len(starts), len(frames)),
            encoded,
            *(_START.pack(start) for start in starts),
            *(_LENGTH.pack(len(frame)) for frame in frames),
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
        rest = np.diff(rest)
        if (weight := _weight(rest)) < least:
            best, least, kept = rest, weight, len(starts)
    return best, starts[:kept]


def _weight(counts: Counts) -> float:
    return float(np.abs(counts).sum(dtype=np.float64))


def _planes(rest: Counts) -> list[Plane]:
    """Zigzag folds the sign into the lowest bit; then all lowest bytes, all second ones, as far as needed."""
    low, high = (int(rest.min()), int(rest.max())) if rest.size else (0, 0)
    size = next(size for size in (1, 2, 4, 8) if -(1 << 8 * size - 1) <= low and high < 1 << 8 * size - 1)
    narrow = rest.astype(f"i{size}")
    folded = ((narrow << 1) ^ (narrow >> 8 * size - 1)).astype(f"<i{size}", copy=False)
    planes = folded.view(np.uint8).reshape(-1, size).T
    width = (max(2 * high, -2 * low - 1, 0).bit_length() + 7) // 8
    return list(planes[:width])


# --- decode -------------------------------------------------------------------------------------------------
def decode(block: bytes, columns: Collection[str] | None = None) -> Run:
    """The run that became this block, or only some of its columns (names that it has not are left out).

    Raises Corrupt.
    """
    view = memoryview(block)
    if len(view) < _HEAD.size + _BODY.size:
        raise Corrupt(f"a block of {len(view)} bytes: its head alone takes {_HEAD.size + _BODY.size}")
    magic, checksum = _HEAD.unpack_from(view)
    if magic != MAGIC:
        raise Corrupt(f"a block begins with {magic!r}: expected {MAGIC!r}")
    if (found := crc32(view[_HEAD.size :])) != checksum:
        raise Corrupt(f"a block's checksum is {found:08x}, recorded {checksum:08x}: its bytes were changed")
    try:
        return _Reader(view, _HEAD.size).run(columns)
    except (struct.error, UnicodeDecodeError, zstandard.ZstdError) as error:
        raise Corrupt(f"a block's checksum is right and its content is not: {error}") from None


class _Reader:
    """Reads on through a block whose checksum is right."""

    def __init__(self, view: memoryview, at: int) -> None:
        self.view, self.at = view, at

    def run(self, wanted: Collection[str] | None) -> Run:
        first, count, period_ms, anchors, note_bytes, columns = self.unpack(_BODY)
        _require("samples", count, 1, MAX_SAMPLES)
        _require("anchors", anchors, 1, count + 1)
        _require("columns", columns, 1, MAX_COLUMNS)
        note = _inflate(self.take(note_bytes), MAX_NOTE) if note_bytes else b""
        _, _, seqs = self.column(anchors, None)
        _, _, times = self.column(anchors, None)
        found: dict[str, Counts] = {}
        decimals: dict[str, int] = {}
        for _ in range(columns):
            name, places, counts = self.column(count, wanted)
            if counts is not None:
                found[name], decimals[name] = counts, places
        if self.at != len(self.view):
            raise Corrupt(f"a block has {len(self.view) - self.at} bytes behind its last column")
        if seqs is None or times is None or not period_ms > 0:
            raise Corrupt(f"a block's period is {period_ms} ms")
        if not found:
            raise Corrupt(f"a block has none of the columns {sorted(wanted or ())}")
        anchored = tuple(zip(seqs.tolist(), times.tolist(), strict=True))
        return Run(first, period_ms, anchored, found, decimals, note)

    def column(self, count: int, wanted: Collection[str] | None) -> tuple[str, int, Counts | None]:
        """The next column: its name, decimals and counts (None: not wanted, and passed over)."""
        name_bytes, decimals, order, width = self.unpack(_COLUMN)
        name = bytes(self.take(name_bytes)).decode()
        _require("differences", order, 0, min(MAX_ORDER, count))
        _require("planes", width, 0, 8)
        _require("decimals", decimals, BITS, MAX_DECIMALS)
        starts = [self.unpack(_START)[0] for _ in range(order)]
        lengths = [self.unpack(_LENGTH)[0] for _ in range(width)]
        frames = [self.take(length) for length in lengths]
        if wanted is not None and name not in wanted:
            return name, decimals, None
        return name, decimals, _counts(frames, count, starts)

    def unpack(self, form: struct.Struct) -> tuple[Any, ...]:
        return form.unpack(self.take(form.size))

    def take(self, length: int) -> memoryview:
        taken = self.view[self.at : self.at + length]
        if len(taken) != length:
            raise Corrupt(f"a block ends at byte {len(self.view)}, and speaks of {self.at + length}")
        self.at += length
        return taken


def _counts(frames: Sequence[memoryview], count: int, starts: Sequence[int]) -> Counts:
    """Byte planes -> zigzag -> differences -> counts."""
    length = count - len(starts)
    rest = _unfold([_inflate(frame, length) for frame in frames], length)
    counts = np.empty(count, np.int64)
    counts[len(starts) :] = rest
    for order in range(len(starts) - 1, -1, -1):
        counts[order] = starts[order]
        np.cumsum(counts[order:], out=counts[order:])
    return counts


def _unfold(planes: Sequence[bytes], length: int) -> npt.NDArray[Any]:
    """Signed integers of as many bytes as there are planes, or the next size that exists."""
    for plane in planes:
        if len(plane) != length:
            raise Corrupt(f"a plane holds {len(plane)} of {length} samples")
    if not planes:
        return np.zeros(length, np.int8)
    size = 1 << (len(planes) - 1).bit_length()
    folded = np.frombuffer(planes[0], np.uint8).astype(f"u{size}")
    for row, plane in enumerate(planes[1:], 1):
        folded |= np.frombuffer(plane, np.uint8).astype(folded.dtype) << folded.dtype.type(8 * row)
    one = folded.dtype.type(1)
    signs = (folded & one).view(f"i{size}")
    np.negative(signs, out=signs)
    folded >>= one
    unfolded: npt.NDArray[Any] = folded.view(f"i{size}") ^ signs
    return unfolded


def _inflate(frame: memoryview, limit: int) -> bytes:
    """A zstd frame that may not become longer than the limit."""
    size = zstandard.frame_content_size(frame)
    if not 0 <= size <= limit:
        raise Corrupt(f"a compressed part says that it holds {size} bytes: at most {limit} are expected")
    return _zstd.decompressor.decompress(frame)


def _require(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise Corrupt(f"a block speaks of {value} {what}: {low} to {high} are possible")
