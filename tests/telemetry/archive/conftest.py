import json

import pytest
from archive_rig import Rig
from servers import S3

from services.cli import main


@pytest.fixture
def s3(tmp_path):
    """An S3 server that checks signatures."""
    with S3(tmp_path) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """An empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/archive.db"
    return request.getfixturevalue("postgres").database()


@pytest.fixture
def rig(valkey, tmp_path):
    """Redis, a store on disk and an index in SQLite."""
    rig = Rig(valkey.url, f"file://{tmp_path}/objects", f"sqlite:///{tmp_path}/archive.db")
    yield rig
    rig.close()


@pytest.fixture
def kept(valkey, tmp_path):
    """An archive under a data directory, as `spondyl up` keeps it: one session and idle time around it."""
    home = tmp_path / "var" / "telemetry"
    rig = Rig(valkey.url, f"file://{home}/archive", f"sqlite:///{home}/archive.db")
    events, sessions = rig.session(1000, 1999)
    samples = [*rig.tension(0, 2000), *rig.tension(2100, 900), *rig.blackbox(0, 3000)]
    rig.keep([*samples, *events], gaps=[rig.gap(2000, 2100)], sessions=sessions)
    rig.turn()
    rig.turn(hurry=True)
    yield rig
    rig.close()


@pytest.fixture
def archive(kept, tmp_path, capsys, monkeypatch):
    """`spondyl archive ...` without a running system, but for expire: exit status and what it printed."""

    def run(*arguments, redis_url=None):
        away = kept.redis_url if arguments[0] == "expire" else "redis://127.0.0.1:1"
        monkeypatch.setenv("SPONDYL_REDIS_URL", redis_url or away)
        with pytest.raises(SystemExit) as ended:
            main(["archive", *map(str, arguments), "--data", str(tmp_path / "var"), "--json"])
        said = capsys.readouterr()
        return ended.value.code or 0, json.loads(said.out) if said.out else said.err

    return run
