"""SQLite's files of one moment: a lock that somebody holds is waited for, whatever it is called."""

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager

import pytest
from servers import eventually

from deploy.keeping import sqlite
from deploy.keeping.sqlite import pinned
from services.kit.errors import SpondylError

WRITER = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("CREATE TABLE told (word TEXT)")
connection.execute("INSERT INTO told VALUES ('kept')")
os._exit(0)  # without tidying up: whoever opens the file next recovers it
"""
# As a process that recovers the file: locks are bytes of the -shm file (sqlite.org/walformat.html, 2.3.1).
RECOVERER = """
import fcntl, sys
WRITE, RECOVER, DEADMAN = 120, 122, 128
with open(sys.argv[1], "r+b") as index:
    fcntl.lockf(index, fcntl.LOCK_SH, 1, DEADMAN)
    fcntl.lockf(index, fcntl.LOCK_EX, 1, WRITE)
    fcntl.lockf(index, fcntl.LOCK_EX, 1, RECOVER)
    index.write(bytes(96))  # both copies of the header: not valid until it is recovered
    index.flush()
    print("recovers", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path):
    """A database in WAL mode whose last writer crashed."""
    subprocess.run([sys.executable, "-c", WRITER, tmp_path / "kept.db"], check=True)
    return tmp_path / "kept.db"


@contextmanager
def writing(path):
    """Somebody changes it."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other.rollback


@contextmanager
def recovering(path):
    """Another process recovers it after the crash."""
    command = [sys.executable, "-c", RECOVERER, f"{path}-shm"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "recovers\n"
        yield lambda: process.communicate("\n")


LOCKS = {"writing": (writing, sqlite3.SQLITE_BUSY), "recovering": (recovering, sqlite3.SQLITE_BUSY_RECOVERY)}


@pytest.fixture(params=LOCKS)
def locked(request, path):
    """Lets go of the file; it is locked until then."""
    hold, code = LOCKS[request.param]
    with hold(path) as let_go, closing(sqlite3.connect(path, timeout=0)) as asker:  # the last one out tidies
        with pytest.raises(sqlite3.Error) as refused:
            asker.execute("BEGIN IMMEDIATE")
        assert refused.value.sqlite_errorcode == code, "locked as this test says"
        yield let_go


def test_a_locked_file_is_waited_for(path, locked):
    """A backup must not end because somebody writes, nor because somebody recovers after a crash."""
    words = []

    def pin():
        with pinned([path]) as readers:
            words.extend(readers[path].execute("SELECT word FROM told").fetchall())

    thread = threading.Thread(target=pin)
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    assert words == []
    locked()
    eventually(lambda: not thread.is_alive(), 20, "the moment")
    assert words == [("kept",)]


@pytest.mark.usefixtures("locked")
def test_a_file_that_stays_locked_is_told(path, monkeypatch):
    """Who keeps waiting for ever makes no backup, and nobody knows."""
    monkeypatch.setattr(sqlite, "BUSY_S", 0.05)
    with pytest.raises(SpondylError, match="a database cannot be read: database is locked"), pinned([path]):
        pass


def test_what_is_no_database_is_told_at_once(tmp_path):
    """It will be none in 20 s either."""
    (tmp_path / "no.db").write_bytes(b"a text that is no database" * 100)
    with (
        pytest.raises(SpondylError, match="cannot be read: file is not a database"),
        pinned([tmp_path / "no.db"]),
    ):
        pass
