"""Redis or the archive is away: what the other has is answered, what it has not is refused in words."""

import time
from contextlib import closing

import pytest
from access import GUARD, header
from asgi_client import Client
from history_rig import HistoryRig
from servers import S3, Valkey, eventually
from simulated_session import SESSION

from services.kit.health import Check
from services.kit.http import create_app
from services.telemetry.api import create_router
from services.telemetry.archive.stores import Credentials, open_store
from services.telemetry.query import History
from services.telemetry.reopening import Reopening
from services.telemetry.settings import TelemetrySettings
from services.telemetry.trail import ReadTrail

pytestmark = pytest.mark.system
BOOTLESS = "00000000-0000-4000-8000-000000000001"  # no session
DETAIL = "the archive cannot be opened: cannot make"


def client_of(history, checks, trail):
    """The API over it."""
    router = create_router(history, trail)
    return Client(create_app("telemetry", "0", checks, [router], guard=GUARD), header())


@pytest.fixture
def valkey_of_its_own(tmp_path):
    """One that may be killed."""
    with Valkey(tmp_path) as valkey:
        yield valkey


def refused(answer, words):
    """503 as problem+json that says why."""
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert words in answer.json()["detail"]


def test_an_archive_that_cannot_be_opened_stops_nothing_that_redis_has(valkey, tmp_path):
    """A full disk or a bucket that is away is no reason for a dark wall; it is tried again by itself."""
    blocked = tmp_path / "data" / "objects"
    blocked.parent.mkdir()
    blocked.write_text("a file where the directory should be")
    settings = TelemetrySettings(data=tmp_path / "data", archive_url=str(blocked), redis_url=valkey.url)
    with closing(HistoryRig(valkey.url, tmp_path / "rig", minutes=1.0)) as rig:
        rig.store("hot")
        with closing(Reopening(settings, retry_s=0.05)) as archive, closing(ReadTrail(settings)) as trail:
            checks = [Check("archive", archive.trouble)]
            client = client_of(History(rig.hot, archive), checks, trail)
            readiness = client.get("/readyz")
            assert readiness.status_code == 503
            assert DETAIL in readiness.json()["checks"]["archive"]["detail"]
            (device,) = client.get("/devices").json()
            assert device["device"] == "bed-01"
            for path in (
                f"/sessions/{SESSION}", f"/sessions/{SESSION}/blocks",
                f"/sessions/{SESSION}/blocks?points=100",
                "/devices/bed-01/window?from=100&to=600", "/devices/bed-01/blocks?seconds=10",
                "/sessions?state=running",
            ):  # fmt: skip
                assert client.get(path).status_code == 200, path
            recording = f"/sessions/{SESSION}/recording"  # whether there is more of it, the archive knows
            for path in ("/statistics", "/audit", "/sessions", "/devices/bed-99/state", recording):
                refused(client.get(path), DETAIL)
            blocked.unlink()
            eventually(lambda: client.get("/readyz").status_code == 200, 10, "the archive, by itself")
            assert client.get("/statistics").json()["rows"] == []
            assert len(client.get("/sessions").json()) == 1
            assert client.get("/devices/bed-99/state").status_code == 404


def test_what_is_archived_is_answered_without_redis(valkey_of_its_own, tmp_path):
    """A treatment of last year is read while Redis restarts; what only Redis has is refused, not left out."""
    with closing(HistoryRig(valkey_of_its_own.url, tmp_path, minutes=1.0)) as rig:
        rig.store("archived")
        paths = (
            f"/sessions/{SESSION}", f"/sessions/{SESSION}/summary", f"/sessions/{SESSION}/blocks",
            f"/sessions/{SESSION}/blocks?points=100", f"/sessions/{SESSION}/window?from=1000&to=1500",
            "/devices/bed-01/window?from=1000&to=1500", "/sessions", "/statistics",
        )  # fmt: skip
        before = {path: rig.get(path).json() for path in paths}
        valkey_of_its_own.kill()
        for path in paths:
            answer = rig.get(path)
            assert answer.status_code == 200, (path, answer.text)
            assert answer.json() == before[path], path
        for path in (
            "/audit", "/devices", "/sessions?state=running", f"/sessions/{BOOTLESS}",
            "/devices/bed-01/window?from=1000&to=100000", "/devices/bed-01/blocks?seconds=10",
        ):  # fmt: skip
            refused(rig.get(path), "Redis")


def test_a_bucket_that_hangs_is_told_within_seconds(valkey, tmp_path):
    """A doctor who opens a session reads what is wrong; nobody waits a minute and a half for a white page."""
    with S3(tmp_path) as s3, closing(HistoryRig(valkey.url, tmp_path / "rig", minutes=1.0)) as rig:
        rig.store("archived")
        bucket = open_store(s3.url, Credentials(s3.access_key, s3.secret_key))
        objects = rig.rig.archive.store
        bucket.put_all({row.path: objects.get(row.path) for row in objects.list()})
        settings = TelemetrySettings(
            data=tmp_path / "rig", redis_url=valkey.url, archive_url=s3.url,
            archive_s3_access_key=s3.access_key, archive_s3_secret_key=s3.secret_key,
        )  # fmt: skip
        path = f"/sessions/{SESSION}/window?from=1000&to=1500"
        with closing(Reopening(settings)) as archive, closing(ReadTrail(settings)) as trail:
            checks = [Check("archive", archive.trouble)]
            client = client_of(History(rig.hot, archive), checks, trail)
            assert client.get("/readyz").status_code == client.get(path).status_code == 200
            s3.freeze()
            eventually(lambda: client.get("/readyz").status_code == 503, 10, "a readiness check that sees it")
            began = time.monotonic()
            assert "answer" in client.get("/readyz").json()["checks"]["archive"]["detail"]
            assert time.monotonic() - began < 2.5
            began = time.monotonic()
            refused(client.get(path), f"{s3.url}: it does not answer")
            assert time.monotonic() - began < 10  # 5 where nothing else runs
            s3.thaw()
            eventually(lambda: client.get("/readyz").status_code == 200, 10, "ready again")
            assert client.get(path).status_code == 200
