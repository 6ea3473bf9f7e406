import pytest
from archive_rig import Rig


@pytest.fixture
def rig(valkey, tmp_path):
    """Redis, a store on disk and an index in SQLite."""
    rig = Rig(valkey.url, f"file://{tmp_path}/objects", f"sqlite:///{tmp_path}/archive.db")
    yield rig
    rig.close()
