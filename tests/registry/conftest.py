"""The registry in this process; brokers that know their clients by its certificates."""

import pytest
from registry_rig import RegistryRig

from services.cli import main


@pytest.fixture
def rig(tmp_path):
    """A registry of its own."""
    made = RegistryRig(tmp_path / "centre")
    yield made
    made.close()


@pytest.fixture
def spondyl(capsys):
    """Run a command; its exit status and what it wrote to stdout and stderr."""

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        written = capsys.readouterr()
        return ended.value.code, written.out, written.err

    return run
