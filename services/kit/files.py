"""Files: what somebody wrote, read within a limit; our own, written whole or not at all and on the disk."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from services.kit.errors import SpondylError

OWNER_ONLY = 0o600
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def read_text(path: Path, name: str, most_bytes: int) -> str:
    """The text of a file that a person gave; ``name`` is for the refusals. Raises SpondylError."""
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise SpondylError(f"{name} cannot be read: {error.strerror}") from None
    if len(content) > most_bytes:
        raise SpondylError(f"{name} is larger than {most_bytes} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = f"byte {error.start} is 0x{content[error.start]:02x}"
        raise SpondylError(f"{name} is not UTF-8: {byte}") from None


class Followed:
    """A small file that another process replaces; ``changed`` gives its content when it is another one.

    It raises OSError where that cannot be read, once for each file; FileNotFoundError while there is none.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        self._path, self._most_bytes = path, most_bytes
        self._seen: tuple[int, int] | None = None

    def changed(self) -> bytes | None:
        """The content, up to the limit; None while the file is the one that was read last."""
        found = self._path.stat()
        stamp = (found.st_mtime_ns, found.st_ino)
        if stamp == self._seen:
            return None
        self._seen = stamp
        with self._path.open("rb") as file:
            return file.read(self._most_bytes)


def write_new(path: Path, content: bytes, mode: int = OWNER_ONLY) -> None:
    """A file that is not there yet, on the disk when this returns. Raises FileExistsError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace(path: Path, content: bytes, mode: int = OWNER_ONLY, *, named: bool = True) -> None:
    """Put the file there in one step, whatever stood there before; its directory is made.

    Without ``named`` a power cut may bring the one before back, whole, and this takes half the time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _beside(path, content, mode) as written:
        written.replace(path)
    if named:
        flush_directory(path.parent)


def set_aside(path: Path, size: int) -> None:
    """Keep ``size`` bytes of the disk beside the file for ``replace_though_full``, where there are some."""
    reserve = _reserve(path)
    with contextlib.suppress(OSError):
        if reserve.exists() and reserve.stat().st_size == size:
            return
        replace(reserve, bytes(size), named=False)


def replace_though_full(path: Path, content: bytes, mode: int = OWNER_ONLY) -> None:
    """As ``replace``; on a full disk within the room that was set aside before, once. Raises OSError."""
    try:
        replace(path, content, mode)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        _fill_reserve(path, content, error)


def _fill_reserve(path: Path, content: bytes, full: OSError) -> None:
    """Write into blocks that are there already: what is given free first, somebody else would take."""
    reserve = _reserve(path)
    try:
        with reserve.open("r+b") as file:
            if len(content) > reserve.stat().st_size:
                raise full
            file.write(content)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        reserve.replace(path)
    except FileNotFoundError:
        raise full from None
    flush_directory(path.parent)


def _reserve(path: Path) -> Path:
    return path.with_name(f".{path.name}.reserve")


def publish(path: Path, content: bytes, mode: int = OWNER_ONLY) -> None:
    """Put the file there in one step; the first of two processes wins: a key in use is never replaced."""
    with _beside(path, content, mode) as written, contextlib.suppress(FileExistsError):
        os.link(written, path)
    flush_directory(path.parent)


def flush_directory(directory: Path) -> None:
    """Put the names in it on the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _beside(path: Path, content: bytes, mode: int) -> Iterator[Path]:
    written = path.with_name(f".{path.name}.{os.getpid()}.{uuid4().hex}")
    try:
        write_new(written, content, mode)
        yield written
    finally:
        written.unlink(missing_ok=True)  # a full disk is not filled further
