"""What several tests of the controller stand on."""

import json

import pytest
from bedside_rig import Clinic, Served, Ticking
from controller.panel_rig import Time
from run_file import running

from services.controller.panel import pages


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


@pytest.fixture
def hands():
    """Time that a test moves."""
    return Time()


@pytest.fixture
def panel(clinic):
    """A panel at which nobody is signed in yet."""
    served = Served(clinic.panel(pages=pages.router))
    yield served
    served.close()


@pytest.fixture
def door(clinic, hands):
    """Sign-ins without a server, on a clock of the test's."""
    return clinic.sign_ins(600.0, hands.clocks(), steady=lambda: hands.steady)


@pytest.fixture
def home(clinic):
    """The data directory of a system whose panel serves these beds."""
    panel = Served(clinic.panel())
    running(clinic.directory, "http://127.0.0.1:1")
    file = clinic.directory / "run.json"
    address = f"http://127.0.0.1:{panel.port}"
    places = {
        "panels": dict.fromkeys(clinic.memory.devices, address),
        "sites": {"north": {"gateway": "gw-north", "panel": address, "devices": clinic.memory.devices}},
    }
    file.write_text(json.dumps(json.loads(file.read_text()) | places))
    yield clinic.directory
    panel.close()
