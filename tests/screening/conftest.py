import pytest
from screening.screening_rig import ScreeningRig


@pytest.fixture
def rig(tmp_path):
    """A screening on SQLite."""
    made = ScreeningRig(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request, tmp_path):
    """The same on SQLite, then on PostgreSQL."""
    url = request.getfixturevalue("postgres").database() if request.param == "postgresql" else None
    made = ScreeningRig(tmp_path, url)
    yield made
    made.close()
