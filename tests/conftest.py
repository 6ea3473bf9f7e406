"""Fixtures every test may use: a real broker and a real Redis-compatible server, one of each per test."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from servers import Mosquitto, Valkey

# CI tries fixed examples, so that a red run can be repeated; `make verify` draws many new ones.
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "verify", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci")

TESTS = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests of a file stay together, for they share what they started; whole systems first, one at a time.

    `spondyl up` prefers the ports that people know; two that start at once would want the same.
    """
    whole = {path: "from machine import" in path.read_text() for path in {Path(it.path) for it in items}}
    whole = {path: alone or path.parent.name in {"system", "chaos"} for path, alone in whole.items()}
    for item in items:
        path = Path(item.path)
        group = "whole systems" if whole[path] else path.relative_to(TESTS).as_posix()
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: not whole[Path(item.path)])


@pytest.fixture
def mosquitto(tmp_path):
    """A real Mosquitto that lets everybody do everything."""
    with Mosquitto(tmp_path) as broker:
        yield broker


@pytest.fixture
def valkey(tmp_path):
    """A real Valkey, append-only, flushed at every write."""
    with Valkey(tmp_path) as store:
        yield store
