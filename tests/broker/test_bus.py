import contextlib
import json
import socket
import ssl
import threading
import time
from pathlib import Path
from uuid import uuid4

import made
import pytest
from authority import Authority
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from servers import Mosquitto, eventually, free_port

from broker import topics
from broker.bus import Bus, BusOffline, BusRefused, Tls, Will
from broker.codec import Malformed
from broker.contract import ALARM, COMMAND, STATUS, TENSION

pytestmark = pytest.mark.system


@pytest.fixture
def foreign(mosquitto):
    """A client that knows nothing of the contract."""
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()
    yield client
    client.disconnect()
    client.loop_stop()


def take_all(consumer, count, timeout_s=10.0):
    """Exactly ``count`` deliveries."""
    found = []
    eventually(
        lambda: found.extend(consumer.take(1000, 0.05)) or len(found) >= count, timeout_s, f"{count} messages"
    )
    assert len(found) == count
    return found


def test_a_message_arrives_as_it_was_sent(bus):
    """What the loop saw is what every consumer sees."""
    consumer, gateway = bus("consumer"), bus("gateway")
    consumer.subscribe(TENSION, site="+")
    assert gateway.publish(TENSION, made.block(seq=500), device="bed-01").wait(5)
    [delivery] = take_all(consumer, 1)
    assert (delivery.stream, delivery.site, delivery.device) == (TENSION, "north", "bed-01")
    assert delivery.message == made.block(seq=500)
    assert not delivery.retained


def test_publishing_offline_is_refused_at_once_and_keeps_nothing(mosquitto):
    """A publication that might go out later behind our back would be a duplicate of the spool's."""
    mosquitto.kill()
    bus = Bus(mosquitto.url, "gateway", site="north")
    bus.start()
    with pytest.raises(BusOffline):
        bus.publish(TENSION, made.block(), device="bed-01")
    eventually(lambda: bus.last_error and "cannot reach" in bus.last_error)
    mosquitto.start()
    assert bus.wait_connected(20)
    assert bus.statistics.published == 0
    bus.close()


def test_an_unacknowledged_message_comes_again_after_the_consumer_died(bus):
    """Acknowledged after the commit means: killed before the commit, nothing is lost."""
    consumer = bus("telemetry", session_expiry_s=60)
    consumer.subscribe(TENSION)
    gateway = bus("gateway")
    for seq in (0, 10, 20):
        assert gateway.publish(TENSION, made.block(seq), device="bed-01").wait(5)
    first = take_all(consumer, 3)
    consumer.acknowledge(first[:1])
    last = consumer.publish(TENSION, made.block(99), device="bed-99")
    assert last.wait(5)  # the acknowledgement is out before this
    consumer._closing.set()  # a killed process does not connect again,
    consumer._connection._client.socket().close()  # nor does it say goodbye
    again = bus("telemetry", session_expiry_s=60)
    found = take_all(again, 3)
    assert [d.message.seq for d in found] == [10, 20, 99]
    assert [d.duplicate for d in found[:2]] == [True, True]


def test_a_stale_acknowledgement_acknowledges_nothing(mosquitto, bus):
    """Packet ids are used again after a reconnect: an old one must not confirm another message."""
    consumer, gateway = bus("telemetry", session_expiry_s=60), bus("gateway")
    consumer.subscribe(TENSION)
    gateway.publish(TENSION, made.block(0), device="bed-01").wait(5)
    old = take_all(consumer, 1)
    generation = old[0].generation
    mosquitto.stop()
    mosquitto.start()
    eventually(lambda: consumer.connected and gateway.connected, 20)
    [new] = take_all(consumer, 1)
    assert new.generation > generation
    assert new.mid == old[0].mid
    consumer.acknowledge(old)
    assert consumer.statistics.stale_acknowledgements == 1
    mosquitto.stop()
    mosquitto.start()
    [third] = take_all(consumer, 1, 20)
    assert third.message == made.block(0)
    consumer.acknowledge([third])
    consumer.acknowledge([third])
    assert consumer.statistics.stale_acknowledgements == 2


def test_retained_state_is_published_again_after_a_broker_that_forgot(mosquitto, bus):
    """A broker restored from an older snapshot must not keep showing yesterday's alarm."""
    gateway = bus("gateway")
    gateway.publish(ALARM, made.alarms(7), device="bed-01").wait(5)
    mosquitto.kill()
    for path in mosquitto.directory.glob("*.db"):
        path.unlink()
    gateway.announce(STATUS, made.status(), device="gw-north")  # offline: goes out when the broker is back
    mosquitto.start()
    late = bus("late", site=None)
    late.subscribe(ALARM)
    late.subscribe(STATUS)
    found = {d.stream.name: d for d in take_all(late, 2, 20)}
    assert found["alarm"].message.seq == 7
    assert found["status"].message.state == "online"


def test_the_will_speaks_when_a_gateway_vanishes_and_not_when_it_leaves(bus):
    """`lost` must mean lost."""
    watcher = bus("watcher")
    watcher.subscribe(STATUS)
    will = Will(STATUS, made.status("lost"), "north", "gw-north")
    leaving = bus("leaving", will=will)
    leaving.publish(STATUS, made.status(), device="gw-north").wait(5)
    leaving.close()
    vanishing = bus("vanishing", will=will)
    assert [d.message.state for d in take_all(watcher, 1)] == ["online"]
    vanishing._connection._client.socket().close()
    assert [d.message.state for d in take_all(watcher, 1)] == ["lost"]


@pytest.mark.parametrize(
    "payload",
    [
        b"x" * 10_000_000,
        b"\xff\xfe{}",
        b'{"boot": "no"}',
        b"[" * 200_000,
        b'{"a":' * 30_000,
        b"null",
        b"",
        made.block().model_dump_json().replace("120.5", "NaN").encode(),
        made.block().model_dump_json().replace("120.5", "1e999").encode(),
        made.block().model_dump_json().replace('"seq":0', '"seq":1' + "0" * 400).encode(),
    ],
    ids=[
        "10 MB",
        "not UTF-8",
        "foreign JSON",
        "deep list",
        "deep object",
        "null",
        "empty",
        "NaN",
        "infinity",
        "huge",
    ],
)
def test_a_malformed_message_is_counted_logged_once_and_stops_nobody(bus, foreign, payload, caplog, capsys):
    """One broken client must never blind the clinic."""
    consumer, gateway = bus("consumer", receive_maximum=5), bus("gateway")
    consumer.subscribe(TENSION)
    for _ in range(7):
        foreign.publish("spondyl/v1/north/bed-07/tension", payload, qos=1).wait_for_publish(10)
    gateway.publish(TENSION, made.block(1), device="bed-01").wait(5)
    assert [d.message.seq for d in take_all(consumer, 1)] == [1]
    assert consumer.statistics.malformed == {"north/bed-07": 7}
    said = capsys.readouterr().out + caplog.text
    assert said.count("malformed message refused") == 1


def test_nothing_that_is_not_finite_or_not_the_streams_goes_out(bus):
    """A producer's own mistake is its error, not every consumer's."""
    gateway = bus("gateway")
    wrong = made.block().model_copy(update={"tension_n": [float("nan")] * 10})
    for message in (wrong, made.alarms(), b'{"seq": 1}', b""):
        with pytest.raises(Malformed):
            gateway.publish(TENSION, message, device="bed-01")
    with pytest.raises(topics.TopicError):
        gateway.publish(TENSION, made.block(), device="Bed 1")


def test_a_slow_consumer_holds_at_most_its_receive_maximum(bus):
    """Back-pressure instead of an unbounded queue: the rest waits at the broker."""
    consumer, gateway = bus("consumer", receive_maximum=20), bus("gateway", in_flight=10)
    consumer.subscribe(TENSION)
    for seq in range(500):
        gateway.publish(TENSION, made.block(seq), device="bed-01")
    eventually(lambda: gateway.statistics.acknowledged == 500)
    eventually(lambda: consumer.statistics.received == 20)
    assert consumer.statistics.waiting == 20
    seen = []
    while len(seen) < 500:
        batch = consumer.take(10, 5)
        seen += [d.message.seq for d in batch]
        assert consumer.statistics.waiting <= 2 * 20  # Mosquitto 2.0.11 sends more than the receive maximum
        consumer.acknowledge(batch)
    assert seen == list(range(500))


def test_the_window_is_kept_and_a_frozen_broker_makes_the_producer_wait(mosquitto, bus):
    """More unanswered publications than the window halve paho's speed and can be lost at once."""
    gateway = bus("gateway", in_flight=10)
    mosquitto.freeze()
    try:
        for seq in range(10):
            gateway.publish(TENSION, made.block(seq), device="bed-01")
        with pytest.raises(Exception, match="10 publications wait"):
            gateway.publish(TENSION, made.block(11), device="bed-01", timeout_s=0.05)
    finally:
        mosquitto.thaw()
    assert gateway.publish(TENSION, made.block(11), device="bed-01").wait(5)


def test_a_lost_connection_settles_every_open_publication(mosquitto, bus):
    """The spool must learn that an answer will never come, and send again."""
    gateway = bus("gateway")
    mosquitto.freeze()
    open_one = gateway.publish(TENSION, made.block(), device="bed-01")
    mosquitto.kill()
    with pytest.raises(BusOffline):
        open_one.wait(10)
    assert gateway.statistics.lost == 1


def test_errors_in_callbacks_do_not_end_the_bus(bus):
    """A consumer's bug must not cut the gateway off."""
    gateway = bus("gateway")
    called = threading.Event()

    def explode(_publication):
        called.set()
        raise RuntimeError("a bug")

    gateway.publish(TENSION, made.block(), device="bed-01", on_acknowledged=explode).wait(5)
    assert called.wait(5)
    assert gateway.publish(TENSION, made.block(), device="bed-01").wait(5)


def test_callbacks_run_after_every_connect(mosquitto, bus):
    """The drain starts again from the first uncommitted row whenever a connection stands."""
    gateway = bus("gateway")
    connects = []
    gateway.on_connected(lambda: connects.append(gateway.publish(ALARM, made.alarms(), device="bed-01")))
    for count in (1, 2):
        mosquitto.restart()
        eventually(lambda count=count: len(connects) == count, 20)


def test_a_command_is_answered_on_its_response_topic_with_its_correlation(bus):
    """The console must know which of its commands an answer belongs to."""
    from broker.contract import REPLY

    console, gateway = bus("console"), bus("gateway")
    console.subscribe(REPLY)
    gateway.subscribe(COMMAND)
    where = topics.topic(REPLY, "north", "bed-01")
    console.publish(COMMAND, made.command(), device="bed-01", response_topic=where, correlation=b"17")
    [command] = take_all(gateway, 1)
    gateway.reply(command, made.reply()).wait(5)
    [answer] = take_all(console, 1)
    assert (answer.device, answer.correlation) == ("bed-01", b"17")
    console.publish(
        COMMAND, made.command(), device="bed-01", response_topic="spondyl/v1/north/bed-02/tension"
    )
    [hostile] = take_all(gateway, 1)
    with pytest.raises(topics.TopicError, match="response topic"):
        gateway.reply(hostile, made.reply())


def test_a_command_that_waited_too_long_never_arrives(mosquitto, bus):
    """A stop that arrives a minute late, in the next session, helps nobody; a late pause confuses."""
    gateway = bus("gateway", session_expiry_s=60)
    gateway.subscribe(COMMAND)
    gateway.close()
    console = bus("console")
    console.publish(COMMAND, made.command("pause"), device="bed-01").wait(5)
    time.sleep(COMMAND.expiry_s + 1.5)  # the broker's own clock is the subject
    console.publish(COMMAND, made.command("stop"), device="bed-01").wait(5)
    back = bus("gateway", session_expiry_s=60)
    assert [d.message.action for d in take_all(back, 1)] == ["stop"]


def test_a_wrong_address_is_told_at_once_and_a_wrong_port_is_retried():
    """A typing mistake is the caller's error; a broker that is down is not."""
    for url in ("http://127.0.0.1:1883", "mqtt://", "127.0.0.1"):
        with pytest.raises(ValueError, match="mqtt://host:port"):
            Bus(url, "x")
    bus = Bus(f"mqtt://127.0.0.1:{free_port()}", f"x-{uuid4()}")
    bus.start()
    eventually(lambda: bus.last_error)
    assert "refused" in bus.last_error
    bus.close()


def test_a_callback_may_wait_for_somebody_who_publishes(bus):
    """A callback that runs under the bus's own lock would lock the gateway up for good."""
    gateway, mine, waited = bus("gateway"), threading.Lock(), threading.Event()

    def wait_for_mine(_publication):
        with mine:
            waited.set()

    with mine:
        first = gateway.publish(TENSION, made.block(0), device="bed-01", on_acknowledged=wait_for_mine)
        assert first.wait(5)
        gateway.publish(TENSION, made.block(1), device="bed-01")
    assert waited.wait(5)


def test_a_broker_that_never_answers_is_told_as_such():
    """Something else listens on the port, or the broker hangs: say so, and go on trying."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        bus = Bus(f"mqtt://127.0.0.1:{silent.getsockname()[1]}", "gateway", site="north")
        bus.start()
        assert eventually(lambda: bus.last_error, 15).endswith("does not answer")
        assert not bus.connected
        bus.close()


NOT_AUTHORIZED = bytes([0x20, 3, 0, 0x87, 0])


@contextlib.contextmanager
def answering(papers, *answers):
    """A broker with TLS that gives each connection its answer and hangs up, then is away; its port."""
    _, certificate, key = papers
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            for answer in answers:
                with context.wrap_socket(listener.accept()[0], server_side=True) as client:
                    client.recv(1000)
                    client.sendall(answer)
            listener.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_a_broker_with_tls_that_says_why_it_refuses_is_quoted(tmp_path):
    """Somebody would look for a certificate where a password or a right is missing."""
    papers = Authority(tmp_path).issue("broker")
    said = []
    with answering(papers, NOT_AUTHORIZED, NOT_AUTHORIZED, b"") as port:
        bus = Bus(f"mqtts://127.0.0.1:{port}", "gateway", tls=Tls(str(papers[0]), *map(str, papers[1:])))
        bus._failed = lambda why, before=bus._failed: said.append(why) or before(why)
        bus.start()
        eventually(lambda: said and "cannot reach" in said[-1])
        bus.close()
    refused = [why for why in said if "refuses" in why]
    assert len(refused) == 2
    assert "Not authorized" in refused[0]
    assert said[:2] == refused
    assert "hung up" in said[2]
    assert bus.refusal is None, "merely away: its certificate is no longer what is wrong"


def test_closing_does_not_wait_for_a_frozen_broker(mosquitto, bus):
    """Ctrl-C ends every process within seconds, whatever the network does."""
    gateway = bus("gateway")
    mosquitto.freeze()
    gateway.publish(TENSION, made.block(), device="bed-01")
    began = time.monotonic()
    gateway.close(1.0)
    assert time.monotonic() - began < 3.0
    mosquitto.thaw()


GUARDED = """
listener {port} 127.0.0.1
allow_anonymous true
plugin {plugin}
plugin_opt_config_file {directory}/rules.json
"""


def test_a_refused_subscription_is_an_error_of_the_consumer(tmp_path):
    """A consumer that hears nothing must know that it never will."""
    plugin = next(Path("/usr/lib").rglob("mosquitto_dynamic_security.so"), None)
    if plugin is None:
        pytest.skip("needs Mosquitto's dynamic security plugin")
    allowed = dict.fromkeys(("publishClientSend", "publishClientReceive", "unsubscribe"), True)
    rules = {
        "defaultACLAccess": allowed | {"subscribe": False},
        "anonymousGroup": "all",
        "groups": [{"groupname": "all", "roles": []}],
    }
    server = Mosquitto(tmp_path, GUARDED.replace("{plugin}", str(plugin)))
    (server.directory / "rules.json").write_text(json.dumps(rules))
    with server:
        bus = Bus(server.url, "consumer")
        bus.start()
        assert bus.wait_connected(10)
        with pytest.raises(BusRefused, match=r"consumer may not subscribe to spondyl/v1/\+/\+/tension"):
            bus.subscribe(TENSION)
        with pytest.raises(BusRefused):
            bus.take(1, 0.0)
        bus.close()
