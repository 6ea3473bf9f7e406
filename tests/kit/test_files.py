"""Files that a crash or a full disk must not leave in halves."""

import os
import stat

import pytest

from services.kit import files
from services.kit.errors import SpondylError


def test_a_file_is_replaced_whole_and_for_its_owner_alone(tmp_path):
    """Keys, pids and sign-in locks: nobody else reads them, nobody meets half of one."""
    path = tmp_path / "new" / "state.json"
    files.replace(path, b"first")
    files.replace(path, b"second")
    assert path.read_bytes() == b"second"
    assert stat.S_IMODE(path.stat().st_mode) == files.OWNER_ONLY
    assert list(path.parent.iterdir()) == [path]


def test_the_first_that_publishes_a_file_wins(tmp_path):
    """A key in use is never replaced, however many processes start at once."""
    path = tmp_path / "key"
    files.publish(path, b"first")
    files.publish(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("put", [files.replace, files.publish])
def test_the_name_of_a_file_is_on_the_disk_like_its_content(tmp_path, monkeypatch, put):
    """A power cut must not take a key away that signed rows of a database on another disk."""
    flushed = []
    flush = os.fsync

    def note(descriptor):
        flushed.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), sorted(map(str, tmp_path.iterdir()))))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    put(tmp_path / "key", b"secret")
    content, name = flushed
    assert not content[0]
    assert name == (True, [str(tmp_path / "key")])


def test_what_cannot_be_put_there_leaves_nothing_behind(tmp_path):
    """Tried again every second, leftovers would fill the disk."""
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="directory"):
        files.replace(tmp_path / "taken", b"text")
    assert list(tmp_path.iterdir()) == [tmp_path / "taken"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"x" * 11, "list LIST is larger than 10 bytes"),
        (b"ab\xff", "list LIST is not UTF-8: byte 2 is 0xff"),
        (None, "list LIST cannot be read: No such file or directory"),
    ],
    ids=["too large", "not text", "absent"],
)
def test_a_file_of_somebody_is_refused_in_one_line(tmp_path, content, words):
    """What, which file, which limit."""
    path = tmp_path / "list"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpondylError) as refusal:
        files.read_text(path, f"list {path}", 10)
    assert refusal.value.message == words.replace("LIST", str(path))
