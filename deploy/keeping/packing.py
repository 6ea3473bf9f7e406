"""The file of a backup: a tar of zstd-compressed members, its manifest at the end with their checksums.

It has its name only once it is whole and on the disk. Any tar and zstd read it without us.
"""

import hashlib
import io
import json
import os
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Self

import zstandard

from deploy.keeping.layout import checked
from services.kit.errors import SpondylError
from services.kit.files import flush_directory

MANIFEST: Final = "manifest.json"
PACKED: Final = ".zst"
CHUNK: Final = 1 << 20
MOST_MANIFEST: Final = 1 << 30
_LEVEL: Final = 3


class Damaged(SpondylError):  # noqa: N818  (the name is the state)
    """A backup that is not as it was written."""


class Packer:
    """Writes one; use as a context: left without an error it is there, else nothing is."""

    def __init__(self, target: Path) -> None:
        """Raises SpondylError where something is there already or nothing can be written."""
        self._target, self._part = target, target.with_name(f".{target.name}.unfinished")
        if target.exists():
            raise SpondylError(f"{target} is there already: a backup replaces nothing")
        self.members: dict[str, dict[str, Any]] = {}
        try:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.fdopen(os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
        except OSError as error:
            raise SpondylError(f"{target} cannot be written: {error.strerror}") from None
        self._tar = tarfile.TarFile(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)

    @property
    def directory(self) -> Path:
        """Where the file will be: what is copied on the way is copied there, where there is room."""
        return self._part.parent

    def add(self, name: str, content: Iterable[bytes]) -> None:
        """One member, compressed; ``content`` comes in pieces."""
        digest, size = hashlib.sha256(), 0
        with tempfile.TemporaryFile(dir=self._part.parent) as packed:
            with zstandard.ZstdCompressor(level=_LEVEL).stream_writer(packed, closefd=False) as out:
                for piece in content:
                    digest.update(piece)
                    size += len(piece)
                    out.write(piece)
            self._append(checked(name) + PACKED, packed)
        self.members[name] = {"bytes": size, "sha256": digest.hexdigest()}

    def add_file(self, name: str, path: Path) -> None:
        """A file as it is now; one that has just gone was not to be kept."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return
        with file:
            self.add(name, iter(lambda: file.read(CHUNK), b""))

    def _append(self, name: str, file: Any) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = file.seek(0, os.SEEK_END), 0o600
        file.seek(0)
        self._tar.addfile(member, file)

    def finish(self, manifest: dict[str, Any]) -> int:
        """Write the manifest, flush, and give the file its name; its size in bytes."""
        body = json.dumps({**manifest, "members": self.members}, indent=1).encode()
        self._append(MANIFEST, io.BytesIO(body))
        self._append(f"{MANIFEST}.sha256", io.BytesIO(hashlib.sha256(body).hexdigest().encode()))
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._part.replace(self._target)
        flush_directory(self._target.parent)
        return self._target.stat().st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)


class Pack:
    """Reads one. Raises Damaged wherever it is not as it was written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise SpondylError(f"there is no backup {path}: {error.strerror}") from None
        try:
            self._tar = tarfile.TarFile(fileobj=self._file)
            self.manifest = self._manifest()
        except (tarfile.TarError, OSError, EOFError, ValueError) as error:
            self._file.close()
            raise Damaged(f"{path} is no backup, or its end is missing: {error}") from None
        except BaseException:
            self._file.close()
            raise

    def _manifest(self) -> dict[str, Any]:
        if not {MANIFEST, f"{MANIFEST}.sha256"} <= set(self._tar.getnames()):
            raise Damaged(f"{self.path} has no manifest: it is no backup, or its end is missing")
        body, digest = self._raw(MANIFEST), self._raw(f"{MANIFEST}.sha256")
        if hashlib.sha256(body).hexdigest().encode() != digest:
            raise Damaged(f"the manifest of {self.path} was changed")
        manifest: dict[str, Any] = json.loads(body)
        return manifest

    def close(self) -> None:
        """Let go of the file."""
        self._tar.close()
        self._file.close()

    @property
    def members(self) -> dict[str, dict[str, Any]]:
        """What it holds: name -> bytes and sha256 of the content."""
        found: dict[str, dict[str, Any]] = self.manifest["members"]
        return found

    def below(self, folder: str) -> Iterator[str]:
        """Names of the members below a folder."""
        return (name for name in self.members if name.startswith(f"{folder}/"))

    def verify(self, tell: Callable[[int], None] = lambda _bytes: None) -> None:
        """Read every member and compare its checksum."""
        for name in self.members:
            for piece in self.read(name):
                tell(len(piece))

    def read(self, name: str) -> Iterator[bytes]:
        """A member's content in pieces, compared with its checksum behind the last."""
        digest, told, left = hashlib.sha256(), self.members[checked(name)], self.members[name]["bytes"]
        try:
            file = self._tar.extractfile(name + PACKED)
            with zstandard.ZstdDecompressor().stream_reader(file or io.BytesIO()) as plain:
                while piece := plain.read(CHUNK):
                    left -= len(piece)
                    if left < 0:
                        raise Damaged(f"{self.path}: {name} is longer than the {told['bytes']} bytes it had")
                    digest.update(piece)
                    yield piece
        except (KeyError, tarfile.TarError, zstandard.ZstdError, zlib.error, EOFError) as error:
            raise Damaged(f"{self.path}: {name} cannot be read: {error}") from None
        if digest.hexdigest() != told["sha256"]:
            raise Damaged(f"{self.path}: {name} is not as it was written (its sha256 is another)")

    def content(self, name: str) -> bytes:
        """All of a small member."""
        return b"".join(self.read(name))

    def _raw(self, name: str) -> bytes:
        file = self._tar.extractfile(name)
        return b"" if file is None else file.read(MOST_MANIFEST)
