import socket
from dataclasses import replace
from uuid import UUID

import paho.mqtt.publish
import pytest
from gateway_stand_in import block, event
from servers import eventually

from broker import contract
from broker.receive import Receiver
from broker.wire import Tls

pytestmark = pytest.mark.system
BOOT = UUID(int=1)
STREAMS = (contract.TENSION, contract.EVENT)


@pytest.fixture
def receivers(mosquitto):
    """A function that makes a running receiver of some sites."""
    made_here = []

    def make(*sites, client="telemetry", **options):
        receiver = Receiver(mosquitto.url, client, STREAMS, **{"session_expiry_s": 3600} | options)
        made_here.append(receiver)
        receiver.start()
        for site in sites:
            receiver.open(site)
        eventually(lambda: receiver.connected, what="connected")
        return receiver

    yield make
    for one in made_here:
        one.stop()


def _publish(broker, *payloads, site="north", device="bed-01", stream="tension", retain=False):
    for payload in payloads:
        topic = f"spondyl/v1/{site}/{device}/{stream}"
        paho.mqtt.publish.single(topic, payload, qos=1, port=broker.port, retain=retain)


def _taken(receiver, count, *, acknowledge=True):
    """So many packets, acknowledged each time some came."""
    found = []

    def enough():
        packets = receiver.take(100, 0.05)
        found.extend(packets)
        if acknowledge:
            receiver.acknowledge(packets)
        return len(found) >= count

    eventually(enough, what=f"{count} packets")
    return [packet.payload for packet in found], found


def test_packets_come_as_they_were_published_with_their_address(receivers, mosquitto):
    """Payloads are stored byte by byte: nothing may be changed on the way."""
    receiver = receivers("north")
    _publish(mosquitto, b'{"a": \xc3\xa4}', b"\x00\xff", b"x" * 100_000)
    payloads, packets = _taken(receiver, 3)
    assert payloads == [b'{"a": \xc3\xa4}', b"\x00\xff", b"x" * 100_000]
    assert {packet.address.topic for packet in packets} == {"spondyl/v1/north/bed-01/tension"}


def test_messages_that_are_let_come_together_are_all_there_in_their_order(receivers, mosquitto):
    """Waking up less often loses nothing and mixes up nothing."""
    receiver = receivers("north", gather_s=0.2)
    sent = [str(number).encode() for number in range(200)]
    _publish(mosquitto, *sent)
    assert _taken(receiver, len(sent))[0] == sent
    assert receiver.take(1, 0.3) == []


def test_each_site_has_a_session_of_its_own(receivers, mosquitto):
    """A site can change its worker without the others noticing."""
    receiver = receivers("north", "south")
    receiver.close("north")
    eventually(lambda: receiver.sites == ["south"] and receiver.connected, what="only south is open")
    _publish(mosquitto, b"1")
    _publish(mosquitto, b"2", site="south")
    assert _taken(receiver, 1)[0] == [b"2"]
    receiver.open("north")
    assert _taken(receiver, 1)[0] == [b"1"]


def test_what_was_not_acknowledged_comes_again_to_the_next_owner(receivers, mosquitto):
    """A worker that dies between taking and storing loses nothing."""
    first = receivers("north")
    _publish(mosquitto, b"1", b"2")
    _, packets = _taken(first, 2, acknowledge=False)
    first.acknowledge(packets[:1])
    first.stop()
    second = receivers("north")
    payloads, again = _taken(second, 1)
    assert payloads == [b"2"]
    assert again[0].duplicate


def test_an_acknowledgement_from_before_a_reconnect_acknowledges_nothing(receivers, mosquitto):
    """Packet ids come back: a stale one would make the broker forget another message."""
    receiver = receivers("north")
    _publish(mosquitto, b"1")
    _, packets = _taken(receiver, 1, acknowledge=False)
    receiver.close("north")
    receiver.open("north")
    eventually(lambda: receiver.connected, what="connected again")
    receiver.acknowledge(packets)
    assert receiver.stale_acknowledgements == 1
    assert _taken(receiver, 1)[0] == [b"1"]


def test_a_site_that_two_believe_to_own_loses_nothing(receivers, mosquitto):
    """They throw each other out, ever more rarely, until the one that was wrong learns it by its lease."""
    old, new = receivers("north"), receivers("north")
    _publish(mosquitto, b"1", b"2")
    eventually(lambda: not (old.connected and new.connected), what="one is thrown out")
    kept = [packet.payload for packet in old.take(10, 0.0)]
    old.close("north")
    eventually(lambda: new.connected, 30, "the other has it alone")
    payloads, _ = _taken(new, 2)
    assert set(payloads) == {b"1", b"2"} >= set(kept)


def test_a_killed_broker_is_joined_again(receivers, mosquitto):
    """By itself, with the reason to be read meanwhile."""
    receiver = receivers("north")
    mosquitto.kill()
    eventually(lambda: not receiver.connected and receiver.last_error, what="the reason")
    mosquitto.start()
    eventually(lambda: receiver.connected, 30, "connected again")
    _publish(mosquitto, b"1")
    assert _taken(receiver, 1)[0] == [b"1"]
    assert receiver.last_error is None


def test_what_the_contract_does_not_know_is_counted_and_gone(receivers, mosquitto):
    """A message nobody can store must not stand in the broker's window for ever."""
    receiver = receivers("north", receive_maximum=2)
    _publish(mosquitto, b"", b"x" * 300_000, b"")
    _publish(mosquitto, b"good")
    assert _taken(receiver, 1)[0] == [b"good"]
    assert receiver.refusals.counts() == {"north/bed-01": 3}


def test_memory_is_bounded_while_nobody_takes(receivers, mosquitto):
    """The broker keeps what is not taken; the consumer must not."""
    receiver = receivers("north", receive_maximum=5)
    payload = block(BOOT, 0).model_dump_json()
    _publish(mosquitto, *[payload] * 40)
    eventually(lambda: receiver.received >= 5, what="some arrived")
    assert receiver.received <= 2 * 5 + 5
    assert len(_taken(receiver, 40)[0]) == 40


def test_of_our_own_promises_only_what_the_broker_kept_is_read(receivers, mosquitto):
    """Each later promise would come back to who gave it: half of all messages."""
    _publish(mosquitto, b"kept", stream="committed", retain=True)
    receiver = receivers("north", once=(contract.COMMITTED,))
    _, (packet,) = _taken(receiver, 1)
    assert packet.retained

    def not_told_again():
        _publish(mosquitto, b"later", stream="committed")
        _publish(
            mosquitto, event("00000000-0000-4000-8000-000000000001", 0).model_dump_json(), stream="event"
        )
        payloads, _ = _taken(receiver, 1)
        return b"later" not in payloads

    eventually(not_told_again, what="the subscription to end")


def test_a_broker_that_refuses_is_named(mosquitto):
    """In one line, for the readiness check."""
    receiver = Receiver("mqtt://127.0.0.1:1", "telemetry", STREAMS)
    receiver.start()
    receiver.open("north")
    eventually(lambda: "cannot reach" in (receiver.last_error or ""), what="the reason")
    receiver.stop()


def test_a_certificate_that_cannot_be_read_is_named_and_holds_up_no_other_site(mosquitto, tmp_path, capsys):
    """Files are replaced while sites come and go: who has a connection must be heard all the while."""
    receiver = Receiver(mosquitto.url, "telemetry", STREAMS)
    receiver.start()
    receiver.open("north")
    eventually(lambda: receiver.connected, what="connected")
    papers = Tls(certificate=str(tmp_path / "none.crt"), key=str(tmp_path / "none.key"))
    receiver._endpoint = replace(receiver._endpoint, url="mqtts://127.0.0.1:1", tls=papers)
    receiver.open("south")
    eventually(lambda: "No such file" in (receiver.last_error or ""), 5, what="the reason")
    _publish(mosquitto, event("00000000-0000-4000-8000-000000000001", 0).model_dump_json(), stream="event")
    assert len(_taken(receiver, 1)[0]) == 1
    receiver.stop()
    assert "a turn failed" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    "goodbye",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xe0\x02\x8e\x00", id="taken-over"),
        pytest.param(b"\xe0\x00", id="disconnect"),
        pytest.param(b"\xf0\x00", id="no-such-packet"),
        pytest.param(b"\x90\x01\x00", id="torn-suback"),
        pytest.param(b"\x34\x03\x00\x09a", id="torn-publish"),
    ],
)
def test_a_broker_that_hangs_up_as_it_welcomes_is_tried_again(monkeypatch, goodbye):
    """Welcome and goodbye may come in one block: two that open one site do this to each other."""
    monkeypatch.setattr("broker.receive.TAKEN_OVER_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        receiver = Receiver(f"mqtt://127.0.0.1:{listener.getsockname()[1]}", "telemetry", STREAMS)
        receiver.start()
        receiver.open("north")
        for _ in range(3):
            connection, _address = listener.accept()
            with connection:
                assert connection.recv(4096)
                connection.sendall(b"\x20\x03\x00\x00\x00" + goodbye)
        assert not receiver.connected
        receiver.stop()


@pytest.mark.parametrize("url", ["http://127.0.0.1", "mqtt://", "127.0.0.1:1883"])
def test_a_wrong_address_is_refused_at_once(url):
    """At the start, not in a thread's log."""
    with pytest.raises(ValueError, match="no broker address"):
        Receiver(url, "telemetry", STREAMS)
