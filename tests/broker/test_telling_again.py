from contextlib import ExitStack
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from servers import eventually

from broker import contract, outbox
from broker.bus import Bus
from broker.messages import Committed
from broker.wire import Endpoint

pytestmark = pytest.mark.system


def test_retained_state_is_told_again(mosquitto, monkeypatch):
    """A node of a broker cluster keeps it to itself: who came to another node must hear it all the same."""
    monkeypatch.setattr(outbox, "TELL_AGAIN_S", 0.2)
    message = Committed(boot=uuid4(), next={"tension": 10}, at=datetime.now(UTC))
    with ExitStack() as stack:
        buses = [Bus(mosquitto.url, name) for name in ("teller", "listener")]
        for bus in buses:
            stack.callback(bus.close)
            bus.start()
            assert bus.wait_connected(10)
        teller, listener = buses
        listener.subscribe(contract.COMMITTED)
        teller.announce(contract.COMMITTED, message, "north", "bed-01")
        heard = []
        eventually(lambda: heard.extend(listener.take(10, 0.1)) or len(heard) >= 3, 10, "it again and again")
        assert {delivery.payload for delivery in heard} == {heard[0].payload}


def test_the_nodes_of_a_cluster_are_tried_in_turn(mosquitto):
    """The node that died last night is the first of the list."""
    bus = Bus(f"mqtt://127.0.0.1:1,127.0.0.1:{mosquitto.port}", "anybody")
    bus.start()
    try:
        assert bus.wait_connected(10)
    finally:
        bus.close()


@pytest.mark.parametrize("url", ["mqtt://", "mqtt://a:1,", "mqtt://a:1/b", "http://a:1"])
def test_what_is_no_broker_address_is_refused(url):
    """At the start, not at the first connection."""
    with pytest.raises(ValueError, match="no broker address"):
        _ = Endpoint(url, "anybody").address
