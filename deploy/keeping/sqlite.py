"""SQLite's files of one moment: every writer is held for as long as it takes to pin what all of them are."""

import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from deploy.keeping.packing import CHUNK
from services.kit.errors import SpondylError

BUSY_S: Final = 20.0
_ASK_S: Final = 0.001  # SQLite itself asks ten times a second: a writer without a rest lets nobody else in
_PAGES: Final = 2000

Pinned = dict[Path, sqlite3.Connection]


@contextmanager
def pinned(paths: Sequence[Path], meanwhile: Callable[[], None] = lambda: None) -> Iterator[Pinned]:
    """Connections that go on seeing the files as they were at one moment, in which ``meanwhile`` is called.

    Nobody writes to any of them in that moment: what one of them has told another is in both or in neither.
    Raises SpondylError.
    """
    with ExitStack() as held:
        try:
            readers = {path: _open(path, held) for path in paths}
            with ExitStack() as fence:
                for path in paths:
                    writer = _open(path, fence)
                    _hold(writer)
                    fence.callback(writer.rollback)
                meanwhile()
                for reader in readers.values():
                    reader.execute("BEGIN")
                    reader.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the moment begins here
        except sqlite3.Error as error:
            raise SpondylError(f"a database cannot be read: {error}") from None
        yield readers


def _hold(writer: sqlite3.Connection) -> None:
    """Take the file's write lock in the first gap between two others' changes."""
    writer.execute("PRAGMA busy_timeout = 0")
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            writer.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # of any kind: a recovery, too
            if not is_busy or time.monotonic() > deadline:
                raise
            time.sleep(_ASK_S)
        else:
            return


def _open(path: Path, stack: ExitStack) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    stack.callback(connection.close)
    return connection


def content(reader: sqlite3.Connection, beside: Path) -> Iterator[bytes]:
    """The pinned file as one that stands alone, in pieces; copied page by page into a file ``beside``."""
    with tempfile.NamedTemporaryFile(dir=beside, suffix=".copy") as file:
        copy = sqlite3.connect(file.name)
        try:
            reader.backup(copy, pages=_PAGES, sleep=0)
            copy.execute("PRAGMA journal_mode = DELETE")
        finally:
            copy.close()
        with Path(file.name).open("rb") as copied:
            while piece := copied.read(CHUNK):
                yield piece
