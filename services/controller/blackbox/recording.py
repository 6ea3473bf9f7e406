"""Recordings as files: one JSONL file of black-box chunks a session, for replay without a network.

A chunk is written before it is committed to the spool: a recorder killed in between writes it again. Reading
therefore takes a repeated chunk once and refuses two that differ. A chunk's own checksum covers its columns;
in a file every line has a seal besides, the CRC-32 of the whole line before it, so that no bit of parameters,
actions or times changes unseen. Files of release 0.2.0 and before have none.
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final
from uuid import UUID
from zlib import crc32

import numpy as np
import numpy.typing as npt
import orjson
from pydantic import ValidationError

from broker.messages import BlackboxChunk
from services.controller.recorder.blocks import checksum, column_from
from services.kit.errors import SpondylError

MAX_BYTES: Final = 500_000_000  # of all recordings of a gateway: about 100 hours of treatment
MAX_AGE_S: Final = 30 * 86_400.0
MAX_LINE_BYTES: Final = 2_000_000
LOOK_BACK_BYTES: Final = 65_536
_INT32: Final = np.iinfo(np.int32)
_SEAL: Final = re.compile(rb',"line_crc32":(\d{1,10})\}\n?$')


class Unreadable(SpondylError):  # noqa: N818  (what the recording is)
    """A recording that cannot be trusted: not there, cut short, damaged or of another kind."""


class LoadMissing(Unreadable):
    """A recording that begins after its session's load, where a replay has to begin."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One verified piece of a recording: the message and its columns as counts, int32[count] by name."""

    line: int
    message: BlackboxChunk
    columns: dict[str, npt.NDArray[np.int32]]


# Whether a recording may be removed: the recorder knows (recorder/making_room.py).
MayGo = Callable[[Path], bool]


@dataclass(slots=True)
class Recordings:
    """The directory of a gateway's recordings, kept below a size and an age as far as they may go."""

    directory: Path
    max_bytes: int = MAX_BYTES
    max_age_s: float = MAX_AGE_S
    has_grown: bool = False  # by a file since the last rotation

    def append(self, session: UUID, payload: bytes) -> None:
        """Add one chunk to the session's file."""
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.path(session)
        is_new = not path.exists()
        with path.open("a+b") as file:
            _cut_unfinished_line(file)
            file.write(sealed(payload) + b"\n")
        self.has_grown |= is_new

    def path(self, session: UUID) -> Path:
        """Where the session's chunks are, or would be."""
        return self.directory / f"{session}.jsonl"

    def rotate(self, may_go: MayGo) -> None:
        """Remove the oldest files beyond the size and the age allowed; the newest always stays."""
        self.has_grown = False
        kept, limit = 0, time.time() - self.max_age_s
        for number, (modified, size, path) in enumerate(self._newest_first()):
            kept += size
            if number and (kept > self.max_bytes or modified < limit) and may_go(path):
                path.unlink(missing_ok=True)
                kept -= size

    def remove_oldest(self, may_go: MayGo) -> bool:
        """Make room on a full disk; False when nothing may go."""
        for _, _, path in reversed(self._newest_first()[1:]):
            if may_go(path):
                path.unlink(missing_ok=True)
                return True
        return False

    def _newest_first(self) -> list[tuple[float, int, Path]]:
        rows = [(path.stat(), path) for path in self.directory.glob("*.jsonl")]
        return sorted(((stat.st_mtime, stat.st_size, path) for stat, path in rows), reverse=True)


def _cut_unfinished_line(file: BinaryIO) -> None:
    """Drop what a full disk or a crash cut short: behind it, every later chunk would be unreadable."""
    size = file.seek(0, os.SEEK_END)
    whole = _behind_last_newline(file, size)
    if whole < size:
        file.truncate(whole)


def _behind_last_newline(file: BinaryIO, end: int) -> int:
    """Where the last line that ends before ``end`` does; 0 when there is none."""
    while end:
        begin = max(0, end - LOOK_BACK_BYTES)
        file.seek(begin)
        whole = begin + file.read(end - begin).rfind(b"\n") + 1
        if whole > begin:
            return whole
        end = begin
    return 0


def reaches(path: Path) -> tuple[UUID, int] | None:
    """The boot of a recording and the first sample behind its last whole line; None for an empty one.

    Raises Unreadable.
    """
    try:
        with path.open("rb") as file:
            end = _behind_last_newline(file, file.seek(0, os.SEEK_END))
            begin = _behind_last_newline(file, max(0, end - 1))
            file.seek(begin)
            row = orjson.loads(file.read(end - begin)) if end else None
        return None if row is None else (UUID(row["boot"]), row["seq"] + row["count"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise Unreadable(f"{path}: its last line cannot be read: {error}") from None


def sealed(payload: bytes) -> bytes:
    """A chunk's JSON with its seal as the last key: the CRC-32 of all bytes before it."""
    text = payload.rstrip()[:-1]
    return text + b',"line_crc32":%d}' % crc32(text)


def read(path: Path) -> list[Chunk]:
    """All chunks in the order of their samples, each once; raises Unreadable naming the line."""
    lines = list(_lines(path))
    seals = [_SEAL.search(text) for _, text in lines]
    for (line, text), seal in zip(lines, seals, strict=True):
        _check_seal(f"{path}:{line}", text, seal, is_wanted=any(seals))
    return parse(str(path), lines)


def _check_seal(where: str, text: bytes, seal: re.Match[bytes] | None, *, is_wanted: bool) -> None:
    """Refuse a line that is not what was sealed, one that lost its seal, and keys that nobody wrote."""
    if seal is None:
        if is_wanted or not _keys(text) <= BlackboxChunk.model_fields.keys():
            raise Unreadable(f"{where}: the line was changed: it has no seal, or a key that no chunk has")
    elif (found := crc32(text[: seal.start()])) != int(seal[1]):
        raise Unreadable(
            f"{where}: checksum {found:08x} over the line, sealed with {int(seal[1]):08x}: it was changed"
        )


def _keys(text: bytes) -> set[str]:
    """The keys of a line's object; none when it is none, which is refused in better words elsewhere."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return set()
    return set(found) if isinstance(found, dict) else set()


def parse(path: str, lines: Iterable[tuple[int, bytes]]) -> list[Chunk]:
    """The chunks of numbered lines of JSON; ``path`` names where they come from. Raises Unreadable."""
    chunks: dict[int, Chunk] = {}
    boot: UUID | None = None
    for line, text in lines:
        chunk = _chunk(path, line, text)
        seq = chunk.message.seq
        if boot is not None and chunk.message.boot != boot:
            raise Unreadable(f"{path}:{line}: boot {chunk.message.boot}, the lines before are of {boot}")
        boot = chunk.message.boot
        if seq in chunks and chunks[seq].message != chunk.message:
            first = chunks[seq].line
            raise Unreadable(f"{path}:{line}: differs from line {first}, both begin at seq {seq}")
        chunks.setdefault(seq, chunk)
    if not chunks:
        raise Unreadable(f"{path} has no chunks: nothing was recorded")
    return [chunks[seq] for seq in sorted(chunks)]


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            for line, text in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES), b""), 1):
                if not text.endswith(b"\n"):
                    raise Unreadable(f"{path}:{line}: cut short after {len(text)} bytes: the line has no end")
                yield line, text
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from None


def _chunk(path: str, line: int, text: bytes) -> Chunk:
    try:
        message = BlackboxChunk.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "line"
        raise Unreadable(f"{path}:{line}: no black-box chunk: {place}: {first['msg']}") from None
    columns = {name: _column(path, line, name, message) for name in message.columns}
    if (found := checksum(columns)) != message.crc32:
        raise Unreadable(
            f"{path}:{line}: checksum {found:08x} over {message.count} samples from seq {message.seq}, "
            f"recorded {message.crc32:08x}: the line was changed"
        )
    return Chunk(line, message, columns)


def _column(path: str, line: int, name: str, message: BlackboxChunk) -> npt.NDArray[np.int32]:
    values = message.columns[name]
    if len(values) != message.count:
        raise Unreadable(f"{path}:{line}: column {name} has {len(values)} of {message.count} samples")
    try:
        counts = column_from(values)
    except ValueError as error:
        raise Unreadable(f"{path}:{line}: column {name}: {error}") from None
    if len(counts) and not (_INT32.min <= counts.min() and counts.max() <= _INT32.max):
        raise Unreadable(f"{path}:{line}: column {name} leaves the range of int32")
    return counts.astype(np.int32)
