import os
import shutil
import subprocess
import sys
import threading

import pytest
from servers import eventually

from services.kit.errors import SpondylError
from services.telemetry.archive.stores import READING, Credentials, StoredObject, open_store
from services.telemetry.errors import ArchiveUnavailable, ObjectMissing

PATH = "north/bed-01/2026/11/0f-000000000000-0123456789abcdef.spa"


def keys_of(server, **other):
    return Credentials(**{"access_key": server.access_key, "secret_key": server.secret_key} | other)


@pytest.fixture(params=["file", "s3"])
def store(request, tmp_path):
    """A store of either kind, empty."""
    if request.param == "file":
        return open_store(f"file://{tmp_path}/objects")
    server = request.getfixturevalue("s3")
    return open_store(server.url, keys_of(server))


def test_an_object_comes_back_as_it_was_put(store):
    """Whole, in pieces and in lists; and once more without a complaint, because its name is its content."""
    data = os.urandom(300_000)
    assert not store.exists(PATH)
    for _ in range(2):
        store.put(PATH, data)
    assert store.exists(PATH)
    assert store.get(PATH) == data
    assert store.get_range(PATH, 1000, 500) == data[1000:1500]
    assert store.get_range(PATH, 299_990, 500) == data[299_990:]
    store.put("south/bed-02/2026/11/b.spa", b"other")
    assert list(store.list()) == [
        StoredObject(PATH, 300_000), StoredObject("south/bed-02/2026/11/b.spa", 5),
    ]  # fmt: skip
    assert list(store.list("south")) == [StoredObject("south/bed-02/2026/11/b.spa", 5)]
    store.delete(PATH)
    store.delete(PATH)
    assert not store.exists(PATH)


def test_an_object_that_is_not_there_is_named(store):
    """An operator must know which one is missing."""
    for read in (store.get, lambda path: store.get_range(path, 0, 10)):
        with pytest.raises(ObjectMissing, match=r"0123456789abcdef\.spa"):
            read(PATH)


@pytest.mark.parametrize(
    "path", ["../up", "a/../../b", "/etc/passwd", "a//b", ".unfinished/x", "a/.b", "", "a\0b"]
)
def test_no_path_leads_out_of_the_store(store, path):
    """Names come from topics; they are checked there, and here once more."""
    for act in (store.get, store.delete, store.exists, lambda path: store.put(path, b"")):
        with pytest.raises(SpondylError, match="no path of an object"):
            act(path)


@pytest.mark.parametrize("url", ["http://host/archive", "s3://", "ftp://x/y", "file://otherhost/archive"])
def test_a_url_that_is_none_is_refused(url):
    """With what it may be."""
    with pytest.raises(SpondylError, match="SPONDYL_ARCHIVE_URL"):
        open_store(url, Credentials("a", "b"))


def test_a_killed_writer_leaves_no_half_object(tmp_path):
    """A reader sees an object whole or not at all, whenever the writer dies."""
    code = (
        "import sys; from services.telemetry.archive.stores import open_store\n"
        "store = open_store(sys.argv[1]); print('go', flush=True)\n"
        "for n in range(100000): store.put(f'a/b/{n}.spa', bytes([n % 256]) * 2_000_000)\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", code, f"file://{tmp_path}/objects"], stdout=subprocess.PIPE
    )
    store = open_store(f"file://{tmp_path}/objects")
    with writer:
        eventually(lambda: len(list(store.list())) > 3, 20, "some objects")
        writer.kill()
    assert {row.size for row in store.list()} == {2_000_000}
    assert all(len(set(store.get(row.path))) == 1 for row in store.list())


def test_what_killed_writers_left_is_cleared_away_after_a_day(tmp_path):
    """A restart loop must not fill the disk with halves; what is being written now stays."""
    open_store(str(tmp_path))
    old, new = tmp_path / ".unfinished/old", tmp_path / ".unfinished/new"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    open_store(str(tmp_path))
    assert (old.exists(), new.exists()) == (False, True)


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    """Redis keeps what the archive cannot take; a half-written file would only make it worse."""
    store = open_store(str(tmp_path / "objects"))
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from services.telemetry.archive.stores import open_store\n"
        "from services.telemetry.errors import ArchiveUnavailable\n"
        "try: open_store(sys.argv[1]).put('a/b.spa', b'x' * 20_000)\n"
        "except ArchiveUnavailable as error: print(error.message)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "objects")], capture_output=True, text=True, check=True
    )
    assert "cannot write" in ran.stdout
    assert list(store.list()) == []
    assert list((tmp_path / "objects" / ".unfinished").iterdir()) == []


REFUSALS = {
    "a wrong secret": (
        lambda server: (server.url, keys_of(server, secret_key="wrong")), "secret key is wrong"),
    "an unknown key": (lambda server: (server.url, keys_of(server, access_key="stranger")), "access key"),
    "no such bucket": (
        lambda server: (server.url.replace("archive", "nobody"), keys_of(server)), "no such bucket"),
    "nobody there": (
        lambda server: (server.url.replace(str(server.port), "9"), keys_of(server)), "does not answer"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_wrong_with_a_bucket_is_told_in_plain_words(s3, name):
    """What, where, what to do: never a trace back of the AWS client, and never a secret."""
    make, expected = REFUSALS[name]
    url, credentials = make(s3)
    with pytest.raises(ArchiveUnavailable, match=expected) as refused:
        open_store(url, credentials, READING).put(PATH, b"data")
    assert "archive" in refused.value.message or "nobody" in refused.value.message
    assert s3.secret_key not in refused.value.message


def test_credentials_that_are_missing_are_asked_for():
    """Before anything is sent, with the names of the settings."""
    with pytest.raises(SpondylError, match="SPONDYL_ARCHIVE_S3_SECRET_KEY"):
        open_store("s3://archive/telemetry", Credentials(access_key="a"))


def test_a_bucket_that_hangs_is_given_up(s3):
    """The archiver must go on with its leases and try again, not wait for ever."""
    store = open_store(s3.url, keys_of(s3), READING)
    store.put(PATH, b"before")
    s3.freeze()
    thaw = threading.Timer(25, s3.thaw)
    thaw.start()
    try:
        with pytest.raises(ArchiveUnavailable, match="does not answer"):
            store.put("a/b/c.spa", b"data")
    finally:
        thaw.cancel()
        s3.thaw()
    assert store.get(PATH) == b"before"


def test_an_object_of_no_bucket_is_not_called_missing(s3):
    """40 lines of lost objects would send an operator to the backups, where one wrong letter is to blame."""
    store = open_store(s3.url.replace("archive", "nobody"), keys_of(s3))
    for act in (store.check, lambda: store.get(PATH), lambda: store.get_range(PATH, 0, 1)):
        with pytest.raises(ArchiveUnavailable, match="no such bucket") as refused:
            act()
        assert not isinstance(refused.value, ObjectMissing)


def test_a_store_that_is_there_is_found_well(store):
    """An empty one too: nothing was archived yet."""
    store.check()


def test_a_directory_that_was_taken_away_is_told(tmp_path):
    """A disk that is not mounted any more must not look like a well archive."""
    store = open_store(str(tmp_path / "objects"))
    shutil.rmtree(tmp_path / "objects")
    with pytest.raises(ArchiveUnavailable, match="is not there: see SPONDYL_ARCHIVE_URL"):
        store.check()
