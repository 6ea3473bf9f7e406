"""What lies under DATA, and how each of it is kept: the first rule that fits counts."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, Literal

from services.kit.standing import BACKED_UP

Kind = Literal["left", "apart", "seal", "secret", "sqlite", "plain"]
SQLITE_MAGIC: Final = b"SQLite format 3\x00"
STAGE: Final = ".restoring"  # where a backup is put back before anything has its name
RULES: Final[tuple[tuple[str, Kind], ...]] = (
    # of the running system: made anew by the next start
    ("run.json", "left"),
    (BACKED_UP, "left"),
    (f"volumes/*/{BACKED_UP}", "left"),
    ("lock", "left"),
    ("ports.json", "left"),
    ("processes.json", "left"),
    ("*/processes.json", "left"),
    ("*/loop.json", "left"),
    ("*/run/*", "left"),
    ("*.lock", "left"),
    ("*-leader", "left"),
    ("*.sock", "left"),
    ("log/*", "left"),
    ("mosquitto/*.conf", "left"),
    ("mosquitto/acl", "left"),
    ("mosquitto/passwords", "left"),
    (f"{STAGE}/*", "left"),
    # kept by what understands it
    ("redis/*", "apart"),
    ("telemetry/archive/*", "apart"),
    ("*/telemetry/archive/*", "apart"),
    ("mosquitto/mosquitto.db", "apart"),
    ("*.db-wal", "apart"),
    ("*.db-shm", "apart"),
    ("*.db-journal", "apart"),
    ("*.seal", "seal"),
    # whoever reads one of these may act for somebody
    ("secrets/*", "secret"),
    ("*/secrets/*", "secret"),  # a volume of each service's own
    ("*.key", "secret"),
    ("*.key.*", "secret"),  # one that is just being written, or was when our process was ended
    ("*.token.*", "secret"),
    ("*.token", "secret"),
    ("*/mosquitto/passwords", "secret"),
    ("*.db", "sqlite"),
    ("*", "plain"),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """One file of DATA: where it lies, its name below DATA, and how it is kept."""

    path: Path
    name: str
    kind: Kind


def kind_of(name: str) -> Kind:
    """How a file of this name below DATA is kept."""
    return next(kind for pattern, kind in RULES if fnmatchcase(name, pattern))


def walk(data: Path) -> Iterator[Kept]:
    """Every file below DATA in order of names; a rule's `sqlite` only where the file is one."""
    for folder, folders, files in os.walk(data):
        folders.sort()
        for file in sorted(files):
            path = Path(folder, file)
            name = path.relative_to(data).as_posix()
            kind = kind_of(name)
            if path.is_symlink() or not path.is_file():
                continue
            yield Kept(path, name, "plain" if kind == "sqlite" and not is_sqlite(path) else kind)


def links(data: Path) -> list[str]:
    """Names of links below DATA, to files and to directories: nothing behind one is a file of DATA."""
    found = []
    for folder, folders, files in os.walk(data):
        found += [path for path in (Path(folder, name) for name in (*folders, *files)) if path.is_symlink()]
    return sorted(path.relative_to(data).as_posix() for path in found)


def is_sqlite(path: Path) -> bool:
    """Whether it begins as SQLite's files do; an empty one is one that has no table yet."""
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE_MAGIC)) in {SQLITE_MAGIC, b""}
    except OSError:
        return False


def checked(name: str) -> str:
    """A name that leads nowhere but below DATA. Raises ValueError."""
    parts = name.split("/")
    if name.startswith("/") or not all(part and part not in {".", ".."} for part in parts) or "\0" in name:
        raise ValueError(name)
    return name
