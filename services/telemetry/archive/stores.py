"""Where objects lie: a directory of this machine or a bucket of an S3-compatible service, by URL.

file:///DIRECTORY or a plain path             the local disk
s3://BUCKET/PREFIX[?endpoint=http://HOST]     anything that speaks S3; credentials come from settings

An object is whole or not there: it becomes visible in one step, after its bytes are on disk (or the service
has confirmed them). Paths are made of slugs, so that none leads out of the store.
"""

import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

from services.kit.errors import SpondylError
from services.kit.files import flush_directory, write_new
from services.telemetry.errors import ArchiveUnavailable, ObjectMissing

UNFINISHED: Final = ".unfinished"  # where local objects are written before they have their name
LEFT_FOR_S: Final = 86_400.0
_PART: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Of an S3-compatible service."""

    access_key: str | None = None
    secret_key: str | None = None
    region: str | None = None
    endpoint: str | None = None  # the URL's own endpoint comes first


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request over the network may take: to connect, without a byte coming, and how many tries;
    and one statement of the index's database.
    """

    connect_s: float
    silent_s: float
    attempts: int
    statement_s: float


WRITING: Final = Patience(5.0, 30.0, 3, 300.0)  # an archiver: nobody waits for it
READING: Final = Patience(2.0, 2.0, 2, 30.0)  # somebody does, about 5 s in all
ASKING: Final = Patience(5.0, 10.0, 2, 300.0)  # a command, which may look at ten years
LOOKING: Final = Patience(1.0, 1.0, 1, 1.0)  # whether it answers at all


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What a listing tells of an object."""

    path: str
    size: int


class ObjectStore(Protocol):
    """Immutable objects by path. All methods raise ArchiveUnavailable in words for a person."""

    url: str

    def check(self) -> None:
        """See that the store answers and has a place for objects, with little patience."""

    def put(self, path: str, data: bytes) -> None:
        """Keep an object; when this returns it is durable. The same path is the same content."""

    def put_all(self, objects: Mapping[str, bytes]) -> None:
        """Keep several, by path; when this returns all are durable, when it raises any of them may be."""

    def get(self, path: str) -> bytes:
        """All of an object. Raises ObjectMissing."""

    def get_range(self, path: str, offset: int, length: int) -> bytes:
        """A piece of an object, shorter when the object ends before. Raises ObjectMissing."""

    def exists(self, path: str) -> bool:
        """Whether the object is there."""

    def delete(self, path: str) -> None:
        """Let an object go; one that is not there is no mistake."""

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Every object below a folder, in order of path."""


def open_store(url: str, credentials: Credentials | None = None, patience: Patience = WRITING) -> ObjectStore:
    """The store at the URL; ``patience`` is with those over the network.

    Raises SpondylError when the URL is not one, ArchiveUnavailable.
    """
    parts = urlsplit(url)
    if parts.scheme == "s3":
        return _open_s3(url, credentials or Credentials(), patience)
    if parts.scheme in {"", "file"} and parts.netloc in {"", "localhost"}:
        return LocalStore(Path(unquote(parts.path) if parts.scheme else url))
    raise SpondylError(
        f"SPONDYL_ARCHIVE_URL is {url!r}: it is a directory, file:///DIRECTORY or s3://BUCKET/PREFIX"
    )


def checked(path: str) -> str:
    """The path, when every part of it is a plain name. Raises SpondylError."""
    if not all(_PART.fullmatch(part) for part in path.split("/")):
        raise SpondylError(f"{path!r} is no path of an object: plain names of letters, digits, dashes, dots")
    return path


class LocalStore:
    """A directory: temporary file, fsync, rename, fsync of the directories."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.url = self.root.as_uri()
        with self._told("make", self.root):
            (self.root / UNFINISHED).mkdir(parents=True, exist_ok=True)
            self._clear()

    def check(self) -> None:
        """Look whether the directory is there."""
        with self._told("look into", self.root):
            if not self.root.is_dir():
                raise ArchiveUnavailable(
                    f"the archive's directory {self.root} is not there: see SPONDYL_ARCHIVE_URL"
                )

    def put(self, path: str, data: bytes) -> None:
        """Write aside, flush, then give it its name."""
        self.put_all({path: data})

    def put_all(self, objects: Mapping[str, bytes]) -> None:
        """The same for each; names are flushed together, where the first flush does most of the work."""
        aside = {self.root / checked(path): self.root / UNFINISHED / uuid4().hex for path in objects}
        folders = dict.fromkeys(target.parent for target in aside)
        try:
            for (target, temporary), data in zip(aside.items(), objects.values(), strict=True):
                with self._told("write", target):
                    write_new(temporary, data, 0o640)
            for target, temporary in aside.items():
                with self._told("write", target):
                    _make_directories(target.parent, self.root)
                    temporary.replace(target)
        except BaseException:
            for temporary in aside.values():
                with contextlib.suppress(OSError):
                    temporary.unlink()
            raise
        for folder in folders:
            with self._told("flush", folder):
                flush_directory(folder)

    def get(self, path: str) -> bytes:
        """All of the file."""
        with self._told("read", self.root / checked(path)):
            return (self.root / path).read_bytes()

    def get_range(self, path: str, offset: int, length: int) -> bytes:
        """One read: a window's worth comes at once."""
        target = self.root / checked(path)
        with self._told("read", target):
            descriptor = os.open(target, os.O_RDONLY)
            try:
                return os.pread(descriptor, length, offset)
            finally:
                os.close(descriptor)

    def exists(self, path: str) -> bool:
        """Whether the file is there."""
        with self._told("look for", self.root / checked(path)):
            return (self.root / path).is_file()

    def delete(self, path: str) -> None:
        """Remove the file, flushed."""
        target = self.root / checked(path)
        with self._told("delete", target):
            target.unlink(missing_ok=True)
            if target.parent.exists():
                flush_directory(target.parent)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Walk the directories; what is being written is not listed."""
        start = self.root / checked(prefix) if prefix else self.root
        with self._told("list", start):
            for folder, folders, files in os.walk(start):
                folders[:] = sorted(name for name in folders if name != UNFINISHED)
                for name in sorted(files):
                    path = Path(folder, name)
                    yield StoredObject(path.relative_to(self.root).as_posix(), path.stat().st_size)

    def _clear(self) -> None:
        """Remove what writers left that were killed more than a day ago."""
        for left in (self.root / UNFINISHED).iterdir():
            with contextlib.suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > LEFT_FOR_S:
                    left.unlink()

    @contextlib.contextmanager
    def _told(self, what: str, path: Path) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise ObjectMissing(
                f"the archive has no object {path}: it is gone, or another store is meant"
            ) from None
        except OSError as error:
            advice = _LOCAL_ADVICE.get(error.errno or 0, "see to the disk of SPONDYL_ARCHIVE_URL")
            raise ArchiveUnavailable(f"cannot {what} {path}: {error.strerror or error}; {advice}") from None


_LOCAL_ADVICE: Final = {
    13: "give the user that runs Spondyl the right to it",
    20: "SPONDYL_ARCHIVE_URL must name a directory",
    28: "the disk is full: nothing is lost, Redis keeps what is not archived; make room",
    30: "the file system is read-only",
    122: "the quota is used up: nothing is lost, Redis keeps what is not archived; make room",
}


def _make_directories(directory: Path, root: Path) -> None:
    """Make what is missing below the root, each entry flushed in the directory above it."""
    missing = [
        step for step in (directory, *directory.parents) if step.is_relative_to(root) and not step.exists()
    ]
    for step in reversed(missing):
        step.mkdir(exist_ok=True)
        flush_directory(step.parent)


def _open_s3(url: str, credentials: Credentials, patience: Patience) -> ObjectStore:
    from services.telemetry.archive.s3 import S3Store

    parts = urlsplit(url)
    named = parse_qs(parts.query).get("endpoint", [None])[0]
    if not parts.netloc:
        raise SpondylError(f"SPONDYL_ARCHIVE_URL is {url!r}: s3:// needs a bucket, as s3://BUCKET/PREFIX")
    if not (credentials.access_key and credentials.secret_key):
        raise SpondylError(
            f"the archive {url} needs credentials: set SPONDYL_ARCHIVE_S3_ACCESS_KEY and "
            "SPONDYL_ARCHIVE_S3_SECRET_KEY"
        )
    endpoint = named or credentials.endpoint
    return S3Store(url, parts.netloc, parts.path.strip("/"), credentials, endpoint, patience)
