"""An object: blocks one behind the other, then a directory of where each lies and what it sums up to.

One immutable file of one device and boot; see docs/archive-format.md. The directory is also kept in the SQL
index, so that a reader fetches only the blocks it needs.
"""

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import UUID
from zlib import crc32

import msgspec
import numpy as np
import orjson
import zstandard

from services.telemetry.archive import codec, pyramid
from services.telemetry.archive.models import BITS, Run
from services.telemetry.archive.pyramid import Buckets
from services.telemetry.errors import Corrupt

MAGIC: Final = b"SPONDYL1"
END_MAGIC: Final = b"SPDYEND1"
MAX_DIRECTORY: Final = 64_000_000
MAX_EVENTS: Final = 256_000_000  # bytes of one block of events
_END: Final = struct.Struct("<II8s")  # bytes of the directory, its crc32, END_MAGIC
_EVENTS_LEVEL: Final = 9
_INT32_MAX: Final = np.iinfo(np.int32).max

BlockKind = Literal["tension", "blackbox", "event", "pyramid"]


@dataclass(frozen=True, slots=True)
class Sections:
    """What becomes one object; events (index, payload) in any order, each index once."""

    site: str
    device: str
    boot: UUID
    tension: Sequence[Run] = ()
    blackbox: Sequence[Run] = ()
    events: Sequence[tuple[int, bytes]] = ()
    session: UUID | None = None


class Summary(msgspec.Struct, frozen=True, array_like=True):
    """Of one column of a block: exact sum, least and greatest as counts of 10**-decimals.

    Where decimals is -1 they are floats, the sum rounded as floats are.
    """

    decimals: int
    sum: int | float
    least: int | float
    greatest: int | float


class BlockEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a block lies and what it holds: numbers ``first`` .. ``after - 1`` of its stream."""

    kind: BlockKind
    first: int
    after: int
    offset: int
    length: int
    crc32: int
    started_at_us: int
    ended_at_us: int
    stride: int = 1  # of a pyramid's block: samples a bucket
    columns: dict[str, Summary] = {}


class Directory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an object says of itself."""

    site: str
    device: str
    boot: UUID
    blocks: list[BlockEntry]
    session: UUID | None = None

    def dump(self) -> bytes:
        """As it stands in the object and in the index."""
        return zstandard.compress(msgspec.json.encode(self), 9)

    @classmethod
    def load(cls, data: bytes) -> "Directory":
        """What ``dump`` gave. Raises Corrupt."""
        try:
            size = zstandard.frame_content_size(data)
            if not 0 <= size <= MAX_DIRECTORY:
                raise Corrupt(f"a directory says that it holds {size} bytes: at most {MAX_DIRECTORY}")
            return _DIRECTORY.decode(zstandard.decompress(data))
        except (zstandard.ZstdError, msgspec.MsgspecError, RecursionError) as error:
            raise Corrupt(f"an object's directory cannot be read: {error}") from None

    def of(
        self, kind: BlockKind, first: int = 0, after: int | None = None, stride: int = 1
    ) -> list[BlockEntry]:
        """The blocks of a kind that hold any of the numbers ``first`` .. ``after - 1``, in order."""
        found = [
            block
            for block in self.blocks
            if block.kind == kind
            and block.stride == stride
            and block.after > first
            and (after is None or block.first < after)
        ]
        return sorted(found, key=lambda block: block.first)

    def spans(self, kind: BlockKind) -> list[tuple[int, int]]:
        """(first, after) of every stretch of a kind without a hole."""
        joined: list[tuple[int, int]] = []
        for block in self.of(kind):
            if joined and joined[-1][1] == block.first:
                joined[-1] = (joined[-1][0], block.after)
            else:
                joined.append((block.first, block.after))
        return joined

    @property
    def started_at_us(self) -> int:
        """When the first of its contents began."""
        return min(block.started_at_us for block in self.blocks)

    @property
    def ended_at_us(self) -> int:
        """When the last of its contents ended."""
        return max(block.ended_at_us for block in self.blocks)


_DIRECTORY: Final = msgspec.json.Decoder(Directory)


@dataclass(slots=True)
class _Builder:
    pieces: list[bytes] = field(default_factory=lambda: [MAGIC])
    offset: int = len(MAGIC)
    entries: list[BlockEntry] = field(default_factory=list)

    def add(
        self, kind: BlockKind, block: bytes, span: tuple[int, int], times: tuple[int, int], **rest: object
    ) -> None:
        checksum = crc32(block)
        self.entries.append(
            BlockEntry(kind, *span, self.offset, len(block), checksum, *times, **rest)  # type: ignore[arg-type]
        )
        self.pieces.append(block)
        self.offset += len(block)


def build(sections: Sections) -> tuple[bytes, Directory]:
    """The object of these sections and its directory. Raises ValueError when there is nothing in them."""
    builder = _Builder()
    for run in sections.tension:
        _add_run(builder, "tension", run)
    for run in sections.blackbox:
        _add_run(builder, "blackbox", run)
    for events in _consecutive(sections.events):
        _add_events(builder, events)
    for run in sections.tension:
        _add_pyramid(builder, run)
    if not builder.entries:
        raise ValueError("an object of nothing")
    directory = Directory(
        sections.site, sections.device, sections.boot, builder.entries, session=sections.session
    )
    dumped = directory.dump()
    end = _END.pack(len(dumped), crc32(dumped), END_MAGIC)
    return b"".join([*builder.pieces, dumped, end]), directory


def _add_run(builder: _Builder, kind: BlockKind, run: Run) -> None:
    for part in codec.parts(run):
        columns = {name: _summary(part, name) for name in part.columns} if kind == "tension" else {}
        times = (part.started_at_us(part.first), part.ended_at_us)
        builder.add(kind, codec.encode_block(part), (part.first, part.after), times, columns=columns)


def _summary(run: Run, name: str) -> Summary:
    decimals = run.decimals.get(name, 0)
    if decimals == BITS:
        values = run.values(name)
        return Summary(decimals, float(values.sum()), float(values.min()), float(values.max()))
    counts = run.columns[name]
    least, greatest = int(np.minimum.reduce(counts)), int(np.maximum.reduce(counts))
    fits = max(-least, greatest) * run.count <= _INT32_MAX  # summed in 32 bits it takes a quarter of the time
    total = np.add.reduce(counts, dtype=np.int32 if fits else np.int64)
    return Summary(decimals, int(total), least, greatest)


def _add_pyramid(builder: _Builder, run: Run) -> None:
    for stride in pyramid.STRIDES:
        if run.count < 2 * stride:
            break
        buckets = pyramid.reduce(run, stride)
        times = (run.started_at_us(run.first), run.ended_at_us)
        block = codec.encode_block(pyramid.to_run(buckets))
        builder.add("pyramid", block, (run.first, run.after), times, stride=stride)


class _EventHead(msgspec.Struct):
    index: int
    at: datetime


def _consecutive(events: Sequence[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    """Events in order of their index, cut where a number is missing; one that came twice once."""
    unique = sorted(dict(reversed(events)).items())
    begin = 0
    for number in range(1, len(unique) + 1):
        if number == len(unique) or unique[number][0] != unique[number - 1][0] + 1:
            yield unique[begin:number]
            begin = number


def _add_events(builder: _Builder, events: Sequence[tuple[int, bytes]]) -> None:
    times = []
    for index, payload in events:
        try:
            head = msgspec.json.decode(payload, type=_EventHead)
        except msgspec.MsgspecError as error:
            raise Corrupt(f"stored as an event, and is none: {error}") from None
        if head.index != index:
            raise Corrupt(f"stored as event {index}, and is event {head.index}")
        times.append(round(head.at.timestamp() * 1e6))
    lines = b"\n".join(_one_line(payload) for _, payload in events)
    block = zstandard.compress(lines, _EVENTS_LEVEL)
    builder.add("event", block, (events[0][0], events[-1][0] + 1), (min(times), max(times)))


def _one_line(payload: bytes) -> bytes:
    return orjson.dumps(orjson.loads(payload)) if b"\n" in payload else payload


# --- reading ------------------------------------------------------------------------------------------------
def read_directory(data: bytes) -> Directory:
    """The directory of a whole object. Raises Corrupt."""
    return Directory.load(dumped_directory(data))


def dumped_directory(data: bytes) -> bytes:
    """The directory of a whole object, as ``Directory.dump`` gave it. Raises Corrupt."""
    if len(data) < len(MAGIC) + _END.size or data[: len(MAGIC)] != MAGIC:
        raise Corrupt(f"not an object of this archive: {len(data)} bytes that begin with {bytes(data[:8])!r}")
    length, checksum, magic = _END.unpack_from(data, len(data) - _END.size)
    at = len(data) - _END.size - length
    if magic != END_MAGIC or at < len(MAGIC):
        raise Corrupt(f"an object of {len(data)} bytes does not end as one: it was cut short")
    dumped = data[at : at + length]
    if (found := crc32(dumped)) != checksum:
        raise Corrupt(f"a directory's checksum is {found:08x}, recorded {checksum:08x}: it was changed")
    return dumped


def block_of(data: bytes, entry: BlockEntry) -> bytes:
    """A block out of a whole object. Raises Corrupt."""
    return check(data[entry.offset : entry.offset + entry.length], entry)


def check(block: bytes, entry: BlockEntry) -> bytes:
    """The block again when it is the one that the directory speaks of. Raises Corrupt."""
    if len(block) != entry.length or crc32(block) != entry.crc32:
        raise Corrupt(
            f"{entry.kind} block {entry.first} to {entry.after}: {len(block)} of {entry.length} bytes, "
            f"checksum {crc32(block):08x}, recorded {entry.crc32:08x}: its bytes were changed"
        )
    return block


def run_of(block: bytes, entry: BlockEntry, columns: Sequence[str] | None = None) -> Run:
    """A checked `tension` or `blackbox` block as a run. Raises Corrupt."""
    run = codec.decode(check(block, entry), columns, checked=True)
    if (run.first, run.after) != (entry.first, entry.after):
        raise Corrupt(
            f"a block holds {run.first} to {run.after}, its directory says {entry.first} to {entry.after}"
        )
    return run


def runs_of(blocks: Sequence[tuple[BlockEntry, bytes]], columns: Sequence[str] | None = None) -> list[Run]:
    """Checked `tension` or `blackbox` blocks, in order, as runs: those that touch become one at no cost.

    Raises Corrupt.
    """
    return codec.decode_all((check(block, entry) for entry, block in blocks), columns, checked=True)


def buckets_of(block: bytes, entry: BlockEntry) -> Buckets:
    """A checked `pyramid` block. Raises Corrupt."""
    return pyramid.from_run(codec.decode(check(block, entry), checked=True))


def events_of(block: bytes, entry: BlockEntry) -> list[bytes]:
    """The payloads of a checked `event` block, in order of their index. Raises Corrupt."""
    try:
        size = zstandard.frame_content_size(check(block, entry))
        if not 0 <= size <= MAX_EVENTS:
            raise Corrupt(f"events say that they take {size} bytes: at most {MAX_EVENTS} are expected")
        return zstandard.decompress(block).split(b"\n")
    except zstandard.ZstdError as error:
        raise Corrupt(f"events cannot be read: {error}") from None


def verify(data: bytes, directory: Directory | None = None, sha256: str | None = None) -> Directory:
    """Decode everything of an object and compare it with its directory (and the index's copy and checksum).

    Raises Corrupt with the first thing that is wrong.
    """
    if sha256 is not None and (found := hashlib.sha256(data).hexdigest()) != sha256:
        raise Corrupt(f"an object's SHA-256 is {found}, recorded {sha256}: its bytes were changed")
    own = read_directory(data)
    if directory is not None and own != directory:
        raise Corrupt("an object's directory is not the one that the index has of it")
    at = len(MAGIC)
    for entry in own.blocks:
        if entry.offset != at:
            raise Corrupt(f"a block lies at byte {entry.offset}, expected at {at}")
        at += entry.length
        _verify_block(block_of(data, entry), entry)
    return own


def _verify_block(block: bytes, entry: BlockEntry) -> None:
    if entry.kind == "event":
        if (found := len(events_of(block, entry))) != entry.after - entry.first:
            raise Corrupt(f"events {entry.first} to {entry.after} are {found}")
    elif entry.kind == "pyramid":
        buckets_of(block, entry)
    else:
        run = run_of(block, entry)
        if any(_summary(run, name) != summary for name, summary in entry.columns.items()):
            raise Corrupt(
                f"{entry.kind} {entry.first} to {entry.after} sum up to something else than recorded"
            )
