import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.engines import password_store, redis_server, render_redis
from deploy.local import Plan, site_devices
from deploy.up import up
from services.kit.errors import SpondylError


@given(sites=st.integers(1, 64), more=st.integers(0, 400))
def test_every_bed_is_dealt_to_one_site_and_sites_differ_by_at_most_one(sites, more):
    """Device names are unique over the chain; no gateway carries another's load."""
    beds = sites + more
    dealt = site_devices(beds, sites)
    everyone = [device for devices in dealt.values() for device in devices]
    assert len(dealt) == sites
    assert len(everyone) == len(set(everyone)) == beds
    counts = [len(devices) for devices in dealt.values()]
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sites": 0}, "--sites is 0"),
        ({"beds": 1, "sites": 2}, "at least one bed"),
        ({"beds": 200, "sites": 2}, "a loop serves 64"),
        ({"period_ms": 0.5}, "1 to 20 ms"),
        ({"period_ms": float("nan")}, "1 to 20 ms"),
        ({"block_ms": 10.0}, "--block-ms is 10"),
        ({"ingest_workers": 0}, "--ingest-workers is 0"),
        ({"ingest_workers": 17}, "1 to 16"),
        ({"port": 0}, "a port is 1 to 65535"),
        ({"port": -1}, "a port is 1 to 65535"),
        ({"port": 65536}, "--port is 65536"),
        ({"host": "203.0.113.9"}, "--host is '203.0.113.9'"),
        ({"host": "no.such.host.invalid"}, "--host is"),
        ({"host": "a..b"}, "--host is 'a..b'"),
        ({"host": "::1"}, "an IPv4 address or name"),
    ],
)
def test_a_plan_that_cannot_be_started_is_refused_with_value_and_limit(tmp_path, change, words):
    """Nothing is started before everything asked for is possible."""
    with pytest.raises(SpondylError, match=words):
        Plan(tmp_path, **change).check()


def test_all_refusals_of_a_plan_come_at_once(tmp_path):
    """Nobody likes to learn of mistakes one at a time."""
    with pytest.raises(SpondylError, match=r"--sites is 0.*--period-ms is 99"):
        Plan(tmp_path, sites=0, period_ms=99).check()


def test_passwords_are_made_once_and_only_the_owner_reads_them(tmp_path):
    """A second start on the same data keeps its credentials."""
    path = tmp_path / "passwords.json"
    first = password_store(path, ["console", "redis"])
    assert password_store(path, ["console", "redis"]) == first
    assert len(set(first.values())) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_redis_flushes_every_append_and_evicts_nothing(tmp_path):
    """Telemetry commits what Redis has answered: the answer must mean the disk."""
    text = render_redis(tmp_path, host="127.0.0.1", port=7000, password="p").read_text()
    for line in ("appendonly yes", "appendfsync always", "maxmemory-policy noeviction", "bind 127.0.0.1"):
        assert line in text.splitlines()


def test_a_server_with_waitaof_is_found():
    """An older installed Redis is passed over for the wheel's server."""
    path, version = redis_server()
    assert os.access(path, os.X_OK)
    assert tuple(int(part) for part in version.split(".")[:2]) >= (7, 2)


def test_a_directory_that_takes_no_file_is_refused_in_one_line(tmp_path):
    """A full disk, a read-only one: said at once, with nothing started."""
    (tmp_path / "ports.json").mkdir()
    before = os.umask(0o022)
    try:
        with pytest.raises(SpondylError, match=rf"--data {tmp_path} cannot be written: "):
            up(Plan(tmp_path), as_json=True)
    finally:
        os.umask(before)
    assert not (tmp_path / "run.json").exists()
