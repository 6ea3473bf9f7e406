"""Homecare, on SQLite; `either_rig` on PostgreSQL too."""

import pytest
from homecare.homecare_rig import HomecareRig

from services.cli import main


@pytest.fixture
def rig(tmp_path):
    """A homecare service of its own."""
    made = HomecareRig(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def either_rig(request, tmp_path):
    """The same on each kind of database."""
    on_postgres = request.param == "postgresql"
    made = HomecareRig(tmp_path, request.getfixturevalue("postgres").database() if on_postgres else None)
    yield made
    made.close()


@pytest.fixture
def spondyl(capsys):
    """Run a command; its exit status and what it wrote to stdout and stderr."""

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            main(words)
        written = capsys.readouterr()
        return ended.value.code, written.out, written.err

    return run
