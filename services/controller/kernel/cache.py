"""Where compiled code is kept between starts: a directory named after the sources it was compiled from.

Numba looks at one file only, the one a function stands in: a function compiled together with what it calls
from another file would outlive a change there. So the directory's name is the checksum of all of the kernel's
sources, and a changed kernel is compiled anew, whole.
"""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"
PREFIX = "numba-"
TEMPORARY = "spondyl-compiled-"
KEPT_S = 7 * 86_400.0  # directories of other versions, unused for longer, are removed


def fingerprint(sources: Iterable[Path]) -> str:
    """Checksum of these files' names and contents."""
    checksum = hashlib.sha256()
    for path in sorted(sources):
        content = path.read_bytes()
        checksum.update(f"{path.name} {len(content)}\n".encode() + content)
    return checksum.hexdigest()[:16]


def choose(package: Path, wanted: str | None, *others: Path) -> Path:
    """The first that can be written: where wanted, beside the sources, the user's cache, or temporary.

    Its name is the checksum of the package's sources and of the other packages' that call into them.
    """
    name = PREFIX + fingerprint(path for each in (package, *others) for path in each.glob("*.py"))
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for base in (*_base(wanted), package / "__pycache__", user / "spondyl"):
        if _writable(base / name):
            return base / name
    return Path(tempfile.mkdtemp(prefix=TEMPORARY)) / name  # compiled at every start: slow, but right


def use() -> Path:
    """Point numba there; before or after it is imported."""
    directory = choose(Path(__file__).parent, os.environ.get(VARIABLE))
    _point_at(directory)
    return directory


def _point_at(directory: Path) -> None:
    """Numba asks when a function is decorated, not when it is compiled."""
    os.environ[VARIABLE] = str(directory)
    if "numba" in sys.modules:
        sys.modules["numba"].config.CACHE_DIR = str(directory)


@contextmanager
def kept_for(package: Path, *others: Path) -> Iterator[Path]:
    """What is imported meanwhile is compiled into a directory of its own: an earlier kernel never changes."""
    mine = os.environ[VARIABLE]
    directory = choose(package, mine, *others)
    _point_at(directory)
    try:
        yield directory
    finally:
        _point_at(Path(mine))


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let one process compile and the others find what it compiled."""
    directory = Path(os.environ[VARIABLE])
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released when the file is closed, or its process dies
        yield


def kept() -> bool:
    """True when what is compiled now will be found by the next start."""
    return not Path(os.environ[VARIABLE]).parent.name.startswith(TEMPORARY)


def _base(wanted: str | None) -> tuple[Path, ...]:
    if not wanted:
        return ()
    path = Path(wanted)  # our own choice when a parent process handed it down
    return (path.parent if path.name.startswith(PREFIX) else path,)


def _writable(directory: Path) -> bool:
    if directory.is_dir():
        with suppress(OSError):
            os.utime(directory)  # in use: another version's start must not remove it
        return os.access(directory, os.W_OK)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    _forget_others(directory)
    return True


def _forget_others(directory: Path) -> None:
    oldest = time.time() - KEPT_S
    for other in directory.parent.glob(PREFIX + "*"):
        with suppress(OSError):
            if other != directory and other.stat().st_mtime < oldest:
                shutil.rmtree(other)
