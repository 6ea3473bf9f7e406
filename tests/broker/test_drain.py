from uuid import UUID

import made
import pytest
from servers import eventually

from broker.contract import TENSION
from broker.drain import Drain, Span, backlog_rate
from broker.spool import Spool

pytestmark = pytest.mark.system
SAMPLES = 10


@pytest.fixture
def spool(tmp_path):
    return Spool(Spool.open(tmp_path / "spool.db"), keep_bytes=0)


def spooled(spool, blocks, device="bed-01"):
    """Blocks of the given numbers, in one transaction."""
    with spool.transaction():
        for number in blocks:
            first = number * SAMPLES
            payload = made.block(first, SAMPLES).model_dump_json().encode()
            spool.append("tension", device, made.BOOT, first, first + SAMPLES, payload)


def drained(drain, consumer, count, timeout_s=15.0):
    """Block numbers in the order they arrived, until there are ``count``."""
    seen = []

    def step():
        drain.tick()
        batch = consumer.take(1000, 0.01)
        consumer.acknowledge(batch)
        seen.extend(delivery.message.seq // SAMPLES for delivery in batch)
        return len(seen) >= count

    eventually(step, timeout_s, f"{count} blocks")
    return seen


def test_an_outage_drains_in_order_while_new_blocks_go_on(spool, bus):
    """After an hour without network the wall must show now, and the archive must still get the hour."""
    spooled(spool, range(300))
    consumer, gateway = bus("telemetry"), bus("gateway")
    consumer.subscribe(TENSION)
    drain = Drain(spool, gateway, "north", backlog_per_s=400.0)
    seen = drained(drain, consumer, 20)
    assert drain.catching_up
    spooled(spool, [300, 301])
    seen += drained(drain, consumer, 302 - len(seen))
    live = [seen.index(300), seen.index(301)]
    assert live == sorted(live)
    assert live[-1] < 200
    assert [number for number in seen if number < 300] == list(range(300))
    assert not drain.catching_up or not drain.tick()


def test_the_backlog_keeps_to_its_rate(spool, bus):
    """A gateway that comes back must not take the clinic's line for itself."""
    spooled(spool, range(200))
    gateway = bus("gateway")
    drain = Drain(spool, gateway, "north", backlog_per_s=10.0)
    assert drain.tick(now=1000.0) == 10  # a second's allowance at the start
    eventually(lambda: gateway.statistics.acknowledged == 10)
    assert drain.tick(now=1000.0) == 0
    assert drain.tick(now=1000.5) == 5
    eventually(lambda: gateway.statistics.acknowledged == 15)
    assert drain.tick(now=1100.0) == 10


def test_everything_uncommitted_is_sent_again_after_a_reconnect(spool, bus, mosquitto):
    """A broker that was killed may have lost what it acknowledged; the spool has not."""
    consumer, gateway = bus("telemetry"), bus("gateway")
    consumer.subscribe(TENSION)
    drain = Drain(spool, gateway, "north")
    spooled(spool, range(10))
    assert drained(drain, consumer, 10) == list(range(10))
    spool.trim("tension", "bed-01", made.BOOT, 4 * SAMPLES)
    mosquitto.restart()
    eventually(lambda: consumer.connected and gateway.connected, 20)
    # What is published before the consumer has subscribed anew reaches nobody: it comes again after a while.
    assert drained(drain, consumer, 6, timeout_s=90) == [4, 5, 6, 7, 8, 9]


def test_what_is_acknowledged_but_never_committed_is_sent_again_with_growing_patience(spool, bus):
    """The broker's acknowledgement proves nothing: only telemetry's `committed` does."""
    gateway = bus("gateway")
    drain = Drain(spool, gateway, "north", patience_s=30.0)
    spooled(spool, range(3))
    sent = 0
    for at, expected in ((0.0, 3), (29.0, 3), (31.0, 6), (32.0, 6), (90.0, 6), (92.0, 9), (150.0, 9)):
        sent += drain.tick(now=1000.0 + at)
        eventually(lambda: not gateway.statistics.published - gateway.statistics.acknowledged)
        sent += drain.tick(now=1000.0 + at)
        assert (at, sent) == (at, expected)


def test_a_dead_line_holds_the_drain_and_loses_nothing(spool, bus, mosquitto):
    """Offline is a state, not an error: ticks go on and send nothing."""
    gateway = bus("gateway")
    drain = Drain(spool, gateway, "north")
    mosquitto.kill()
    eventually(lambda: not gateway.connected)
    spooled(spool, range(3))
    assert drain.tick() == 0
    mosquitto.start()
    eventually(lambda: gateway.connected, 20)
    assert drain.tick() == 3


def test_a_row_the_contract_forbids_is_passed_over(spool, bus):
    """One damaged row must not hold back everything behind it."""
    gateway = bus("gateway")
    with spool.transaction():
        spool.append("tension", "bed-01", UUID(int=1), 0, 10, b"\xff damaged")
        spool.append("no-stream", "bed-01", UUID(int=1), 0, 10, b"{}")
    spooled(spool, [1])
    drain = Drain(spool, gateway, "north")
    drain.tick()
    assert drain.unsendable == 2
    assert gateway.statistics.published == 1


@pytest.mark.parametrize(("live_per_s", "rows_per_s"), [(5.0, 200.0), (100.0, 200.0), (320.0, 640.0)])
def test_a_large_gateway_drains_an_outage_in_half_its_length(live_per_s, rows_per_s):
    """Sixty-four beds make more than a fixed rate would ever drain."""
    assert backlog_rate(live_per_s) == rows_per_s


def wanted(first, next_, device="bed-01"):
    """Block numbers ``first`` .. ``next_ - 1`` as telemetry asks for them."""
    return Span("tension", device, made.BOOT, first * SAMPLES, next_ * SAMPLES)


def test_what_is_wanted_goes_out_again_though_it_was_taken_for_stored(spool, bus):
    """A hole at the far end is closed from the spool, the reserve included, without a reconnect."""
    spool = Spool(spool.connection)
    spooled(spool, range(10))
    spool.trim("tension", "bed-01", made.BOOT, 5 * SAMPLES)
    consumer, gateway = bus("telemetry"), bus("gateway")
    consumer.subscribe(TENSION)
    drain = Drain(spool, gateway, "north")
    assert drained(drain, consumer, 5) == [5, 6, 7, 8, 9]
    eventually(lambda: drain.tick() == 0 and not drain.catching_up)
    eventually(lambda: gateway.statistics.acknowledged == 5, what="none is on its way any more")
    drain.want(wanted(3, 7))
    drain.want(wanted(3, 7))
    assert drained(drain, consumer, 4) == [3, 4, 5, 6]
    assert drain.resent == 4


def test_what_is_wanted_and_still_to_come_is_not_sent_twice(spool, bus):
    """A gateway that catches up for an hour is asked for that hour all the time."""
    spooled(spool, range(40))
    consumer, gateway = bus("telemetry"), bus("gateway")
    consumer.subscribe(TENSION)
    drain = Drain(spool, gateway, "north", backlog_per_s=20.0)
    seen = []
    while len(seen) < 15:
        drain.want(wanted(30, 40))
        seen += drained(drain, consumer, 1)
    seen += drained(drain, consumer, 40 - len(seen))
    assert seen == list(range(40))
    assert drain.resent == 0


def test_what_is_wanted_keeps_to_the_rate_of_the_backlog(spool, bus):
    """Telemetry may ask for days: the clinic's line must stay usable."""
    spooled(spool, range(100))
    gateway = bus("gateway")
    drain = Drain(spool, gateway, "north", backlog_per_s=10_000.0, window=4000)
    drain.tick(now=1000.0)
    eventually(lambda: gateway.statistics.acknowledged == 100)
    drain.backlog_per_s = 10.0
    drain.tick(now=1000.0)
    drain.want(wanted(0, 100))
    assert drain.tick(now=1000.0) == 10
    eventually(lambda: gateway.statistics.acknowledged == 110)
    assert drain.tick(now=1000.5) == 5
    eventually(lambda: gateway.statistics.acknowledged == 115)
    assert drain.tick(now=1001.0) == 5


def test_a_dead_line_keeps_what_is_wanted(spool, bus, mosquitto):
    """Asked for just before the broker died: sent when it is back, asked for again or not."""
    spool = Spool(spool.connection)
    spooled(spool, range(4))
    gateway = bus("gateway")
    drain = Drain(spool, gateway, "north")
    drain.tick()
    spool.trim("tension", "bed-01", made.BOOT, 4 * SAMPLES)
    mosquitto.kill()
    eventually(lambda: not gateway.connected)
    drain.want(wanted(0, 4))
    assert drain.tick() == 0
    mosquitto.start()
    eventually(lambda: gateway.connected, 20)
    assert eventually(drain.tick) == 4
    assert drain.resent == 4
