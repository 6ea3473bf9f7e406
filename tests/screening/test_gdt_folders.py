"""A folder shared with a practice system that writes, reads and deletes whenever it likes."""

import fcntl
import os
import time
from uuid import uuid4

import pytest

from services.screening.exchange.gdt.folders import Folder, names, read_claimed
from services.screening.exchange.gdt.writing import Form, write

PATIENT = write("6301", [("3000", "1"), ("3101", "Meier")], Form()).content
STABLE_S = 3600.0  # nothing is stable within a test unless it is told so


def folder(tmp_path, stable_s=0.0):
    """A folder whose files are stable at once, at the second look."""
    return Folder(tmp_path, stable_s)


def claims(shared):
    """Look twice, as a file is taken that has not changed between."""
    shared.claim()
    shared.claim()
    return shared.claimed()


def test_a_whole_file_is_claimed_once_by_one_of_two(tmp_path):
    """Two processes that look after one folder must not open one patient twice."""
    one, other = folder(tmp_path), folder(tmp_path)
    (tmp_path / "in" / "PRAXSPDL.001").write_bytes(PATIENT)
    one.claim()
    other.claim()
    one.claim()
    other.claim()
    (claimed,) = one.claimed()
    assert claimed.name == "PRAXSPDL.001"
    assert read_claimed(claimed) == PATIENT
    assert not list((tmp_path / "in").iterdir())


def test_a_file_that_still_grows_is_left_alone(tmp_path):
    """Half a patient is another patient."""
    shared = folder(tmp_path)
    with (tmp_path / "in" / "a.gdt").open("wb", buffering=0) as writer:
        for piece in (PATIENT[:20], PATIENT[20:40]):
            writer.write(piece)
            shared.claim()
            assert shared.claimed() == []
        assert claims(shared) == [], "shorter than its 8100 says"
        writer.write(PATIENT[40:])
    assert len(claims(shared)) == 1


def test_a_file_that_is_new_waits_until_it_has_not_changed_for_a_while(tmp_path):
    """A network drive shows a file before all of it is there."""
    shared = folder(tmp_path, STABLE_S)
    (tmp_path / "in" / "a.gdt").write_bytes(PATIENT)
    assert claims(shared) == []


def test_a_file_that_somebody_has_locked_is_left_alone(tmp_path):
    """A practice system that locks what it writes means it."""
    shared = folder(tmp_path)
    path = tmp_path / "in" / "a.gdt"
    path.write_bytes(PATIENT)
    with path.open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        assert claims(shared) == []
    assert len(claims(shared)) == 1


def test_who_writes_on_after_the_claim_is_waited_for(tmp_path):
    """A handle that was open before our rename still writes to the same file."""
    shared = folder(tmp_path)
    path = tmp_path / "in" / "a.gdt"
    path.write_bytes(PATIENT)
    with path.open("ab") as writer:
        (claimed,) = claims(shared)
        fcntl.flock(writer, fcntl.LOCK_EX)
        assert read_claimed(claimed) is None
    assert read_claimed(claimed) == PATIENT


@pytest.mark.parametrize("name", ["a.tmp", ".hidden.gdt", "notes.txt", "a.gdt~", "sub.gdt/"])
def test_what_is_no_gdt_file_is_left_where_it_is(tmp_path, name):
    """A system that writes under another name and renames must not be disturbed."""
    shared = folder(tmp_path)
    path = tmp_path / "in" / name
    path.mkdir() if name.endswith("/") else path.write_bytes(PATIENT)
    assert claims(shared) == []
    assert path.exists()


def test_a_link_is_not_followed(tmp_path):
    """Whoever may write to the folder must not make us read or move any file of this machine."""
    shared = folder(tmp_path)
    secret = tmp_path / "secret"
    secret.write_bytes(PATIENT)
    (tmp_path / "in" / "a.gdt").symlink_to(secret)
    assert claims(shared) == []
    assert secret.read_bytes() == PATIENT


def test_what_a_crash_left_claimed_is_found_by_the_next_start(tmp_path):
    """A file that is in nobody's hands would be a patient whom nobody opens."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.gdt").write_bytes(PATIENT)
    (before,) = claims(folder(tmp_path))
    assert folder(tmp_path).claimed() == [before]


def test_a_rejected_file_has_its_reason_beside_it_and_overwrites_none(tmp_path):
    """Yesterday's rejected file of the same name is somebody's work."""
    shared = folder(tmp_path)
    for text in ("first", "second"):
        (tmp_path / "in" / "a.gdt").write_bytes(text.encode())
        (claimed,) = claims(shared)
        shared.settle(claimed, f"because {text}")
    kept = {path.read_text() for path in (tmp_path / "rejected").iterdir()}
    assert kept == {"first", "second", "because first", "because second"}
    assert shared.counts() == {"in": 0, "work": 0, "processed": 0, "rejected": 2, "out": 0}


def test_a_result_appears_whole_under_a_name_that_is_free(tmp_path):
    """The practice system has not fetched yesterday's result yet; it is not lost to today's."""
    shared = folder(tmp_path)
    (tmp_path / "out" / "PRAXSPDL.001").write_bytes(b"not fetched yet")
    key = uuid4()
    shared.prepare(key, PATIENT)
    assert not (tmp_path / "out" / "PRAXSPDL.002").exists()
    assert shared.hand_over(key, names("2.1", "PRAX", "SPDL")) == "PRAXSPDL.002"
    assert (tmp_path / "out" / "PRAXSPDL.002").read_bytes() == PATIENT
    assert (tmp_path / "out" / "PRAXSPDL.001").read_bytes() == b"not fetched yet"
    assert not shared.is_prepared(key)


@pytest.mark.parametrize(
    ("version", "first", "count"),
    [("2.1", "AB__SPDL.001", 999), ("3.0", "AB_SPDL_0001.gdt", 9999), ("3.1", "AB_SPDL_0001.gdt", 9999)],
)
def test_files_are_named_as_gdt_says(version, first, count):
    """Four letters of the receiver, four of the sender, a counter; in 3.x with underscores."""
    found = list(names(version, "AB", "SPDL"))
    assert (found[0].upper(), len(found)) == (first.upper(), count)


def test_what_was_put_away_is_deleted_after_its_time(tmp_path):
    """Names and birth dates do not lie about for ever."""
    shared = folder(tmp_path)
    old, new = (tmp_path / "processed" / name for name in ("old.gdt", "new.gdt"))
    for path in (old, new):
        path.write_bytes(PATIENT)
    now = time.time()
    os.utime(old, (now - 100, now - 100))
    shared.tidy(now - 50)
    assert (old.exists(), new.exists()) == (False, True)
