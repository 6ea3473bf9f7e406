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

from services.telemetry.archive.models import Counts, Run, heads
from services.telemetry.errors import Corrupt

MAGIC: Final = b"SPB1"
LEVEL: Final = 3
BLOCK_S: Final = 300.0  # samples of so much time go into a block
BLOCK_SAMPLES: Final = 60_000  # and no more than this, at the shortest periods
MAX_SAMPLES: Final = 10_000_000  # of one block: what a reader is ready to make room for
MAX_COLUMNS: Final = 256
MAX_NOTE: Final = 64_000_000
_HEAD: Final = struct.Struct("<4sI")  # magic, crc32 of all behind it
_BODY: Final = struct.Struct("<QIdIIH")  # first, count, period_ms, anchors, bytes of the note, columns
_COLUMN: Final = struct.Struct("<BbBBqq")  # bytes of the name, decimals, order, planes, start, second start
_LENGTH: Final = struct.Struct("<I")
_ORDERS: Final = (0, 1, 2)

Plane = npt.NDArray[np.uint8]


class _Zstd(threading.local):
    """zstd's contexts: each thread has its own."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=LEVEL)
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
    starts, rest, order = _differences(np.ascontiguousarray(counts, dtype=np.int64))
    folded = ((rest << 1) ^ (rest >> 63)).view(np.uint64)
    width = (int(folded.max()).bit_length() + 7) // 8 if folded.size else 0
    planes = folded.view(np.uint8).reshape(-1, 8).T
    frames = [_zstd.compressor.compress(planes[row].tobytes()) for row in range(width)]
    encoded = name.encode()
    return b"".join(
        [
            _COLUMN.pack(len(encoded), decimals, order, width, *starts),
            encoded,
            *(_LENGTH.pack(len(frame)) for frame in frames),
            *frames,
        ]
    )


def _differences(counts: Counts) -> tuple[tuple[int, int], Counts, int]:
    """(start, second start), what is left of the counts, and how often they were differenced: least wins."""
    best, rest, starts = 0, counts, [0, 0]
    candidate, candidate_starts = counts, [0, 0]
    least = _weight(counts)
    for order in _ORDERS[1:]:
        if len(candidate) < 2:  # noqa: PLR2004  (a difference takes two)
            break
        candidate_starts[order - 1] = int(candidate[0])
        candidate = np.diff(candidate)
        if (weight := _weight(candidate)) < least:
            best, rest, least, starts = order, candidate, weight, list(candidate_starts)
    return (starts[0], starts[1]), rest, best


def _weight(counts: Counts) -> float:
    return float(np.abs(counts.astype(np.float64)).sum())


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
        name_bytes, decimals, order, width, *starts = self.unpack(_COLUMN)
        name = bytes(self.take(name_bytes)).decode()
        _require("order", order, 0, min(_ORDERS[-1], count - 1))
        _require("planes", width, 0, 8)
        lengths = [self.unpack(_LENGTH)[0] for _ in range(width)]
        frames = [self.take(length) for length in lengths]
        if wanted is not None and name not in wanted:
            return name, decimals, None
        return name, decimals, _counts(frames, count - order, starts[:order])

    def unpack(self, form: struct.Struct) -> tuple[Any, ...]:
        return form.unpack(self.take(form.size))

    def take(self, length: int) -> memoryview:
        taken = self.view[self.at : self.at + length]
        if len(taken) != length:
            raise Corrupt(f"a block ends at byte {len(self.view)}, and speaks of {self.at + length}")
        self.at += length
        return taken


def _counts(frames: Sequence[memoryview], length: int, starts: Sequence[int]) -> Counts:
    """Byte planes -> zigzag -> differences -> counts."""
    planes = np.zeros((length, 8), np.uint8)
    for row, frame in enumerate(frames):
        plane = _inflate(frame, length)
        if len(plane) != length:
            raise Corrupt(f"a plane holds {len(plane)} of {length} samples")
        planes[:, row] = np.frombuffer(plane, np.uint8)
    folded = planes.view(np.uint64).reshape(-1)
    rest: Counts = (folded >> np.uint64(1)).view(np.int64) ^ -(folded & np.uint64(1)).view(np.int64)
    for start in reversed(starts):
        rest = np.cumsum(np.concatenate([np.array([start], np.int64), rest]))
    return rest


def _inflate(frame: memoryview, limit: int) -> bytes:
    """A zstd frame that may not become longer than the limit."""
    size = zstandard.frame_content_size(frame)
    if not 0 <= size <= limit:
        raise Corrupt(f"a compressed part says that it holds {size} bytes: at most {limit} are expected")
    return _zstd.decompressor.decompress(frame)


def _require(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise Corrupt(f"a block speaks of {value} {what}: {low} to {high} are possible")
