import stat
import subprocess
import threading

import made
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from servers import Mosquitto, eventually, free_port

from broker import examples
from broker.acl import User
from broker.bus import Bus, BusRefused
from broker.contract import COMMAND, EVENT, STATE, STREAMS, TENSION
from broker.drain import Drain
from broker.mosquitto import render_central, render_local, render_site
from broker.mosquitto.render import Central, bridge_topics, hashed
from broker.spool import Spool

GATEWAY = User("gateway", "gw-north", "g-s3cr3t", "north", "gw-north", ("bed-01",))
CONSOLE = User("console", "console", "c-s3cr3t")
TELEMETRY = User("telemetry", "telemetry", "t-s3cr3t")
USERS = (GATEWAY, CONSOLE, TELEMETRY)


@pytest.fixture
def connect():
    """A function that makes a started bus for a user at a broker."""
    made_here = []

    def make(broker, user, **options):
        bus = Bus(broker.url, user.username, username=user.username, password=user.password, **options)
        made_here.append(bus)
        bus.start()
        assert bus.wait_connected(10), bus.last_error
        return bus

    yield make
    for bus in made_here:
        bus.close(0.5)


@pytest.fixture
def local(tmp_path):
    """The broker of one machine."""
    port = free_port()
    conf = render_local(tmp_path / "conf", host="127.0.0.1", port=port, users=USERS)
    with Mosquitto(tmp_path, conf, port) as broker:
        yield broker


def wait_for(bus, count=1):
    """The next deliveries, acknowledged."""
    found = []
    eventually(lambda: found.extend(bus.take(100, 0.05)) or len(found) >= count, 30)
    bus.acknowledge(found)
    return found


def test_secrets_are_for_their_owner_only_and_never_in_clear(tmp_path):
    """A broker's directory ends up in backups."""
    render_local(tmp_path / "conf", host="127.0.0.1", port=1883, users=USERS)
    for path in (tmp_path / "conf").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "s3cr3t" not in path.read_text()


def test_a_hash_is_what_mosquitto_itself_would_write(tmp_path):
    """The format is Mosquitto's, checked against its own tool."""
    path = tmp_path / "passwords"
    path.write_text("gw-north:g-s3cr3t\n")
    subprocess.run(["mosquitto_passwd", "-U", str(path)], check=True)
    theirs = path.read_text().strip().split(":", 1)[1].split("$")
    ours = hashed("g-s3cr3t").split("$")
    assert [len(part) for part in theirs if not part.isdigit()] == [
        len(part) for part in ours if not part.isdigit()
    ]
    assert theirs[1] == ours[1] == "7"


def test_a_second_start_may_change_users(tmp_path):
    """`up` renders anew at every start, on the same directory."""
    for users in (USERS, USERS[:1]):
        conf = render_local(tmp_path / "conf", host="127.0.0.1", port=1883, users=users)
    assert "console" not in (conf.parent / "passwords").read_text()
    assert "user console" not in (conf.parent / "acl").read_text()


@pytest.mark.system
def test_a_publication_the_access_list_forbids_is_an_error_of_its_publication(local, connect):
    """A refusal that nobody hears of looks like a lost message."""
    gateway = connect(local, GATEWAY, site="north")
    refused = gateway.publish(TENSION, made.block(), device="bed-99")
    with pytest.raises(BusRefused, match="Not authorized"):
        refused.wait(5)
    assert eventually(
        lambda: gateway.connected and gateway.statistics.connects == 2
    )  # it hangs up after refusing
    assert gateway.publish(TENSION, made.block(), device="bed-01").wait(5)
    assert gateway.statistics.refused == 1


@pytest.mark.system
def test_a_topic_that_the_broker_refuses_does_not_hold_back_the_others(tmp_path, local, connect):
    """A bed forgotten in the access list must cost a refusal, not an endless chain of reconnects."""
    telemetry, gateway = connect(local, TELEMETRY), connect(local, GATEWAY, site="north")
    telemetry.subscribe(TENSION)
    spool = Spool(Spool.open(tmp_path / "spool.db"))
    with spool.transaction():
        for device in ("bed-99", "bed-01"):
            for seq in range(3):
                payload = made.block(seq, 1).model_dump_json().encode()
                spool.append("tension", device, made.BOOT, seq, seq + 1, payload)
    gateway.announce(STATE, examples.EXAMPLES["state"], device="bed-99")
    drain, found = Drain(spool, gateway, "north"), []
    eventually(lambda: (drain.tick(), found.extend(telemetry.take(10, 0.05))) and len(found) >= 3, 20)
    assert {(d.device, d.message.seq) for d in found} == {("bed-01", seq) for seq in range(3)}
    connects = gateway.statistics.connects
    spooled = gateway.statistics.published
    for _ in range(20):
        drain.tick()
        telemetry.take(10, 0.02)
    assert (gateway.statistics.connects, gateway.statistics.published) == (connects, spooled)


@pytest.mark.system
def test_a_message_of_10_mb_is_cut_off_by_the_broker_and_nobody_else_notices(local, connect):
    """What no stream allows does not even reach the consumers."""
    telemetry = connect(local, TELEMETRY)
    telemetry.subscribe(TENSION)
    hung_up = threading.Event()
    foreign = Client(
        CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False
    )
    foreign.username_pw_set(GATEWAY.username, GATEWAY.password)
    foreign.on_disconnect = lambda *_: hung_up.set()
    foreign.connect("127.0.0.1", local.port)
    foreign.loop_start()
    eventually(foreign.is_connected)
    foreign.publish("spondyl/v1/north/bed-01/tension", b"x" * 10_000_000, qos=1)
    assert hung_up.wait(10)
    foreign.loop_stop()
    gateway = connect(local, GATEWAY, site="north")
    gateway.publish(TENSION, made.block(5), device="bed-01").wait(5)
    assert [d.message.seq for d in wait_for(telemetry)] == [5]
    assert telemetry.statistics.malformed == {}


@pytest.mark.system
def test_a_refused_login_says_who_and_goes_on_trying(tmp_path, local):
    """The operator must see a wrong password at once, and setting it right must be enough."""
    bus = Bus(local.url, "gw-north", username="gw-north", password="wrong")
    bus.start()
    eventually(lambda: bus.last_error)
    assert bus.last_error == f"{local.url} refuses user gw-north: Not authorized"
    local.stop()
    right = User("gateway", "gw-north", "wrong", "north", "gw-north")
    render_local(tmp_path / "conf", host="127.0.0.1", port=local.port, users=[right])
    local.start()
    assert bus.wait_connected(20)
    assert bus.last_error is None
    bus.close()


@pytest.mark.system
def test_a_clinic_works_alone_and_its_bridge_catches_up(tmp_path, connect):
    """With the line down the clinic's broker serves on; later the centre gets everything."""
    bridge = User("gateway", "site-north", "b-s3cr3t", "north", "gw-north", ("bed-01",))
    central_port, site_port = free_port(), free_port()
    central_conf = render_central(
        tmp_path / "central", host="127.0.0.1", port=central_port, users=(bridge, CONSOLE, TELEMETRY)
    )
    site_conf = render_site(
        tmp_path / "site",
        site="north",
        host="127.0.0.1",
        port=site_port,
        users=USERS,
        central=Central(f"127.0.0.1:{central_port}", "site-north", "b-s3cr3t"),
    )
    site_conf.write_text(site_conf.read_text().replace("restart_timeout 10 60", "restart_timeout 1"))
    site = Mosquitto(tmp_path / "s", site_conf, site_port)
    central = Mosquitto(tmp_path / "c", central_conf, central_port)
    with central, site:
        telemetry, console = connect(central, TELEMETRY), connect(central, CONSOLE)
        telemetry.subscribe(TENSION)
        gateway = connect(site, GATEWAY, site="north")
        gateway.subscribe(COMMAND, device="bed-01")
        eventually(lambda: "site-north" in central.log, 20)
        assert gateway.publish(TENSION, made.block(0), device="bed-01").wait(5)
        assert [d.message.seq for d in wait_for(telemetry)] == [0]
        console.publish(COMMAND, made.command(), site="north", device="bed-01").wait(5)
        assert [d.message.action for d in wait_for(gateway)] == ["stop"]
        central.stop()
        for seq in range(1, 50):
            assert gateway.publish(TENSION, made.block(seq), device="bed-01").wait(5)
        central.start()
        eventually(lambda: telemetry.connected, 20)
        assert [d.message.seq for d in wait_for(telemetry, 49)] == list(range(1, 50))


def test_no_value_carries_a_comment_behind_it(tmp_path):
    """Mosquitto takes everything up to the end of the line for the value."""
    conf = render_local(tmp_path, host="127.0.0.1", port=1883, users=USERS)
    settings = [line for line in conf.read_text().splitlines() if line and not line.startswith("#")]
    assert not [line for line in settings if "#" in line]
    assert "max_queued_messages 0" in settings


def test_a_bridge_carries_each_stream_in_its_own_direction():
    """Out what gateways say, in what they listen to, nothing of another site."""
    lines = bridge_topics("north").splitlines()
    assert f"topic spondyl/v1/north/+/{TENSION.name} out 1" in lines
    assert f"topic spondyl/v1/north/+/{EVENT.name} out 1" in lines
    assert f"topic spondyl/v1/north/+/{STATE.name} out 1" in lines
    assert f"topic spondyl/v1/north/+/{COMMAND.name} in 1" in lines
    assert "topic spondyl/v1/north/clinic/clearance in 1" in lines
    assert len({line.split()[1] for line in lines}) == len(lines)
    assert len(lines) < len(STREAMS)


def test_a_value_cannot_smuggle_a_line_into_a_configuration(tmp_path):
    """Addresses and passwords come from outside."""
    with pytest.raises(ValueError, match="printable line"):
        render_site(
            tmp_path,
            site="north",
            host="127.0.0.1",
            port=1883,
            users=(),
            central=Central("central:8883\nallow_anonymous true", "x", "y"),
        )
