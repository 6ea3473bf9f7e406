"""The file behind the gateway's shared memory: its header and sections, and loop.json that names it."""

import json
import mmap
import os
import struct
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from services.controller.kernel import layout
from services.controller.kernel import memory as m
from services.kit import files
from services.kit.errors import SpondylError
from services.kit.runfile import is_process, read_json

RESERVED_BYTES = 4096  # for loop.json, should the disk be full when the next loop starts

SHARED_DIRECTORY = Path("/dev/shm")  # noqa: S108  (memory, not a temporary file: mode 0600, random name)
_PREAMBLE = struct.Struct("<8sqqqq")  # magic, version, size of the file, length and CRC-32 of the description
_BARRIER = threading.Lock()


class ForeignMemory(SpondylError):  # noqa: N818  (the name is what was found)
    """The file is not a shared memory of this version of the gateway."""


def fence() -> None:
    """Order memory accesses before against those after, on any processor.

    A lock is released with release and acquired with acquire semantics: what stands before the first pair
    cannot sink below its release, what stands behind the second cannot rise above its acquire, and release
    and acquire of the same lock do not change places. Costs 0.1 us.
    """
    with _BARRIER:
        pass
    with _BARRIER:
        pass


def shared_directory(wanted: Path | None) -> Path:
    """The directory in memory where it can be written, else the one given."""
    if wanted is None or os.access(SHARED_DIRECTORY, os.W_OK):
        return SHARED_DIRECTORY
    wanted.mkdir(parents=True, exist_ok=True)
    return wanted


def create_file(path: Path, description: dict[str, Any]) -> mmap.mmap:
    """Make the file, all zero but its header, readable by its owner only."""
    text = json.dumps(description | _fields()).encode()
    if _PREAMBLE.size + len(text) > m.HEADER_BYTES:
        raise ValueError("the device names do not fit the header")
    size = _size(len(description["devices"]), description["capacity_ticks"])
    buffer = _map(path, size, create=True)
    buffer[_PREAMBLE.size : _PREAMBLE.size + len(text)] = text
    fence()
    buffer[: _PREAMBLE.size] = _PREAMBLE.pack(m.MAGIC, m.VERSION, size, len(text), zlib.crc32(text))
    return buffer


def open_file(path: Path) -> tuple[dict[str, Any], mmap.mmap]:
    """Map an existing file and return its description; raises ForeignMemory with the reason."""
    try:
        size = path.stat().st_size
        if size < m.HEADER_BYTES:
            raise ForeignMemory(f"{path} has {size} bytes: not a gateway's shared memory")
        buffer = _map(path, size, create=False)
    except OSError as error:
        raise ForeignMemory(f"{path} cannot be opened: {error.strerror}") from None
    return _checked_description(path, size, buffer), buffer


def _fields() -> dict[str, Any]:
    """What two programs must agree on to understand the same bytes."""
    return {
        "samples": list(layout.SAMPLES),
        "times": list(m.TIMES),
        "channels": list(m.CHANNELS),
        "words": list(m.WORDS),
        "health": list(m.HEALTH),
        "actions": list(layout.ACTIONS),
        "refusals": list(layout.REFUSALS),
    }


def map_arrays(buffer: mmap.mmap, beds: int, capacity: int) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Every section by name, as an array over the mapped bytes."""
    for name, dtype, shape, offset, count in _places(beds, capacity):
        yield name, np.frombuffer(buffer, dtype, count, offset).reshape(shape)


def _places(beds: int, capacity: int) -> Iterator[tuple[str, str, tuple[int, ...], int, int]]:
    offset = m.HEADER_BYTES
    for name, dtype, shape in m.sections(beds, capacity):
        count = int(np.prod(shape))
        yield name, dtype, shape, offset, count
        offset += -(-count * np.dtype(dtype).itemsize // m.LINE_BYTES) * m.LINE_BYTES


def _size(beds: int, capacity: int) -> int:
    *_, (_, dtype, _, offset, count) = _places(beds, capacity)
    return -(-(offset + count * np.dtype(dtype).itemsize) // mmap.PAGESIZE) * mmap.PAGESIZE


def _map(path: Path, size: int, *, create: bool) -> mmap.mmap:
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if create else 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        if create:
            os.posix_fallocate(descriptor, 0, size)  # no space is an error here, not a SIGBUS later
        return mmap.mmap(descriptor, size)
    except OSError:
        if create:
            path.unlink()
        raise
    finally:
        os.close(descriptor)


def _checked_description(path: Path, size: int, buffer: mmap.mmap) -> dict[str, Any]:
    magic, version, stated_size, length, checksum = _PREAMBLE.unpack(buffer[: _PREAMBLE.size])
    if magic != m.MAGIC:
        raise ForeignMemory(f"{path} is not a gateway's shared memory: it begins with {magic!r}")
    if version != m.VERSION:
        raise ForeignMemory(f"{path} has version {version}, this program reads version {m.VERSION}")
    text = buffer[_PREAMBLE.size : _PREAMBLE.size + max(0, length)]
    if stated_size != size or zlib.crc32(text) != checksum:
        raise ForeignMemory(
            f"{path} is damaged: {size} bytes, {stated_size} stated, or its header's checksum"
        )
    description: dict[str, Any] = json.loads(text)
    if different := [name for name, value in _fields().items() if description.get(name) != value]:
        raise ForeignMemory(f"{path} was made by another version: {', '.join(different)} differ")
    if _size(len(description["devices"]), description["capacity_ticks"]) != size:
        raise ForeignMemory(f"{path} is damaged: its sections do not fit {size} bytes")
    return description


@dataclass(frozen=True, slots=True)
class LoopFile:
    """``gateways/{site}/loop.json``: the living loop's memory, and the one before it."""

    path: Path
    pid: int
    started_at: float
    boot: str
    previous: Path | None = None

    @classmethod
    def load(cls, directory: Path) -> "LoopFile | None":
        """Read it; None when there is none or it is half written."""
        row = read_json(directory / "loop.json")
        try:
            previous = Path(row["previous"]) if row.get("previous") else None
            return cls(
                Path(row["path"]), int(row["pid"]), float(row["started_at"]), str(row["boot"]), previous
            )
        except (KeyError, TypeError, ValueError):
            return None

    def save(self, directory: Path) -> None:
        """Replace it in one step; a full disk must keep no loop from its beds."""
        row = {
            "path": str(self.path),
            "pid": self.pid,
            "started_at": self.started_at,
            "boot": self.boot,
            "previous": str(self.previous) if self.previous else None,
        }
        files.replace_though_full(directory / "loop.json", json.dumps(row, indent=2).encode())
        files.set_aside(directory / "loop.json", RESERVED_BYTES)

    def alive(self) -> bool:
        """True while the loop's process exists."""
        return is_process(self.pid, self.started_at)
