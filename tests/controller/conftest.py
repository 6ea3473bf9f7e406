"""What several tests of the controller stand on."""

import pytest
from bedside_rig import Clinic, Ticking


@pytest.fixture(scope="module")
def ticking():
    """Two simulated beds under the compiled kernel."""
    beds = Ticking()
    yield beds
    beds.close()


@pytest.fixture
def clinic(tmp_path, ticking):
    """A bedside over them with a new session.db; the beds are brought back to idle."""
    clinic = Clinic(tmp_path, ticking)
    yield clinic
    clinic.clear_up()
    clinic.store.close()
