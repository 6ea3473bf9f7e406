import pytest
from archive_rig import Rig
from servers import S3


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
