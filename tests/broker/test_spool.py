import os
import signal
import sqlite3
import subprocess
import sys
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.spool import Spool, SpoolError, SpoolFull

BOOT = UUID(int=7)
OTHER_BOOT = UUID(int=8)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "spool.db"


def fill(spool, rows, size=1000, stream="tension", device="bed-01", boot=BOOT, start=0):
    """``rows`` messages of ten samples each."""
    with spool.transaction():
        for index in range(start, start + rows):
            spool.append(stream, device, boot, index * 10, index * 10 + 10, b"x" * size)


def fill_tenfold(spool):
    """A thousand messages, ten a transaction."""
    for start in range(0, 1000, 10):
        fill(spool, 10, start=start)


def firsts(spool, **options):
    return [row.first for row in spool.pending(**options)]


def test_what_was_appended_comes_back_in_order_after_a_restart(path):
    """The drain of a gateway that was switched off goes on where it was."""
    fill(Spool(Spool.open(path)), 5)
    again = Spool(Spool.open(path))
    rows = again.pending()
    assert [row.first for row in rows] == [0, 10, 20, 30, 40]
    assert (rows[0].stream, rows[0].device, rows[0].boot, rows[0].next) == ("tension", "bed-01", BOOT, 10)
    assert rows[0].payload == b"x" * 1000
    assert firsts(again, after=rows[2].id, limit=1) == [30]
    assert firsts(again, after=rows[0].id, until=rows[2].id) == [10, 20]


def test_a_transaction_is_all_or_nothing_with_the_owners_own_tables(path):
    """Rows without their cursor would be sent twice, a cursor without its rows would lose them."""
    spool = Spool(Spool.open(path))
    spool.connection.execute("CREATE TABLE cursor (next INTEGER)")

    def killed_before_the_commit():
        with spool.transaction() as connection:
            spool.append("tension", "bed-01", BOOT, 0, 10, b"block")
            connection.execute("INSERT INTO cursor VALUES (10)")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed_before_the_commit()
    assert spool.pending() == []
    assert spool.size().bytes == 0
    assert spool.connection.execute("SELECT count(*) FROM cursor").fetchone() == (0,)


def test_appending_outside_a_transaction_or_twice_is_refused(path):
    """Both are mistakes of the owner that would show only after a crash."""
    spool = Spool(Spool.open(path))
    with pytest.raises(SpoolError, match="transaction"):
        spool.append("tension", "bed-01", BOOT, 0, 10, b"block")
    fill(spool, 1)
    with pytest.raises(sqlite3.IntegrityError):
        fill(spool, 1)
    assert spool.size().rows == 1


def test_trim_settles_only_what_is_stored_whole(path):
    """A block that was stored half must be sent again, and other beds, boots and streams are not meant."""
    spool = Spool(Spool.open(path), keep_bytes=0)
    fill(spool, 3)
    fill(spool, 1, device="bed-02")
    fill(spool, 1, boot=OTHER_BOOT)
    fill(spool, 1, stream="event")
    assert spool.trim("tension", "bed-01", BOOT, 25) == 2
    assert spool.trim("tension", "bed-01", BOOT, 25) == 0
    left = [(row.stream, row.device, row.boot, row.first) for row in spool.pending()]
    assert left == [
        ("tension", "bed-01", BOOT, 20),
        ("tension", "bed-02", BOOT, 0),
        ("tension", "bed-01", OTHER_BOOT, 0),
        ("event", "bed-01", BOOT, 0),
    ]


def test_ids_are_never_used_twice(path):
    """A drain that asks for `after` the last id must see what is appended to an empty spool."""
    spool = Spool(Spool.open(path), keep_bytes=0)
    fill(spool, 3)
    last = spool.last_id()
    spool.trim("tension", "bed-01", BOOT, 30)
    assert spool.size().rows == spool.size().reserve_rows == 0
    fill(spool, 1, start=3)
    assert firsts(spool, after=last) == [30]


def test_under_pressure_the_oldest_committed_rows_go_first_then_it_is_full(path):
    """What is not stored elsewhere is never dropped; a full spool is an alarm, not a loss."""
    spool = Spool(Spool.open(path), max_bytes=10_000, keep_bytes=10_000)
    fill(spool, 10)
    assert spool.trim("tension", "bed-01", BOOT, 40) == 4
    assert spool.size().reserve_rows == 4
    fill(spool, 3, start=10)
    assert firsts(spool) == [40, 50, 60, 70, 80, 90, 100, 110, 120]
    with pytest.raises(SpoolFull, match="10000 allowed"):
        fill(spool, 2, start=13)
    assert firsts(spool) == [40, 50, 60, 70, 80, 90, 100, 110, 120]
    spool.trim("tension", "bed-01", BOOT, 130)
    fill(spool, 2, start=13)
    assert firsts(spool) == [130, 140]


def test_a_full_disk_is_told_as_such_loses_nothing_and_gives_up_the_reserve(path):
    """The recorder raises an alarm and tries again; the loop never hears of it."""
    connection = Spool.open(path)
    spool = Spool(connection, keep_bytes=10**9)
    fill(spool, 50)
    spool.trim("tension", "bed-01", BOOT, 300)
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(SpoolFull, match="full"):
        fill(spool, 40, start=50)
    assert firsts(spool) == list(range(300, 500, 10))
    assert spool.size().reserve_rows == 15
    fill(spool, 10, start=50)
    assert firsts(spool) == list(range(300, 600, 10))


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_without_space_is_told_as_such(tmp_path):
    """ENOSPC itself, not only SQLite's own limit."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(disk)], check=False).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        connection = Spool.open(disk / "spool.db")
        spool = Spool(connection)
        with pytest.raises(SpoolFull):
            fill_tenfold(spool)
        before = firsts(spool, limit=10_000)
        assert before == list(range(0, len(before) * 10, 10))
        connection.close()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_kill_in_the_middle_leaves_whole_transactions(path):
    """Power fails without a farewell: what was committed is there, the rest never was."""
    program = (
        "import sys; sys.path.insert(0, '.')\n"
        "from broker.spool import Spool; from uuid import UUID\n"
        f"spool = Spool(Spool.open({str(path)!r}))\n"
        "for batch in range(10**6):\n"
        "    with spool.transaction():\n"
        "        for i in range(5):\n"
        "            n = batch * 5 + i\n"
        "            spool.append('tension', 'bed-01', UUID(int=7), n * 10, n * 10 + 10, b'x' * 500)\n"
        "    print(batch, flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    said = 0
    while said < 50:
        said = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    found = firsts(Spool(Spool.open(path)), limit=10**6)
    assert len(found) >= (said + 1) * 5
    assert len(found) % 5 == 0
    assert found == list(range(0, len(found) * 10, 10))


def test_a_file_that_is_no_database_is_one_clear_error(path):
    """A damaged spool must be told by name, not by a trace."""
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(SpoolError, match="not a database"):
        Spool(Spool.open(path))


def add_and_trim_in_vain(spool, device, first, trimmed):
    """A transaction that fails at its end."""
    with spool.transaction():
        spool.append("tension", device, BOOT, first, first + 10, b"x" * 100)
        spool.trim("tension", device, BOOT, trimmed)
        raise RuntimeError("nothing of this happened")


@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "trim", "fail"]), st.sampled_from(["a", "b"]), st.integers(0, 200))
    )
)
def test_only_what_was_committed_ever_leaves_the_pending_rows(steps):
    """Whatever the order of appends and commits, pending is exactly the uncommitted rest, in order."""
    spool = Spool(sqlite3.connect(":memory:", isolation_level=None), keep_bytes=300)
    added, committed, nexts = [], {"a": 0, "b": 0}, {"a": 0, "b": 0}
    for what, device, number in steps:
        if what == "add":
            with spool.transaction():
                spool.append("tension", device, BOOT, nexts[device], nexts[device] + 10, b"x" * 100)
            added.append((device, nexts[device]))
            nexts[device] += 10
        elif what == "fail":
            with pytest.raises(RuntimeError):
                add_and_trim_in_vain(spool, device, nexts[device], number)
        else:
            spool.trim("tension", device, BOOT, number)
            committed[device] = max(committed[device], min(number, nexts[device]) // 10 * 10)
    expected = [(device, first) for device, first in added if first >= committed[device]]
    assert [(row.device, row.first) for row in spool.pending(limit=1000)] == expected
    assert spool.size().rows == len(expected)
    assert spool.size().bytes == 100 * len(expected)
    assert spool.size() == Spool(spool.connection).size(), "what is kept up is what is counted anew"
    assert spool.size().reserve_bytes <= 300


def test_a_transaction_that_could_not_begin_changes_no_count(tmp_path):
    """Another connection may hold the file; what was stored before is still there."""
    spool = Spool(Spool.open(tmp_path / "spool.db"))
    with spool.transaction():
        spool.append("tension", "a", BOOT, 0, 10, b"x" * 100)
    spool.connection.execute("PRAGMA busy_timeout = 1")
    other = Spool.open(tmp_path / "spool.db")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(SpoolError, match="locked"), spool.transaction():
        pass
    other.execute("ROLLBACK")
    assert (spool.size().rows, spool.size().bytes) == (1, 100)
    other.close()
    spool.connection.close()


def test_the_rows_of_a_span_are_found_committed_or_not_with_the_one_that_reaches_in(path):
    """What never arrived is sent again, also when it was already taken for stored."""
    spool = Spool(Spool.open(path))
    fill(spool, 10)
    fill(spool, 10, device="bed-02")
    spool.trim("tension", "bed-01", BOOT, 30)
    found = spool.within("tension", "bed-01", BOOT, 15, 41)
    assert [(row.first, row.next, row.committed) for row in found] == [
        (10, 20, True), (20, 30, True), (30, 40, False), (40, 50, False),
    ]  # fmt: skip
    assert found[0].payload == b"x" * 1000
    assert [row.first for row in spool.within("tension", "bed-01", BOOT, 15, 41, limit=2)] == [10, 20]
    assert spool.within("tension", "bed-01", OTHER_BOOT, 0, 100) == []


def test_the_numbers_of_no_row_are_told_as_far_as_it_looked(path):
    """A number must never be called lost that some row holds."""
    spool = Spool(Spool.open(path))
    fill(spool, 2)
    fill(spool, 2, start=5)
    assert spool.absent("tension", "bed-01", BOOT, 0, 20) == []
    assert spool.absent("tension", "bed-01", BOOT, 5, 80) == [(20, 50), (70, 80)]
    assert spool.absent("tension", "bed-01", BOOT, 30, 40) == [(30, 40)]
    assert spool.absent("tension", "bed-01", BOOT, 5, 80, limit=3) == [(20, 50)]
    assert spool.absent("event", "bed-01", BOOT, 0, 3) == [(0, 3)]


@given(
    blocks=st.sets(st.integers(0, 30), max_size=20),
    first=st.integers(0, 320),
    length=st.integers(1, 320),
)
def test_rows_and_absent_numbers_are_together_all_that_was_asked_for(blocks, first, length):
    """Sent again or named lost: nothing that is asked for may be neither or both."""
    spool = Spool(Spool.open(":memory:"))
    with spool.transaction():
        for block in blocks:
            spool.append("tension", "bed-01", BOOT, block * 10, block * 10 + 10, b"")
    asked = set(range(first, first + length))
    rows = spool.within("tension", "bed-01", BOOT, first, first + length)
    held = {number for row in rows for number in range(row.first, row.next)}
    absent = {
        number
        for begin, end in spool.absent("tension", "bed-01", BOOT, first, first + length)
        for number in range(begin, end)
    }
    assert held & asked | absent == asked
    assert not held & absent
    assert [row.first for row in rows] == sorted(row.first for row in rows)
