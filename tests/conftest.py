"""Fixtures every test may use: a real broker and a real Redis-compatible server, one of each per test."""

import pytest
from hypothesis import HealthCheck, settings
from servers import Mosquitto, Valkey

# CI tries fixed examples, so that a red run can be repeated; `make verify` draws many new ones.
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "verify", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci")


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
