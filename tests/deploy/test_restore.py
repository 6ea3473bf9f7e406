"""A system that is destroyed and put back: SQLite and the files of Redis, and servers by their addresses.

The system is what release 0.1.0 left behind, migrated: rows in every service, a session in the archive,
samples in Redis, seven audit trails.
"""

import fcntl
import json
import os
import shutil
import sqlite3
import tempfile
import threading
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import kept_system
import pytest
from servers import S3, Valkey
from sqlalchemy import text

from deploy.databases import databases
from deploy.keeping import places, redis_keys
from deploy.keeping.backup import back_up
from deploy.keeping.objects import of_settings
from deploy.keeping.packing import Damaged, Pack
from deploy.keeping.parts import Parts
from deploy.keeping.restore import restore
from deploy.migrating import is_good, migrate_all
from deploy.up import _lock
from services.cli import main
from services.kit.database import writing
from services.kit.errors import SpondylError
from services.telemetry.archive.opening import open_archive, open_settings_store
from services.telemetry.archive.stores import LocalStore
from services.telemetry.archive.verify import verify
from services.telemetry.audit import is_clean

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    """The old data, brought to this release."""
    data = kept_system.left_behind(tmp_path_factory.mktemp("old") / "data")
    assert is_good(migrate_all(databases(data), check=False))
    return data


@pytest.fixture
def passphrase(tmp_path):
    """A file as `--passphrase-file` takes it."""
    path = tmp_path / "passphrase"
    path.write_text("a horse that nobody has heard of\n")
    return str(path)


@pytest.fixture
def data(tmp_path, migrated):
    """A system of one machine that may be destroyed."""
    shutil.copytree(migrated, tmp_path / "data")
    return tmp_path / "data"


def run(capsys, *words):
    """What a command answers as JSON; it must not fail."""
    with pytest.raises(SystemExit) as ended:
        main([*map(str, words), "--json"])
    said = capsys.readouterr()
    assert ended.value.code in (0, None), said.err
    return json.loads(said.out)


def state(data):
    """All that must be the same afterwards."""
    report = kept_system.audited(data)
    assert is_clean(report)
    archive = open_archive(of_settings(data))
    with closing(archive.index):
        found = verify(archive)
        assert found.ok
    trails = kept_system.broken_trails(data)
    assert trails[0] == {}
    return kept_system.rows(data), trails, report["samples"], report["streams"], found.objects


def files(data):
    """Names and contents of what is not a database, a log or a server's own."""
    return {
        path.relative_to(data).as_posix(): path.read_bytes()
        for path in data.rglob("*")
        if path.is_file()
        and path.suffix not in {".db", ".lock", ".txt"}
        and path.name != "lock"
        and "appendonlydir" not in path.parts
    }


def test_a_destroyed_machine_comes_back_as_it_was(data, tmp_path, passphrase, capsys):
    """SQLite, Redis, archive, secrets, gateways: one command each way, and nothing is lost or broken."""
    before, kept = state(data), files(data)
    made = run(capsys, "backup", tmp_path / "kept", "--data", data, "--passphrase-file", passphrase)
    assert made["redis_keys"] > 10
    assert (data / "backup.txt").exists()  # services tell its age
    assert (made["without"], len(made["databases"])) == ([], 7)
    assert run(capsys, "backup", "verify", tmp_path / "kept")["objects"] == before[4]
    shutil.rmtree(data)
    back = run(capsys, "restore", tmp_path / "kept", "--data", data, "--passphrase-file", passphrase)
    assert back["seconds"] > 0
    assert back["mb"] > 1
    assert state(data) == before
    assert files(data) == kept
    assert (data / "secrets" / "access.key").stat().st_mode & 0o777 == 0o600


def silent(_text):
    """Progress that nobody hears."""


def members(path):
    """What is in a backup, as bytes without compression."""
    with closing(Pack(path)) as pack:
        return [pack.content(name) for name in pack.members]


def test_secrets_are_never_in_clear_unless_somebody_says_so(data, tmp_path, passphrase, capsys):
    """A backup lies on other people's disks; its keys sign for everybody."""
    key = (data / "secrets" / "trail.key").read_bytes()
    with pytest.raises(SpondylError, match="no passphrase"):
        back_up(data, tmp_path / "none", silent)
    assert list((tmp_path / "none").iterdir()) == []
    run(capsys, "backup", tmp_path / "sealed.tar", "--data", data, "--passphrase-file", passphrase)
    assert not any(key in member for member in members(tmp_path / "sealed.tar"))
    with pytest.raises(SpondylError, match="do not open with this passphrase"):
        restore(tmp_path / "sealed.tar", tmp_path / "back", silent, passphrase="of somebody else")
    with pytest.raises(SpondylError, match="sealed: give --passphrase-file"):
        restore(tmp_path / "sealed.tar", tmp_path / "back", silent)
    assert not (tmp_path / "back").exists()
    run(capsys, "backup", tmp_path / "clear.tar", "--data", data, "--secrets-in-clear")
    assert any(key in member for member in members(tmp_path / "clear.tar"))
    assert key in (restored(tmp_path / "clear.tar", tmp_path / "back") / "secrets" / "trail.key").read_bytes()


def test_a_key_that_is_just_being_written_is_a_secret_too(data, tmp_path):
    """Its name is another until it is whole; who ended our process left such a one behind."""
    half = data / "registry" / ".authority.key.4711.0f0f"
    half.parent.mkdir(exist_ok=True)
    half.write_text("-----BEGIN PRIVATE KEY-----\n")
    back_up(data, tmp_path / "kept.tar", silent, without_secrets=True)
    assert not any(b"PRIVATE KEY" in member for member in members(tmp_path / "kept.tar"))


def test_what_a_link_leads_to_is_not_left_out_without_a_word(data, tmp_path):
    """A service's part on another disk: whoever restores misses its seal and its key a year later."""
    shutil.move(data / "billing", tmp_path / "disk")
    (data / "billing").symlink_to(tmp_path / "disk")
    (data / "screening" / "trail.seal").rename(tmp_path / "seal")
    (data / "screening" / "trail.seal").symlink_to(tmp_path / "seal")
    heard = []
    made = back_up(data, tmp_path / "kept.tar", heard.append, without_secrets=True)
    assert made["links"] == ["billing", "screening/trail.seal"]
    assert any("screening/trail.seal" in text and "is not kept" in text for text in heard)


def restored(where, data):
    """The directory a backup was put back into."""
    restore(where, data, silent)
    return data


def test_objects_are_copied_once_for_all_backups(data, tmp_path):
    """Ten years of samples do not go over the line every night."""
    first = back_up(data, tmp_path / "kept", silent, without_secrets=True)
    again = back_up(data, tmp_path / "kept" / "second.tar", silent, without_secrets=True)
    assert first["new_object_bytes"] > 0
    assert again["objects"] == first["objects"]
    (tmp_path / "kept" / "second.tar").unlink()
    objects = sorted(path.stat().st_mtime_ns for path in (tmp_path / "kept" / "objects").rglob("*.spa"))
    target = tmp_path / "kept" / first["file"].rpartition("/")[2]
    target.rename(tmp_path / "kept" / "spondyl-20200101T000000Z.tar")
    third = back_up(data, tmp_path / "kept", silent, without_secrets=True)
    assert (third["objects"], third["new_object_bytes"]) == (first["objects"], 0)
    after = sorted(path.stat().st_mtime_ns for path in (tmp_path / "kept" / "objects").rglob("*.spa"))
    assert after == objects


@pytest.fixture
def kept(data, tmp_path):
    """A backup in one file."""
    back_up(data, tmp_path / "kept.tar", silent, secrets_in_clear=True)
    return tmp_path / "kept.tar"


@pytest.mark.parametrize("where", [0.0, 0.4, 0.9])
def test_a_changed_byte_is_found_and_nothing_is_put_back(kept, tmp_path, where):
    """Half a restoring is worse than none: it looks like a system."""
    content = bytearray(kept.read_bytes())
    place = next(at for at in range(round(where * len(content)), len(content)) if content[at])
    content[place] ^= 0x10
    kept.write_bytes(content)
    with pytest.raises(SpondylError):
        restore(kept, tmp_path / "back", silent)
    assert not (tmp_path / "back").exists()


def test_a_backup_that_ends_too_early_is_none(kept, tmp_path):
    """The disk was full, or the copy broke off."""
    kept.write_bytes(kept.read_bytes()[:-20_000])
    with pytest.raises(Damaged):
        restore(kept, tmp_path / "back", silent)


def test_a_lost_object_beside_a_backup_is_found(data, tmp_path):
    """They are not in its file."""
    back_up(data, tmp_path / "kept", silent, without_secrets=True)
    next((tmp_path / "kept" / "objects").rglob("*.spa")).write_bytes(b"x")
    with pytest.raises(SpondylError, match="not as it was written"):
        restore(tmp_path / "kept", tmp_path / "back", silent)
    assert not (tmp_path / "back").exists()


def test_nothing_that_is_there_is_overwritten(kept, data, tmp_path):
    """Whoever restores is in a hurry."""
    with pytest.raises(SpondylError, match="is not empty"):
        restore(kept, data, silent)
    (tmp_path / "half" / ".restoring").mkdir(parents=True)
    with pytest.raises(SpondylError, match="unfinished restoring"):
        restore(kept, tmp_path / "half", silent)
    with running(tmp_path / "busy"), pytest.raises(SpondylError, match="a system is running"):
        restore(kept, tmp_path / "busy", silent)


@contextmanager
def running(data):
    """A directory that `spondyl up` has."""
    data.mkdir()
    with (data / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_a_volume_of_its_own_below_the_directory_is_filled(kept, tmp_path):
    """In containers every service's part is a volume: a file cannot just be given another name there."""
    (tmp_path / "back").mkdir()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as volume:
        (tmp_path / "back" / "billing").symlink_to(volume)
        restore(kept, tmp_path / "back", silent)
        assert kept_system.broken_trails(tmp_path / "back") == ({}, 5)
        assert (Path(volume) / "billing.db").exists()
        assert not (tmp_path / "back" / ".restoring").exists()


def test_a_centres_own_directories_come_back_before_its_databases(data, tmp_path, passphrase, capsys):
    """Without its passwords no database can be reached, without its authority nobody is known."""
    (data / "authority").mkdir()
    (data / "authority" / "authority.key").write_text("of the chain")
    (data / "centre" / "secrets").mkdir(parents=True)
    (data / "centre" / "secrets" / "postgres.password").write_text("of the server")
    before, sealed = files(data), ("--passphrase-file", passphrase)
    run(capsys, "backup", tmp_path / "kept", "--data", data, *sealed)
    back = tmp_path / "back"
    own = ("--only", "centre", "--only", "authority")
    assert run(capsys, "restore", tmp_path / "kept", "--data", back, *sealed, *own)["databases"] == []
    assert {path.name for path in back.iterdir()} == {"authority", "centre", "lock"}
    with pytest.raises(SpondylError, match="is not empty"):
        restore(tmp_path / "kept", back, silent, without_secrets=True)
    rest = ("--without", "centre", "--without", "authority")
    assert run(capsys, "restore", tmp_path / "kept", "--data", back, *sealed, *rest)["databases"]
    assert files(back) == before
    with pytest.raises(SpondylError, match="has no directory 'center': it has authority, "):
        restore(tmp_path / "kept", back, silent, parts=Parts(only=("center",)))


def test_a_member_that_unpacks_to_more_than_it_held_is_found_on_the_way(kept):
    """A few kilobytes of zeros, packed, would fill a disk."""
    with closing(Pack(kept)) as pack:
        name = next(name for name in pack.members if pack.members[name]["bytes"] > 10)
        pack.members[name]["bytes"] = 10
        with pytest.raises(Damaged, match="is longer than the 10 bytes it had"):
            pack.content(name)


def test_a_failure_on_the_way_leaves_nothing(kept, tmp_path, monkeypatch):
    """The disk is full at the last object, or no Redis is installed."""
    monkeypatch.setattr(redis_keys, "START_S", -1.0)
    with pytest.raises(SpondylError, match="does not start"):
        restore(kept, tmp_path / "back", silent)
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["lock"]


def test_a_file_that_cannot_get_its_name_takes_the_others_back(kept, tmp_path):
    """Half a system without a mark of it would be started; a mount left a directory in the way here."""
    (tmp_path / "back" / "screening" / "trail.seal").mkdir(parents=True)
    heard = []

    def say(text):
        heard.append((text, places.is_running(tmp_path / "back")))

    with pytest.raises(SpondylError, match=r"trail\.seal"):
        restore(kept, tmp_path / "back", say)
    assert [path.name for path in (tmp_path / "back").rglob("*") if path.is_file()] == ["lock"]
    assert not (tmp_path / "back" / ".restoring").exists()
    assert heard[-1][1], "nobody may start a system in there meanwhile"


def test_what_was_not_restored_to_its_end_is_not_started(tmp_path):
    """The light went out in the middle: a system on half of its files would go on from a wrong past."""
    (tmp_path / ".restoring").mkdir()
    with pytest.raises(SpondylError, match="was not restored to its end"):
        _lock(tmp_path)


def test_a_backup_of_a_newer_release_is_refused(data, tmp_path):
    """An old machine that was kept as a reserve would eat what the newer one wrote."""
    with closing(sqlite3.connect(data / "billing" / "billing.db")) as database:
        database.execute("UPDATE billing_version SET version_num = '9999', release = '7.1.0'")
        database.commit()
    back_up(data, tmp_path / "kept.tar", silent, without_secrets=True)
    with pytest.raises(SpondylError, match=r"revision 9999.*install release 7\.1\.0"):
        restore(tmp_path / "kept.tar", tmp_path / "back", silent)


def test_databases_are_of_one_moment_while_services_write(data, tmp_path):
    """What one service has told another is in both or in neither: here, a pair of rows in two databases."""
    ending = threading.Event()
    paths = [data / name / f"{name}.db" for name in ("billing", "homecare")]
    for path in paths:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("CREATE TABLE pairs (number INTEGER PRIMARY KEY)")

    def write():
        first, second = (sqlite3.connect(path, isolation_level=None, timeout=20) for path in paths)
        number = 0
        while not ending.is_set():
            number += 1
            first.execute("BEGIN IMMEDIATE")  # both are held before either is changed
            second.execute("BEGIN IMMEDIATE")
            for database in (first, second):
                database.execute("INSERT INTO pairs VALUES (?)", (number,))
            second.execute("COMMIT")
            first.execute("COMMIT")
        first.close()
        second.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        back_up(data, tmp_path / "kept.tar", silent, without_secrets=True)
    finally:
        ending.set()
        writer.join()
    back = restored(tmp_path / "kept.tar", tmp_path / "back")
    counts = []
    for name in ("billing", "homecare"):
        with closing(sqlite3.connect(back / name / f"{name}.db")) as database:
            counts.append(database.execute("SELECT max(number), count(*) FROM pairs").fetchone())
    assert counts[0] == counts[1]


@pytest.fixture
def servers_of(tmp_path, postgres, monkeypatch):
    """The centre's servers by address: PostgreSQL, Valkey, S3; each call gives empty ones."""
    with ExitStack() as stack:
        bucket = stack.enter_context(S3(tmp_path))

        def fresh(name):
            store = stack.enter_context(Valkey(tmp_path / name))
            urls = {service: postgres.database() for service in ("console", "telemetry", "business")}
            for variable, value in {
                "SPONDYL_CONSOLE_DATABASE_URL": urls["console"],
                "SPONDYL_ARCHIVE_DATABASE_URL": urls["telemetry"],
                "SPONDYL_BUSINESS_DATABASE_URL": urls["business"],
                "SPONDYL_REDIS_URL": store.url,
                "SPONDYL_ARCHIVE_URL": bucket.url.replace("telemetry", name),
                "SPONDYL_ARCHIVE_S3_ACCESS_KEY": bucket.access_key,
                "SPONDYL_ARCHIVE_S3_SECRET_KEY": bucket.secret_key,
            }.items():
                monkeypatch.setenv(variable, value)
            return urls

        yield fresh


def to_the_centre(data, urls):
    """The system of one machine, moved to the servers that the environment names."""
    assert is_good(migrate_all(databases(data), check=False))
    kept_system.into_postgres(data, lambda name: urls.get(name, urls["business"]))
    with redis_keys.standing_in(data / "redis") as source:
        redis_keys.restore(os.environ["SPONDYL_REDIS_URL"], redis_keys.dump(source))
    shutil.rmtree(data / "redis")
    store, old = open_settings_store(of_settings(data)), LocalStore(data / "telemetry" / "archive")
    for one in old.list():
        store.put(one.path, old.get(one.path))
    shutil.rmtree(data / "telemetry" / "archive")


def test_a_destroyed_centre_comes_back_as_it_was(data, tmp_path, passphrase, servers_of, capsys):
    """PostgreSQL, Redis and S3 by their addresses, into new ones; four services share one database."""
    to_the_centre(data, servers_of("old"))
    before = state(data)
    run(capsys, "backup", tmp_path / "kept", "--data", data, "--passphrase-file", passphrase)
    words = "restore", tmp_path / "kept", "--data", tmp_path / "back", "--passphrase-file", passphrase
    with pytest.raises(SystemExit):
        main(list(map(str, words)))
    assert "is not empty" in capsys.readouterr().err
    servers_of("new")
    run(capsys, *words)
    assert state(tmp_path / "back") == before
    with databases(tmp_path / "back", ["billing"])[0].opened() as engine, writing(engine) as connection:
        add_to_outbox = text(
            "INSERT INTO billing_outbox (stream, site, payload, at_us) VALUES ('a','b','',1)"
        )
        connection.execute(add_to_outbox)  # numbers go on behind the highest
