"""Which lists of operators the console publishes, to which gateways, and when: on a real broker."""

import threading
import time
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from operator_rig import PIN, Staff
from servers import Mosquitto, eventually

from broker.bus import Bus
from broker.contract import OPERATORS
from broker.messages import GatewayStatus
from services.console.live import Live
from services.console.operators import OperatorLists, from_accounts
from services.console.store import Store
from services.kit.auth import operators
from services.kit.auth.keys import read_private
from services.kit.auth.principal import Grant

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """A real Mosquitto."""
    with Mosquitto(tmp_path_factory.mktemp("broker")) as server:
        yield server


class Chain:
    """A console's publisher over real accounts, and whoever listens at a gateway."""

    def __init__(self, broker, directory):
        self.staff = Staff(directory)
        self.directory, self.broker = directory, broker
        self.store = Store(f"sqlite:///{directory / 'console.db'}")
        self.live, self.ahead_s = Live(), 0.0
        self.bus = Bus(broker.url, f"console-{uuid4().hex[:6]}")
        self.bus.start()
        self.lists = self.publisher()

    def publisher(self, simulated=None):
        """A console that has just started over the same data."""
        key = read_private(self.staff.keys.private, "access")
        people = from_accounts(self.store, simulated)
        return OperatorLists(
            self.live, self.bus, people, key, self.directory, now=lambda: time.time() + self.ahead_s
        )

    def gateway(self, site):
        """A gateway of the site is heard of; what it is sent from now on."""
        status = GatewayStatus(state="online", gateway=f"gw-{site}", boot=uuid4(), at=datetime.now(UTC))
        self.live.status(site, status)
        return Gateway(self, site)

    def close(self):
        """Let go."""
        self.bus.close()
        self.store.close()


class Gateway:
    """Listens as a gateway does, from an empty session each time."""

    def __init__(self, chain, site):
        self.chain, self.site, self.last = chain, site, None

    def newest(self):
        """The retained list, verified."""
        bus = Bus(self.chain.broker.url, f"gw-{uuid4().hex[:6]}", site=self.site)
        bus.subscribe(OPERATORS, self.site, f"gw-{self.site}")
        bus.start()
        try:
            found = bus.take(10, 1.0)
        finally:
            bus.close()
        if not found:
            return None
        return operators.read(found[-1].message.signed, self.chain.staff.public_key(), self.site)

    def names(self):
        """Who is on it."""
        listed = self.newest()
        return None if listed is None else [row.name for row in listed.operators]


@pytest.fixture
def chain(broker, tmp_path):
    """Nothing but a broker and an empty console."""
    made = Chain(broker, tmp_path)
    yield made
    made.close()


def test_each_gateway_gets_who_may_operate_at_its_site(chain):
    """By role, site and PIN; a change is published at the next look, to whom it concerns."""
    north, south = chain.gateway("n1"), chain.gateway("s1")
    pin = chain.staff.hash(PIN)
    chain.store.add_user("ada", "A", [Grant("therapist", "n1")], pin=pin)
    both = chain.store.add_user("bo", "B", [Grant("clinician")], pin=pin)
    chain.store.add_user("nopin", "C", [Grant("therapist")])
    chain.store.add_user("desk", "D", [Grant("reception")], pin=pin)
    chain.lists.look()
    assert (north.names(), south.names()) == (["ada", "bo"], ["bo"])
    versions = north.newest().version, south.newest().version
    chain.lists.look()
    assert (north.newest().version, south.newest().version) == versions  # nothing new: nothing sent
    chain.store.change_user(both.id, {"disabled_at_us": 1})
    chain.lists.look()
    assert (north.names(), south.names()) == (["ada"], [])
    assert north.newest().version > versions[0]


def test_a_list_is_renewed_every_day_so_that_it_never_runs_out_while_the_console_lives(chain):
    """A month's validity is for a clinic that is cut off, not for one where nobody was hired."""
    gateway = chain.gateway("n2")
    chain.lists.look()
    before = gateway.newest()
    assert before.expires_s - before.issued_s == 30 * 24 * 3600
    chain.ahead_s = 24 * 3600 - 60
    chain.lists.look()
    assert gateway.newest().version == before.version
    chain.ahead_s = 24 * 3600 + 1
    chain.lists.look()
    eventually(lambda: gateway.newest().expires_s > before.expires_s, 10, "the renewed list")


def test_a_console_with_its_clock_set_back_still_issues_newer_versions(chain):
    """A gateway takes nothing older than it holds: a dismissal must get through all the same."""
    gateway = chain.gateway("n3")
    chain.ahead_s = 3600.0
    chain.lists.look()
    before = gateway.newest().version
    chain.ahead_s = 0.0
    chain.publisher().look()
    assert gateway.newest().version > before


def test_a_list_that_is_too_large_is_told_by_readyz_until_it_is_sent(chain):
    """Somebody who was dismissed stays on the gateway's old list: that must not be one line in a log."""
    gateway = chain.gateway("n6")
    people = [
        (operators.Operator(str(number), f"u{number}", "U", (), "h"), (Grant("therapist", "n6"),))
        for number in range(operators.MAX_OPERATORS + 1)
    ]
    key = read_private(chain.staff.keys.private, "access")
    lists = OperatorLists(chain.live, chain.bus, lambda: people, key, chain.directory)
    lists.look()
    assert "401 operators: a gateway's list holds 400" in lists.trouble()
    people.pop()
    lists.look()
    assert lists.trouble() is None
    assert len(gateway.names()) == operators.MAX_OPERATORS


def test_the_simulated_operator_is_listed_only_where_a_file_says_so(chain):
    """A clinic has none."""
    gateway = chain.gateway("n4")
    chain.publisher(chain.directory / "missing.json").look()
    assert gateway.names() == []
    path = chain.directory / "simulated.json"
    path.write_text('{"account": "a", "name": "sim", "title": "Sim", "pin": "x", "pin_hash": "h"}')
    chain.publisher(path).look()
    eventually(lambda: gateway.names() == ["sim"], 20.0, "the operator of the simulation")


def test_the_publishing_thread_outlives_a_database_that_is_gone_for_a_while(chain):
    """Lists wait; a console without them would keep every gateway on its last one."""
    gateway = chain.gateway("n5")
    path = chain.directory / "console.db"
    stop = threading.Event()
    lists = chain.publisher()
    chain.store.engine.dispose()
    moved = path.rename(chain.directory / "away.db")
    path.mkdir()
    thread = threading.Thread(target=lists.run, args=(stop,), daemon=True)
    thread.start()
    try:
        path.rmdir()
        moved.rename(path)
        assert eventually(lambda: gateway.names() == [], 20, "the list")
    finally:
        stop.set()
        thread.join(5)
