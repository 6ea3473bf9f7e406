import threading
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from gateway_stand_in import event
from servers import eventually

from broker import contract
from broker.bus import Bus
from services.telemetry.holes import HOLED, read_holes
from services.telemetry.models import Place, Source
from services.telemetry.store import connect

pytestmark = pytest.mark.system


@pytest.fixture
def asked(mosquitto):
    """(boot, stream, first, next) of everything that bed-01's gateway was asked for."""
    found, closing = [], threading.Event()
    bus = Bus(mosquitto.url, "ear", site="north")
    bus.subscribe(contract.MISSING, device="bed-01")
    bus.start()
    assert bus.wait_connected(10)

    def listen():
        while not closing.is_set():
            for delivery in (taken := bus.take(100, 0.05)):
                message = delivery.message
                assert abs((datetime.now(UTC) - message.at).total_seconds()) < 60
                found.append((message.boot, message.stream, message.first, message.next))
            bus.acknowledge(taken)

    thread = threading.Thread(target=listen)
    thread.start()
    yield found
    closing.set()
    thread.join(5)
    bus.close(0.5)


@pytest.fixture
def redis(valkey):
    client = connect(valkey.url)
    yield client
    client.close()


def source_of(gateway, boot=None):
    return Source(Place(gateway.site, gateway.device), boot or gateway.boot)


def heard(gateway):
    """The gateway goes on: without a sign of life nobody is asked."""
    state = {"seq": 0}

    def again():
        gateway.tension(state["seq"])
        state["seq"] += 10
        return True

    return again


def test_a_hole_is_asked_for_shown_and_forgotten_when_it_is_filled(telemetry, gateway, asked, redis):
    """The gateway learns what never arrived, an operator sees that it is waited for."""
    gateway.tension(0, 20)
    gateway.publish(contract.EVENT, event(gateway.boot, 2))
    wanted = {(gateway.boot, "tension", 10, 20), (gateway.boot, "event", 0, 2)}
    eventually(lambda: set(asked) == wanted, 10, "both holes asked for")
    holes = {(hole.kind, hole.first, hole.after): asking for hole, asking in read_holes_of(redis, gateway)}
    assert set(holes) == {("tension", 10, 20), ("event", 0, 2)}
    assert all(asking.asks == 1 and asking.waited_s >= 2.0 for asking in holes.values())
    (row,) = telemetry.get("/audit").json()["streams"]
    (gap,) = row["gaps"]
    assert (gap["first"], gap["last"], gap["asked"]) == (10, 19, 1)
    assert datetime.fromisoformat(gap["since"]).tzinfo is not None
    assert row["event"]["gaps"][0]["asked"] == 1
    gateway.tension(10)
    gateway.publish(contract.EVENT, event(gateway.boot, 0))
    gateway.publish(contract.EVENT, event(gateway.boot, 1))
    eventually(lambda: not read_holes_of(redis, gateway), 10, "nothing is waited for any more")
    eventually(lambda: not redis.smembers(HOLED), 10, "no source with a hole")
    assert gateway.next() == 30


def read_holes_of(redis, gateway):
    """What is written down about the gateway's holes."""
    return list(read_holes(redis, source_of(gateway)).items())


def test_events_that_the_gateway_declares_lost_are_waited_for_no_longer(telemetry, gateway, asked):
    """Also of an earlier boot: its own events cannot be told any more."""
    before, gateway.boot = gateway.boot, uuid4()
    gateway.publish(contract.EVENT, event(before, 3))
    go_on = heard(gateway)
    eventually(lambda: go_on() and asked == [(before, "event", 0, 3)], 15, "asked for")
    data = {"boot": str(before), "first": 0, "next": 3, "streams": ["event"], "reason": "disk replaced"}
    gateway.publish(contract.EVENT, event(gateway.boot, 0, "samples.lost", data=data))
    eventually(lambda: gateway.promised.get(before, [{}])[-1].get("event") == 4, 15, "passed over")
    rows = {row["boot"]: row for row in telemetry.get("/audit").json()["streams"]}
    assert str(before) in rows


def test_whoever_takes_over_goes_on_asking_for_what_nothing_comes_from_any_more(
    telemetry, gateway, asked, redis
):
    """The worker that saw the hole is dead, the boot is over: only the store knows of it."""
    before = gateway.boot
    gateway.tension(0, 20)
    eventually(lambda: asked == [(before, "tension", 10, 20)], 10, "asked for")
    telemetry.kill()
    asked.clear()
    telemetry.start()
    gateway.boot = uuid4()
    go_on = heard(gateway)
    eventually(lambda: go_on() and (before, "tension", 10, 20) in asked, 20, "asked for again")
    (asking,) = read_holes(redis, source_of(gateway, before)).values()
    assert asking.asks == 2
