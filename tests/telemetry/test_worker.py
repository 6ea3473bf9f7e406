import subprocess
import sys
import time
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry
from servers import eventually

from broker import contract
from broker.bus import Bus
from broker.messages import GatewayStatus
from services.telemetry.ingest.worker import GROUP, SITES, Worker, open_scout
from services.telemetry.leases import Leases
from services.telemetry.settings import TelemetrySettings
from services.telemetry.store import connect

pytestmark = pytest.mark.system


class Noted:
    """Work that only writes down what it is told, and is never told twice."""

    def __init__(self):
        self.sites = set()
        self.turns = []

    def adopt(self, site):
        """Once."""
        assert site not in self.sites
        self.sites.add(site)
        self.turns.append(("adopt", site))

    def release(self, site):
        """Only what was adopted."""
        self.sites.remove(site)
        self.turns.append(("release", site))


@pytest.fixture
def started(mosquitto, valkey):
    """Start workers with settings of the test's own; each answers (work, worker)."""
    made = []

    def start(name, **settings):
        options = TelemetrySettings(mqtt_url=mosquitto.url, redis_url=valkey.url, **settings)
        redis = connect(valkey.url)
        work, leases = Noted(), Leases(redis, GROUP, name, ttl_s=options.lease_s)
        worker = Worker(work, leases, redis, open_scout(options, name), options, CollectorRegistry())
        worker.start()
        made.append((worker, redis))
        return work, worker

    yield start
    for worker, redis in made:
        worker.stop()
        redis.close()


@pytest.fixture
def say(mosquitto):
    """A gateway of a site says that it is there."""
    buses = []

    def say(site):
        bus = Bus(mosquitto.url, f"gw-{site}", site=site)
        bus.start()
        assert bus.wait_connected(10)
        status = GatewayStatus(state="online", gateway=f"gw-{site}", boot=uuid4(), at=datetime.now(UTC))
        assert bus.publish(contract.STATUS, status, device=f"gw-{site}").wait(5)
        buses.append(bus)

    yield say
    for bus in buses:
        bus.close(0.5)


def test_sites_are_found_by_their_gateways_and_shared(started, say, valkey):
    """A new clinic is ingested as soon as its gateway says so: nobody has to tell ingest."""
    say("north")
    first, _ = started("w1")
    eventually(lambda: first.sites == {"north"})
    say("south")
    eventually(lambda: first.sites == {"north", "south"}, 5)
    second, _ = started("w2")
    eventually(lambda: len(first.sites) == len(second.sites) == 1 and first.sites != second.sites)
    redis = connect(valkey.url)
    assert redis.smembers(SITES) == {b"north", b"south"}
    redis.close()


def test_given_sites_need_no_gateway_and_no_others_are_taken(started, say):
    """A chain that pins sites to workers gets exactly these."""
    say("west")
    work, worker = started("w1", ingest_sites="north, south")
    eventually(lambda: worker.sites)
    assert work.sites == {"north", "south"}


def test_a_site_that_no_gateway_tells_of_any_more_stays_known(started, say, mosquitto):
    """A broker that lost its retained messages must not leave a clinic's queue unread."""
    say("north")
    _, worker = started("w1")
    eventually(lambda: worker.sites)
    worker.stop()
    mosquitto.kill()
    (mosquitto.directory / "mosquitto.db").unlink(missing_ok=True)
    mosquitto.start()
    again, _ = started("w2")
    eventually(lambda: again.sites == {"north"}, 20)


def test_an_orderly_end_releases_first_and_hands_over_at_once(started):
    """What is released after another has begun would be worked on twice."""
    first, worker = started("w1", ingest_sites="north", lease_s=30)
    eventually(lambda: first.sites)
    second, _ = started("w2", ingest_sites="north", lease_s=1)
    worker.stop()
    assert first.turns == [("adopt", "north"), ("release", "north")]
    eventually(lambda: second.sites == {"north"}, 5)


def test_a_worker_without_its_store_gives_up_when_its_time_is_over_and_begins_anew(started, valkey):
    """Nobody can tell it that it still owns a site: then it does not."""
    work, worker = started("w1", ingest_sites="north", lease_s=1)
    eventually(lambda: work.sites)
    assert worker.trouble() is None
    valkey.kill()
    eventually(lambda: not work.sites)
    assert worker.trouble().startswith("Redis: ")
    valkey.start()
    eventually(lambda: work.sites == {"north"} and worker.trouble() is None, 20)


def test_a_restart_of_the_store_within_the_lifetime_changes_nothing(started, valkey):
    """Two seconds without Redis must not make every worker of the chain begin anew."""
    work, worker = started("w1", ingest_sites="north,south", lease_s=10)
    eventually(lambda: len(work.sites) == 2)
    began = time.monotonic()
    valkey.restart()
    eventually(lambda: worker.trouble() is not None or time.monotonic() - began > 5)
    eventually(lambda: worker.trouble() is None)
    assert work.turns == [("adopt", "north"), ("adopt", "south")]


def test_a_lease_that_another_had_meanwhile_is_begun_anew(started, valkey):
    """What this worker remembers of the site is old: somebody else has stored since."""
    work, worker = started("w1", ingest_sites="north", lease_s=1)
    eventually(lambda: work.sites)
    redis = connect(valkey.url)
    redis.hincrby("fences:{ingest}", "north", 1)
    redis.delete("lease:{ingest}:north")
    eventually(lambda: len(work.turns) == 3)
    assert work.turns == [("adopt", "north"), ("release", "north"), ("adopt", "north")]
    redis.delete("lease:{ingest}:north")
    eventually(lambda: redis.exists("lease:{ingest}:north"))
    assert len(work.turns) == 3
    assert worker.sites == {"north"}
    redis.close()


def test_a_worker_loads_nothing_that_it_does_not_need():
    """Many of them are to fit a small machine: no arrays, no archive, no SQL."""
    code = "import sys, services.telemetry.ingest.__main__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"numpy", "pyarrow", "duckdb", "sqlalchemy", "zstandard"} & set(loaded.split())
