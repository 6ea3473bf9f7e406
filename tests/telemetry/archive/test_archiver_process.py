"""The archiver as a process: killed at every step, on every kind of store and database, twice at once."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
import redis
import warm
from archive_rig import SESSION, Rig
from servers import eventually, free_port

from services.telemetry import keys
from services.telemetry.archive.stores import Credentials
from services.telemetry.archive.verify import verify


class ArchiverProcess:
    """`python -m services.telemetry.archiver` as it runs in earnest."""

    def __init__(self, redis_url, directory, **settings):
        self.port = free_port()
        self.log = directory / f"archiver-{self.port}.log"
        self.environment = os.environ | {
            "SPONDYL_REDIS_URL": redis_url,
            "SPONDYL_HTTP_PORT": str(self.port),
            "SPONDYL_DATA": str(directory),
            "SPONDYL_ARCHIVE_EVERY_S": "0.1",
            "SPONDYL_LEASE_S": "0.5",
            **{f"SPONDYL_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self.process = None

    def __enter__(self):
        self.process = warm.start("services.telemetry.archiver", self.environment, self.log)
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        """SIGKILL: no farewell."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def metric(self, name):
        """A metric without labels, as /metrics says it."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=3) as answer:
            rows = [line.split() for line in answer.read().decode().splitlines()]
        return next(float(row[1]) for row in rows if row[0] == name)

    def readiness(self):
        """What /readyz says; None while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=3) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)
        except OSError:
            return None


@pytest.fixture
def rig(valkey, tmp_path):
    """Where a process with this data directory looks by itself."""
    home = tmp_path / "telemetry"
    rig = Rig(valkey.url, f"file://{home}/archive", f"sqlite:///{home}/archive.db")
    yield rig
    rig.close()


def fill(rig):
    """A session, idle time around it, and what is not due yet."""
    events, sessions = rig.session(1000, 1999)
    rig.keep([*rig.tension(0, 2500), *rig.blackbox(0, 2500), *events], sessions=sessions)


def assert_whole(rig):
    """Everything up to the session's end is archived once, and taken from Redis."""
    assert (rig.archived("tension"), rig.archived("blackbox"), rig.archived("event")) == (
        [(0, 1000), (1000, 2000)], [(0, 1000), (1000, 2000)], [(0, 2)],
    )  # fmt: skip
    report = verify(rig.archive)
    assert (report.ok, report.objects) == (True, 2)
    assert rig.hot_numbers("tension")[0][0] == rig.hot_numbers("blackbox")[0][0] == 2000
    assert rig.hot_numbers("event") == []
    assert rig.archive.session(SESSION).statistics["samples"] == 1000


def done(rig):
    return rig.archived("event") == [(0, 2)] and not rig.hot.sessions()


@contextmanager
def index_held(tmp_path):
    """Nothing is committed to the index meanwhile."""
    database = sqlite3.connect(tmp_path / "telemetry/archive.db", isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        database.execute("ROLLBACK")
        database.close()


def test_killed_before_the_index_knows_the_object_it_is_built_again_as_it_was(rig, valkey, tmp_path):
    """Its name is its content: the second one is the first, and nothing is left over."""
    with index_held(tmp_path), ArchiverProcess(valkey.url, tmp_path):
        fill(rig)
        eventually(lambda: list(rig.archive.store.list()), 20, "an object in the store")
    assert rig.archived() == []
    with ArchiverProcess(valkey.url, tmp_path):
        eventually(lambda: done(rig), 20, "everything archived")
    assert_whole(rig)
    assert verify(rig.archive).orphans == []


def test_killed_between_index_and_redis_nothing_is_archived_twice(rig, valkey, tmp_path):
    """Redis dies just when it is to let go of what is archived, and comes back with all of it."""
    fill(rig)
    with ArchiverProcess(valkey.url, tmp_path) as archiver:
        with index_held(tmp_path):
            eventually(lambda: list(rig.archive.store.list()), 20, "an object in the store")
            valkey.kill()
        eventually(rig.archived, 20, "an object in the index")
        archiver.kill()
    valkey.start()
    assert rig.hot_numbers()[0] == (0, 50)
    with ArchiverProcess(valkey.url, tmp_path):
        eventually(lambda: done(rig) and rig.hot_numbers()[0][0] == 2000, 20, "everything archived")
    assert_whole(rig)


def test_killed_again_and_again_nothing_is_lost_and_nothing_is_twice(rig, valkey, tmp_path):
    """Whatever moment it is: at the end everything is there once."""
    fill(rig)
    chance = random.Random(3)  # noqa: S311  (a moment, not a secret)
    for _ in range(6):
        with ArchiverProcess(valkey.url, tmp_path) as archiver:
            eventually(archiver.readiness, 20, "the archiver")
            time.sleep(chance.uniform(0, 0.15))  # the moment of death is what is tried here
    with ArchiverProcess(valkey.url, tmp_path):
        eventually(lambda: done(rig), 20, "everything archived")
    assert_whole(rig)


def test_two_archivers_share_a_site_without_doing_it_twice(rig, valkey, tmp_path):
    """One has the lease; when it is frozen beyond that, the other goes on, and the first changes nothing."""
    fill(rig)
    with ArchiverProcess(valkey.url, tmp_path) as one, ArchiverProcess(valkey.url, tmp_path) as other:
        eventually(lambda: done(rig), 20, "everything archived")
        for frozen in (one, other):
            frozen.process.send_signal(signal.SIGSTOP)
            first = 2500 if frozen is one else 3500
            events, sessions = rig.session(first, first + 499, session=UUID(int=first))
            rig.keep([*rig.tension(first, 1000), *rig.blackbox(first, 1000), *events], sessions=sessions)
            eventually(lambda: not rig.hot.sessions(), 20, "the other archiver took over")
            frozen.process.send_signal(signal.SIGCONT)
    spans = rig.archived()
    assert spans[0][0] == 0
    assert all(one[1] == other[0] for one, other in pairwise(spans))
    assert verify(rig.archive).ok


def test_it_archives_to_s3_and_postgresql(valkey, s3, postgres, tmp_path):
    """The large form: the same process, told by URL."""
    database = postgres.database()
    settings = {
        "archive_url": s3.url, "archive_database_url": database,
        "archive_s3_access_key": s3.access_key, "archive_s3_secret_key": s3.secret_key,
    }  # fmt: skip
    rig = Rig(valkey.url, s3.url, database, Credentials(s3.access_key, s3.secret_key))
    try:
        fill(rig)
        with ArchiverProcess(valkey.url, tmp_path, **settings):
            eventually(lambda: done(rig), 30, "everything archived")
        assert_whole(rig)
        (run,) = rig.archive.runs("tension", rig.source, 1500, 1510, columns=["tension_n"])
        assert run.values("tension_n")[0] == pytest.approx(150.0)
        (buckets,) = rig.archive.buckets(rig.source, 0, 2000, 20)
        assert buckets.count == 2000
    finally:
        rig.close()


def test_a_store_that_refuses_is_named_by_the_readiness_check_and_nothing_is_lost(valkey, s3, tmp_path):
    """An operator reads there what to mend; when it is mended, the archive goes on by itself."""
    rig = Rig(valkey.url, f"file://{tmp_path}/unused", f"sqlite:///{tmp_path}/telemetry/archive.db")
    fill(rig)
    settings = {"archive_url": s3.url, "archive_s3_access_key": s3.access_key}
    with ArchiverProcess(valkey.url, tmp_path, **settings, archive_s3_secret_key="wrong") as archiver:
        eventually(lambda: "secret key is wrong" in json.dumps(archiver.readiness() or {}), 20, "the refusal")
        eventually(lambda: archiver.metric("spondyl_archive_failures_total") > 1, 20, "two failed turns")
    assert rig.hot_numbers()[0] == (0, 50)
    with ArchiverProcess(valkey.url, tmp_path, **settings, archive_s3_secret_key=s3.secret_key):
        eventually(lambda: done(rig), 20, "everything archived")
    rig.close()


def test_a_store_that_hangs_is_seen_by_the_readiness_check_while_nothing_is_due(valkey, s3, tmp_path):
    """Between two objects an archiver has no need of the store: a probe must not learn of it an hour late."""
    settings = {"archive_url": s3.url, "archive_s3_access_key": s3.access_key}
    with ArchiverProcess(valkey.url, tmp_path, **settings, archive_s3_secret_key=s3.secret_key) as archiver:
        eventually(lambda: (said := archiver.readiness()) and said["ready"], 20, "ready")
        s3.freeze()
        asked = time.monotonic()
        said = eventually(
            lambda: (found := archiver.readiness()) and not found["ready"] and found, 10, "unwell"
        )
        assert "answer" in said["checks"]["archive"]["detail"]
        assert time.monotonic() - asked < 8
        s3.thaw()
        eventually(lambda: (said := archiver.readiness()) and said["ready"], 20, "ready again")


def test_settings_that_cannot_work_end_it_with_one_line(valkey, tmp_path):
    """Before anything is begun: missing credentials are no reason to try for ever."""
    archiver = ArchiverProcess(valkey.url, tmp_path, archive_url="s3://archive/telemetry")
    ran = subprocess.run(
        [sys.executable, "-m", "services.telemetry.archiver"], env=archiver.environment,
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "SPONDYL_ARCHIVE_S3_ACCESS_KEY" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_wrong_redis_password_is_named_and_never_shown(valkey, tmp_path):
    """It may be set right while the archiver waits."""
    redis.Redis.from_url(valkey.url).config_set("requirepass", "right")
    url = valkey.url.replace("redis://", "redis://:wrong-secret@")
    with ArchiverProcess(url, tmp_path) as archiver:
        found = eventually(
            lambda: (said := archiver.readiness()) and not said["ready"] and said, 20, "the refusal"
        )
    assert "password" in found["detail"]
    assert "wrong-secret" not in found["detail"] + archiver.log.read_text()


def test_a_boot_that_was_archived_a_month_ago_leaves_redis(rig, valkey, tmp_path):
    """Redis keeps only what is hot; the archive knows the rest."""
    old = rig.source
    rig.keep(rig.tension(0, 500))
    rig.turn(hurry=True)
    rig.source = type(old)(old.place, uuid4())
    rig.keep(rig.tension(0, 100))
    with rig.archive.index.write() as connection:
        connection.exec_driver_sql("UPDATE archive_boots SET archived_at_us = 1")
    with ArchiverProcess(valkey.url, tmp_path):
        client = rig.store._redis
        eventually(
            lambda: not client.exists(keys.archived(old), keys.stream("tension", old)), 20, "forgotten"
        )
        assert [boot.source for boot in rig.hot.boots({"north"})] == [rig.source]
    assert rig.archive.spans("tension", old) == [(0, 500)]
