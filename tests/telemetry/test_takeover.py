"""Several ingest workers on one broker and one store: who dies or sleeps loses its sites and nothing else."""

import os
import signal
import threading
import time
from contextlib import ExitStack
from uuid import uuid4

import httpx
import pytest
import warm
from gateway_stand_in import GatewayStandIn
from servers import eventually, free_port

from services.telemetry import keys
from services.telemetry.holes import read_holes
from services.telemetry.leases import lease_key
from services.telemetry.models import Place, Source
from services.telemetry.store import connect, read_entries

pytestmark = pytest.mark.system
TAKEOVER_S = 5.0
SITES = ("north", "south")


class Stream(GatewayStandIn):
    """A gateway that sends one block after the other until told to stop."""

    def __init__(self, url, site):
        super().__init__(url, site, f"bed-{site}")
        self.sent = 0
        self._stop = threading.Event()
        self._sender = threading.Thread(target=self._send, daemon=True)

    def __enter__(self):
        super().__enter__()
        self.birth()
        return self

    def begin(self):
        """Send from now on: somebody listens."""
        self._sender.start()

    def _send(self):
        while not self._stop.wait(0.01):
            self.tension(self.sent)
            self.sent += 10

    def stop(self):
        """Send no more; how many samples went."""
        self._stop.set()
        if self._sender.is_alive():
            self._sender.join(10)
        return self.sent

    def __exit__(self, *_):
        self.stop()
        super().__exit__()

    @property
    def stored(self):
        """How far everything is promised."""
        return self.next() or 0


@pytest.fixture
def clinic(mosquitto, valkey, tmp_path):
    """Two sites that stream, two workers that share them, and the store behind."""
    with ExitStack() as stack:
        made = Clinic(mosquitto.url, valkey.url, tmp_path)
        stack.callback(made.close)
        made.workers = [made.worker(), made.worker()]
        made.gateways = {site: stack.enter_context(Stream(mosquitto.url, site)) for site in SITES}
        eventually(lambda: len({made.owner(site) for site in SITES} - {None}) == 2, 20, "a site for each")
        eventually(lambda: made.opened() == len(SITES), 20, "a session for each")
        for gateway in made.gateways.values():
            gateway.begin()
        eventually(lambda: all(gateway.stored > 100 for gateway in made.gateways.values()), 20, "promises")
        yield made


class Clinic:
    """What the tests look at and do."""

    def __init__(self, mqtt_url, redis_url, directory):
        self.redis = connect(redis_url)
        self._started, self._addresses = [], []
        self._log = directory / "ingest.log"
        self._environment = os.environ | {
            "SPONDYL_MQTT_URL": mqtt_url,
            "SPONDYL_REDIS_URL": redis_url,
            "SPONDYL_COMMITTED_MS": "0",
            "SPONDYL_INGEST_LINGER_MS": "0",
        }

    def worker(self):
        """Start one; answer its process when it is ready."""
        port = free_port()
        environment = self._environment | {"SPONDYL_HTTP_PORT": str(port)}
        process = warm.start("services.telemetry.ingest", environment, self._log)
        self._started.append(process)
        self._addresses.append(f"http://127.0.0.1:{port}")
        eventually(lambda: self._opened(self._addresses[-1]) is not None, 30, "a worker that is ready")
        return process

    def opened(self):
        """How many sites are worked on with their broker sessions open."""
        return sum(self._opened(address) or 0 for address in self._addresses)

    def _opened(self, address):
        """A worker's sites; None when it is not ready."""
        try:
            lines = httpx.get(f"{address}/metrics").text.splitlines()
            ready = httpx.get(f"{address}/readyz").status_code == 200
        except httpx.TransportError:
            return None
        (sites,) = [float(line.split()[1]) for line in lines if line.startswith("spondyl_ingest_sites ")]
        return sites if ready else None

    def owner(self, site):
        """Process id of the worker that has the site now."""
        lease = self.redis.get(lease_key("ingest", site))
        return int(lease.decode().split(" ")[0].split("-")[-2]) if lease else None

    def owner_process(self, site):
        """The owner as a process."""
        return next(process for process in self._started if process.pid == self.owner(site))

    def takes_over(self, site):
        """Seconds until blocks of a site are stored and promised again that were sent from now on."""
        began, sent = time.monotonic(), self.gateways[site].sent
        eventually(lambda: self.gateways[site].stored > sent, 20, "what is sent now is stored")
        return time.monotonic() - began

    def settle(self):
        """Nothing more is sent and all of it is promised; (first, count, late) of every entry by site."""
        found = {}
        for site, gateway in self.gateways.items():
            total = gateway.stop()
            eventually(lambda gateway=gateway, total=total: gateway.stored == total, 20, "all promised")
            source = Source(Place(site, gateway.device), gateway.boot)
            assert self.redis.hgetall(keys.gaps(source)) == {}
            found[site] = [
                (first, count, late) for first, count, _, late in read_entries(self.redis, "tension", source)
            ]
            assert found[site] == [(first, 10, False) for first in range(0, total, 10)]
        return found

    def close(self):
        """No worker outlives its test."""
        for process in self._started:
            process.kill()
            process.send_signal(signal.SIGCONT)
            process.wait(10)
        self.redis.close()


def test_a_killed_workers_site_is_stored_by_the_other_within_five_seconds(clinic):
    """A clinic must not wait for an operator; and what was under way is neither lost nor stored twice."""
    victim = clinic.owner_process("north")
    other = clinic.owner("south")
    victim.kill()
    assert clinic.takes_over("north") < TAKEOVER_S
    assert {clinic.owner(site) for site in SITES} == {other}
    clinic.settle()


def test_workers_that_die_one_after_the_other_lose_and_double_nothing(clinic):
    """At whatever moment: before the store, after it, before the acknowledgement, before the promise."""
    for _ in range(3):
        victim = clinic.owner_process("south")
        clinic.worker()
        victim.kill()
        assert clinic.takes_over("south") < TAKEOVER_S
    clinic.settle()


def test_an_owner_that_slept_through_its_lease_does_no_harm_when_it_wakes(clinic):
    """A process that a machine froze believes for a moment that nothing has happened."""
    sleeper = clinic.owner_process("north")
    sleeper.send_signal(signal.SIGSTOP)
    assert clinic.takes_over("north") < TAKEOVER_S
    sleeper.send_signal(signal.SIGCONT)
    assert clinic.takes_over("north") < TAKEOVER_S
    eventually(lambda: sleeper.pid in {clinic.owner(site) for site in SITES}, 20, "its share again")
    assert clinic.takes_over("north") < TAKEOVER_S
    assert clinic.takes_over("south") < TAKEOVER_S
    clinic.settle()


def test_an_orderly_end_costs_a_site_no_waiting(clinic):
    """A worker is updated while patients are treated."""
    leaving = clinic.owner_process("north")
    leaving.send_signal(signal.SIGTERM)
    assert clinic.takes_over("north") < TAKEOVER_S
    assert leaving.wait(10) == 0
    clinic.settle()


def test_a_restarted_store_gives_every_site_back_to_somebody(clinic, valkey):
    """Leases, cursors and samples are on its disk; nothing is lost while it is away."""
    valkey.restart()
    for site in SITES:
        assert clinic.takes_over(site) < 2 * TAKEOVER_S
    clinic.settle()


def test_a_site_that_moves_takes_along_what_its_gateway_was_asked_for(mosquitto, valkey, tmp_path):
    """Nothing comes from a boot that is over: what was written down about its hole is all there is of it."""
    with ExitStack() as stack:
        clinic = Clinic(mosquitto.url, valkey.url, tmp_path)
        stack.callback(clinic.close)
        clinic.worker()
        gateways = [stack.enter_context(Stream(mosquitto.url, site)) for site in SITES]
        eventually(lambda: clinic.opened() == len(SITES), 20, "both sites opened")
        over = [Source(Place(gateway.site, gateway.device), gateway.boot) for gateway in gateways]
        for gateway in gateways:
            gateway.tension(0, 20)
            eventually(lambda gateway=gateway: gateway.stored == 10, 20, "stored as far as the hole")
            gateway.boot = uuid4()
            gateway.begin()

        def asked():
            known = [read_holes(clinic.redis, source) for source in over]
            return [asking.asks for holes in known for asking in holes.values()]

        eventually(lambda: asked() == [1, 1], 20, "both asked for")
        clinic.worker()
        eventually(lambda: clinic.owner("north") != clinic.owner("south"), 20, "a site for each")
        eventually(lambda: len(asked()) == len(SITES) and min(asked()) > 1, 20, "both asked for again")
