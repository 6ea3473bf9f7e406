"""Fixtures every test may use: a real broker and a real Redis-compatible server, one of each per test."""

import pytest
from servers import Mosquitto, Valkey


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
