import pytest
import replayed
from machine import Machine


@pytest.fixture
def machine(tmp_path):
    """Start a system with options of the test's own; ended whatever happens, its sessions replayed."""
    started = []

    def start(*options, data="data", environment=None):
        system = Machine(tmp_path / data, *options, environment=environment).start()
        started.append(system)
        return system

    yield start
    for system in started:
        if system.running:
            system.kill_everything()
    for system in started:
        replayed.left_behind(system)


@pytest.fixture(scope="module")
def shared_machine(tmp_path_factory):
    """One system for tests that only look."""
    system = Machine(tmp_path_factory.mktemp("machine") / "data", "--beds", "4", "--sites", "2").start()
    yield system
    if system.running:
        left = system.stop()
        assert not left, f"orphans after Ctrl-C: {left}"
    sessions, samples = replayed.left_behind(system)
    assert sessions > 0
    assert samples > 0
