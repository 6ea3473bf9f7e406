"""A folder that a practice system shares with us: files are claimed by a rename, read when they are whole.

in/         others write here; a file is left alone until it is whole
work/       claimed by us: `{claim}~{name}`; what a crash left here is taken up again
processed/  taken
rejected/   not taken, with `{name}.reason.txt` beside it
out/        for the practice system: a file appears whole, under a name that was free
"""

import contextlib
import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from services.kit import files
from services.screening.exchange.gdt.fields import Version
from services.screening.exchange.gdt.reading import MOST_BYTES

PLACES: Final = ("in", "work", "processed", "rejected", "out")
REASON_END: Final = ".reason.txt"
SHARED: Final = 0o660  # the practice system is another user of this machine
IMPATIENT_S: Final = 30.0  # unchanged for so long, a file shorter than its 8100 is taken as it is
_GDT_NAME: Final = re.compile(r"[^.~/][^~/]{0,150}\.(gdt|\d{3})", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"^\d{3}8100(\d{1,7})\s*$", re.MULTILINE)
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_COUNTERS: Final = {"2.1": 999, "3.0": 9999, "3.1": 9999}


@dataclass(frozen=True, slots=True)
class Claimed:
    """A file that is ours: nobody else takes it."""

    id: UUID
    name: str
    path: Path


@dataclass(slots=True)
class _Sight:
    """What a file looked like, and since when it has looked like that."""

    look: tuple[int, int, int]
    since: float
    first: float


@dataclass(slots=True)
class Folder:
    """One folder; its directories are made."""

    directory: Path
    stable_s: float
    _sights: dict[str, _Sight] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for place in PLACES:
            self.place(place).mkdir(parents=True, exist_ok=True)

    def place(self, name: str) -> Path:
        """One of PLACES."""
        return self.directory / name

    def claim(self) -> None:
        """Make every file ours that is whole: by a rename, which succeeds for one process alone."""
        found = {path.name for path in self._incoming()}
        self._sights = {name: sight for name, sight in self._sights.items() if name in found}
        for name in sorted(found):
            if self._is_whole(name):
                with contextlib.suppress(FileNotFoundError):
                    (self.place("in") / name).rename(self.place("work") / f"{uuid4()}~{name}")
                    self._sights.pop(name, None)

    def claimed(self) -> list[Claimed]:
        """What is ours and not settled, an earlier process's too."""
        found = []
        for path in sorted(self.place("work").iterdir()):
            claim, mark, name = path.name.partition("~")
            with contextlib.suppress(ValueError):
                if mark:
                    found.append(Claimed(UUID(claim), name, path))
        return found

    def settle(self, claimed: Claimed, reason: str | None) -> Path:
        """Put it away: to `processed`, or with the reason to `rejected`."""
        home = self.place("processed" if reason is None else "rejected")
        target = home / claimed.name
        if target.exists():
            target = home / f"{claimed.id}-{claimed.name}"
        if reason is not None:
            files.replace(target.with_name(f"{target.name}{REASON_END}"), reason.encode(), SHARED)
        with contextlib.suppress(FileNotFoundError):  # another process has settled it just now
            claimed.path.rename(target)
        files.flush_directory(home)
        return target

    def prepare(self, key: UUID, content: bytes) -> None:
        """Put a file for the practice system on the disk, not yet where that looks."""
        files.replace(self._prepared(key), content, SHARED)

    def is_prepared(self, key: UUID) -> bool:
        """Whether it lies there, and so was not handed over yet."""
        return self._prepared(key).exists()

    def hand_over(self, key: UUID, names: Iterator[str]) -> str:
        """Let it appear whole in `out`, under the first name that is free; gives that name."""
        prepared = self._prepared(key)
        for name in names:
            if _place(prepared, self.place("out") / name):
                files.flush_directory(self.place("out"))
                return name
        raise FileExistsError(errno.EEXIST, f"every name in {self.place('out')} is taken")

    def tidy(self, before_s: float) -> None:
        """Delete what was put away before this time (seconds since the epoch)."""
        for place in ("processed", "rejected"):
            for path in self.place(place).iterdir():
                with contextlib.suppress(OSError):
                    if path.is_file() and path.stat().st_mtime < before_s:
                        path.unlink()

    def counts(self) -> dict[str, int]:
        """How many files lie where."""
        return {
            place: sum(not path.name.endswith(REASON_END) for path in _files(self.place(place)))
            for place in PLACES
        }

    def _prepared(self, key: UUID) -> Path:
        return self.place("work") / f"{key}.out"

    def _incoming(self) -> Iterator[Path]:
        return (path for path in _files(self.place("in")) if _GDT_NAME.fullmatch(path.name))

    def _is_whole(self, name: str) -> bool:
        """Unchanged for a while, locked by nobody, and as long as it says it is."""
        now = time.monotonic()
        with contextlib.suppress(OSError), (self.place("in") / name).open("rb") as file:
            found = os.fstat(file.fileno())
            look = (found.st_ino, found.st_size, found.st_mtime_ns)
            before = self._sights.get(name)
            if before is None or before.look != look:
                self._sights[name] = _Sight(look, now, before.first if before else now)
                return False
            if now - before.since < self.stable_s or _is_locked(file.fileno()):
                return False
            return _is_complete(file.read(MOST_BYTES)) or now - before.since >= IMPATIENT_S
        return False


def read_claimed(claimed: Claimed) -> bytes | None:
    """What it says; None while somebody still writes to it, through a handle from before our rename."""
    with claimed.path.open("rb") as file:
        before = os.fstat(file.fileno())
        content = file.read(MOST_BYTES + 1)
        after = os.fstat(file.fileno())
        same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
        return None if _is_locked(file.fileno()) or not same else content


def names(version: Version, receiver: str, sender: str) -> Iterator[str]:
    """The names of GDT, counting up: `PRAXSPDL.001` in 2.1, `PRAX_SPDL_0001.gdt` in 3.x."""
    most = _COUNTERS[version]
    for number in range(1, most + 1):
        if version == "2.1":
            yield f"{receiver[:4]:_<4}{sender[:4]:_<4}.{number:03d}".upper()
        else:
            yield f"{receiver}_{sender}_{number:04d}.gdt".upper()


def _files(directory: Path) -> Iterator[Path]:
    """Plain files, no links: a link may lead anywhere."""
    for path in directory.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISREG(path.lstat().st_mode) and not path.name.startswith("."):
                yield path


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def _is_complete(content: bytes) -> bool:
    """As many bytes as its 8100 fields say, line ends of one byte allowed for; without any, anything."""
    said = sum(int(found) for found in _LENGTH.findall(content.replace(b"\r\n", b"\n")))
    return len(content) + (content.count(b"\n") if b"\r\n" not in content else 0) >= said


def _place(source: Path, target: Path) -> bool:
    """Give the file this name unless somebody has it."""
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if target.exists():  # a file system without links; nobody but us writes here
            return False
        source.rename(target)
        return True
    source.unlink()
    return True
