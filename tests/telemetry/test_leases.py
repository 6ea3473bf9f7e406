import os
import signal
import subprocess
import sys
import time
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers import Valkey, eventually

from services.telemetry.errors import StoreUnavailable
from services.telemetry.leases import Leases, lease_key
from services.telemetry.store import connect

pytestmark = pytest.mark.system
WORKER = Path(__file__).parent.parent / "lease_worker.py"
SITES = ("east", "north", "outer", "south", "west")
TAKEOVER_S = 5.0


@pytest.fixture
def redis(valkey):
    client = connect(valkey.url)
    yield client
    client.close()


@pytest.fixture
def workers(valkey):
    """Start worker processes by name; none survives the test."""
    started = {}

    def start(name, *sites, ttl_s=3.0):
        command = [sys.executable, str(WORKER), valkey.url, name, str(ttl_s), *sites]
        environment = os.environ | {"PYTHONPATH": str(WORKER.parent.parent)}
        started[name] = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        return started[name]

    yield start
    for process in started.values():
        process.kill()
        process.send_signal(signal.SIGCONT)
        process.wait(10)


def work_on(redis, site):
    """(worker, monotonic ms) of everything done on a site, in order."""
    rows = [row.decode().split() for row in redis.lrange(f"work:{site}", 0, -1)]
    return [(worker, int(at)) for worker, at in rows]


def last_worker(redis, site):
    rows = work_on(redis, site)
    return rows[-1][0] if rows else None


def test_one_name_has_one_holder(redis):
    """Two workers on one site would double its work, and one could undo what the other does."""
    first, second = Leases(redis, "test", "w1"), Leases(redis, "test", "w2")
    assert first.hold(["north"]) == {"north"}
    assert second.hold(["north"]) == frozenset()
    assert first.hold(["north"]) == {"north"}
    assert first.holds("north")
    assert not second.holds("north")


def test_two_workers_share_five_sites_evenly_once_one_has_let_go(redis):
    """A worker that joins must take load off the other one, without ever sharing a site with it."""
    first, second = Leases(redis, "test", "w1"), Leases(redis, "test", "w2")
    assert first.hold(SITES) == set(SITES)
    assert second.hold(SITES) == frozenset()
    kept = first.hold(SITES)
    assert len(kept) == 3
    assert second.hold(SITES) == frozenset()  # the surplus is still being brought to an end
    first.let_go(set(SITES) - kept)
    assert second.hold(SITES) == set(SITES) - kept
    assert first.hold(SITES) == kept


def test_what_is_not_let_go_is_let_go_at_the_next_round(redis):
    """A worker whose work ends with each round needs no second call."""
    first, second = Leases(redis, "test", "w1"), Leases(redis, "test", "w2")
    first.hold(SITES)
    second.hold(SITES)
    kept = first.hold(SITES)
    first.hold(SITES)
    assert second.hold(SITES) == set(SITES) - kept


@given(rounds=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), min_size=1, max_size=12))
def test_any_order_of_rounds_ends_shared_evenly_and_never_shares_a_name(shared, rounds):
    """Whoever asks when: nobody ever holds another's name, and in the end shares differ by one at most."""
    shared.flushall()
    workers = [Leases(shared, "test", f"w{number}") for number in range(4)]
    for number, size in rounds:
        workers[number].hold([f"site-{site}" for site in range(size)])
        held = [name for worker in workers for name in (*worker._mine, *worker._surplus)]
        assert len(held) == len(set(held))
    names = [f"site-{site}" for site in range(rounds[-1][1])]
    for _ in range(4):
        shares = [len(worker.hold(names)) for worker in workers]
    assert sum(shares) == len(names)
    assert max(shares) - min(shares) <= 1


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One server for the property test."""
    with Valkey(tmp_path_factory.mktemp("valkey"), appendfsync="everysec") as server:
        client = connect(server.url)
        yield client
        client.close()


def test_a_name_that_is_no_longer_known_is_given_up(redis):
    """A site that was closed must not keep a lease for ever."""
    leases = Leases(redis, "test", "w1")
    leases.hold(["north", "south"])
    assert leases.hold(["south"]) == {"south"}
    assert redis.get(lease_key("test", "north")) is None


def test_an_orderly_end_hands_over_at_once(redis):
    """A worker that is updated should cost its sites nothing."""
    first, second = Leases(redis, "test", "w1"), Leases(redis, "test", "w2")
    first.hold(SITES)
    first.close()
    assert not first.holds("north")
    assert second.hold(SITES) == set(SITES)


def test_the_fence_rises_with_every_holder_and_stays_with_one(redis):
    """Whoever writes with a lower number has been replaced meanwhile."""
    first, second = Leases(redis, "test", "w1"), Leases(redis, "test", "w2")
    first.hold(["north"])
    before = first.fence("north")
    first.hold(["north"])
    assert first.fence("north") == before
    first.close()
    second.hold(["north"])
    assert (first.fence("north"), second.fence("north")) == (None, before + 1)


def test_the_holder_counts_its_lifetime_by_itself_from_before_it_asked(redis):
    """A slow answer or a pause must not make anybody believe in a lease that is over."""
    now = [100.0]
    leases = Leases(redis, "test", "w1", ttl_s=3.0, clock=lambda: now[0])
    leases.hold(["north"])
    now[0] += 2.9
    assert leases.holds("north")
    assert leases.left_s() == pytest.approx(0.1)
    now[0] += 0.2
    assert not leases.holds("north")
    assert leases.left_s() == 0


def test_a_server_whose_clock_was_set_back_blocks_nobody(redis):
    """Redis counts lifetimes by the wall clock: an hour back must not mean an hour without a worker."""
    Leases(redis, "test", "dead").hold(["north"])
    redis.pexpire(lease_key("test", "north"), 3_600_000)
    redis.zadd("workers:{test}", {"dead": 2**52})
    assert Leases(redis, "test", "w2").hold(["north"]) == {"north"}


def test_let_go_leaves_what_belongs_to_another(redis):
    """A late farewell must not free the successor's lease."""
    first, second = Leases(redis, "test", "w1"), Leases(redis, "test", "w2")
    first.hold(["north"])
    redis.delete(lease_key("test", "north"))
    redis.zrem("workers:{test}", "w1")
    second.hold(["north"])
    first.let_go(["north"])
    assert redis.get(lease_key("test", "north")).startswith(b"w2 ")


def test_a_restarted_server_knows_its_leases_and_the_holder_goes_on(redis, valkey):
    """Leases are on disk with everything else: a restart within their lifetime changes no owner."""
    leases = Leases(redis, "test", "w1", ttl_s=30.0)
    leases.hold(["north"])
    fence = leases.fence("north")
    valkey.kill()
    with pytest.raises(StoreUnavailable):
        leases.hold(["north"])
    assert leases.holds("north")  # nobody else can have it: nobody can ask
    valkey.start()
    assert leases.hold(["north"]) == {"north"}
    assert leases.fence("north") == fence


def test_a_killed_workers_sites_are_worked_on_within_five_seconds(redis, workers):
    """A dead worker must not leave a clinic unrecorded for longer than the broker and people can wait."""
    first = workers("w1", *SITES)
    eventually(lambda: all(last_worker(redis, site) == "w1" for site in SITES), 20)
    workers("w2", *SITES)
    eventually(lambda: len({last_worker(redis, site) for site in SITES}) == 2, 20)
    first.kill()
    died = time.monotonic()
    eventually(lambda: all(last_worker(redis, site) == "w2" for site in SITES), 10)
    assert time.monotonic() - died < TAKEOVER_S


def test_a_paused_worker_does_nothing_more_when_it_goes_on(redis, workers):
    """A process that slept through its lease must not touch a site that belongs to another by now."""
    first = workers("w1", "north", ttl_s=1.0)
    eventually(lambda: last_worker(redis, "north") == "w1", 20)
    second = workers("w2", "north", ttl_s=1.0)
    first.send_signal(signal.SIGSTOP)
    eventually(lambda: last_worker(redis, "north") == "w2", 20)
    first.send_signal(signal.SIGCONT)
    count = len(work_on(redis, "north"))
    eventually(lambda: len(work_on(redis, "north")) > count + 100, 20)
    second.kill()
    eventually(lambda: last_worker(redis, "north") == "w1", 10)
    turns = [worker for worker, _ in groupby(worker for worker, _ in work_on(redis, "north"))]
    assert turns == ["w1", "w2", "w1"]
