"""What may be deleted, when, and what is left of it."""

import json
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from archive_rig import SESSION
from run_file import running
from servers import free_port
from sqlalchemy import update
from telemetry.archive.kept_archive import age, flip, objects_of, path_of

from services.cli import main
from services.telemetry.archive.rows import covers
from services.telemetry.archive.tables import SESSIONS

BEFORE = "2012-01-01"


@pytest.fixture
def rig(kept):
    """One session and idle time around it, under a data directory."""
    return kept


def refused(archive, export, before=BEFORE):
    """Why nothing expires."""
    status, said = archive("expire", "--before", before, "--export", export)
    assert status == 1
    return said


def test_nothing_younger_than_ten_years_expires(rig, archive, tmp_path):
    """The law's least; no option goes below it."""
    archive("export", tmp_path / "out")
    yesterday = (datetime.now(UTC) - timedelta(days=3650)).date()
    assert "630f" in refused(archive, tmp_path / "out", yesterday)
    assert len(objects_of(rig)) == 3


def test_nothing_expires_without_a_whole_export_of_it(rig, archive, tmp_path):
    """Deleted is deleted: first there must be a copy whose every byte was read."""
    age(rig)
    assert "no whole export" in refused(archive, tmp_path / "none")
    archive("export", tmp_path / "one", "--session", SESSION)
    assert "not in the export" in refused(archive, tmp_path / "one")
    archive("export", tmp_path / "all")
    flip(next((tmp_path / "all").rglob("*.spa")))
    assert "SHA-256" in refused(archive, tmp_path / "all")
    assert len(objects_of(rig)) == 3


def test_what_expires_leaves_a_tombstone_and_nothing_else(rig, archive, tmp_path):
    """Patients' samples and summaries are gone; that they were kept, and until when, stays."""
    age(rig)
    archive("export", tmp_path / "all")
    paths = [path_of(rig, tmp_path, number) for number in range(3)]
    status, body = archive("expire", "--before", BEFORE, "--export", tmp_path / "all", "--by", "custodian")
    assert (status, body["objects"], body["sessions"], body["kept"]) == (0, 3, 1, 0)
    assert not any(path.exists() for path in paths)
    assert objects_of(rig) == []
    assert rig.archive.sessions() == ([], None)
    assert covers(rig.archive.index.spans("tension", rig.source), 0, 2000)
    status, report = archive("verify")
    assert (status, report["ok"], report["objects"]) == (0, True, 0)
    assert archive("status")[1]["expired"] == 3


def test_an_early_session_is_kept_until_its_cure_is_ten_years_over(rig, archive, tmp_path):
    """The time runs from the end of the treatment, not of one session of it."""
    age(rig)
    cure = UUID(int=5)
    with rig.archive.index.write() as connection:
        connection.execute(update(SESSIONS).values(cure=str(cure)))
        row = rig.archive.session(SESSION)
        later = {"id": str(UUID(int=6)), "site": "north", "device": "bed-02", "cure": str(cure),
                 "started_at_us": time.time_ns() // 1000, "archived_at_us": 0}  # fmt: skip
        connection.execute(SESSIONS.insert().values(**later))
    archive("export", tmp_path / "all")
    status, body = archive("expire", "--before", BEFORE, "--export", tmp_path / "all")
    assert (status, body["objects"], body["sessions"], body["kept"]) == (0, 2, 0, 1)
    assert [found.session for found in objects_of(rig)] == [SESSION]
    assert rig.archive.session(SESSION).first_seq == row.first_seq


def test_a_cure_whose_newest_session_is_in_redis_only_goes_on(rig, archive, tmp_path):
    """The archive may be behind; without Redis nobody knows, and nothing expires."""
    age(rig)
    with rig.archive.index.write() as connection:
        connection.execute(update(SESSIONS).values(cure=str(UUID(int=5))))
    _, sessions = rig.session(5000, 5999, session=UUID(int=6))
    fields = sessions[UUID(int=6)]
    fields["summary"] = json.dumps(json.loads(fields["summary"]) | {"cure": str(UUID(int=5))})
    rig.keep(sessions=sessions)
    archive("export", tmp_path / "all")
    expire = ("expire", "--before", BEFORE, "--export", tmp_path / "all")
    status, said = archive(*expire, redis_url="redis://127.0.0.1:1")
    assert status == 1
    assert "Redis" in said
    assert len(objects_of(rig)) == 3
    status, body = archive(*expire)
    assert (status, body["objects"], body["sessions"], body["kept"]) == (0, 2, 0, 1)
    assert [found.session for found in objects_of(rig)] == [SESSION]


def test_an_expiry_that_was_killed_is_finished_by_the_next(rig, archive, tmp_path, monkeypatch):
    """Between the tombstones and the deleted files there is a moment; verify names what is left."""
    age(rig)
    archive("export", tmp_path / "all")
    folder = path_of(rig, tmp_path).parent
    kept = {path: path.read_bytes() for path in folder.glob("*.spa")}
    archive("expire", "--before", BEFORE, "--export", tmp_path / "all")
    with rig.archive.index.write() as connection:
        connection.exec_driver_sql("UPDATE archive_tombstones SET deleted_at_us = NULL")
    for path, data in kept.items():
        path.write_bytes(data)
    status, report = archive("verify")
    assert status == 1
    assert "expired and is still in the store" in report["faults"][0]["fault"]
    archive("expire", "--before", BEFORE, "--export", tmp_path / "all")
    assert not any(path.exists() for path in kept)
    assert archive("verify")[0] == 0


def test_expire_asks_no_stranger_which_cures_go_on(rig, tmp_path, capsys, monkeypatch):
    """A Redis at the default address may be another's: it would know of no cure, and all would be let go."""
    monkeypatch.delenv("SPONDYL_REDIS_URL", raising=False)
    expire = [
        "archive",
        "expire",
        "--before",
        BEFORE,
        "--export",
        str(tmp_path),
        "--data",
        str(tmp_path / "var"),
    ]
    with pytest.raises(SystemExit) as ended:
        main(expire)
    assert ended.value.code == 1
    assert "set SPONDYL_REDIS_URL" in capsys.readouterr().err
    assert len(objects_of(rig)) == 3
    home = tmp_path / "var"
    running(home, f"http://127.0.0.1:{free_port()}")
    run_file = home / "run.json"
    run_file.write_text(json.dumps(json.loads(run_file.read_text()) | {"redis": rig.redis_url}))
    with pytest.raises(SystemExit):
        main(expire)
    assert "holds no whole export" in capsys.readouterr().err
