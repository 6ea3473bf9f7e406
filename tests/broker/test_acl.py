"""The whole matrix on a real broker: every stream, every user, own and others' places, both ways."""

import ssl
import threading
from dataclasses import replace

import pytest
from authority import Authority
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from servers import Mosquitto, eventually, free_port

from broker import topics
from broker.acl import BRIDGE, User, acl_for, reads, writes
from broker.contract import STREAMS
from broker.mosquitto import render_central
from broker.mosquitto.render import Certificates
from broker.publish_contract import EXAMPLE_USERS

SECOND = User("gateway", "gw-north-2", site="north", gateway="gw-north-2", devices=("bed-04",))
USERS = (*EXAMPLE_USERS, SECOND)  # so that the north has a gateway's own device and another's
GATEWAYS = tuple(user for user in USERS if user.role == "gateway")
WATCHER = "watcher"  # who may read $SYS/#: what the others do not hear is there to be heard
FOREIGN = ("spondyl/v1/north/bed-09/tension", "spondyl/v1/west/bed-01/tension", "spondyl/v1/x", "$SYS/x", "x")
TOO_MUCH = ("#", "$SYS/#", "spondyl/#", "+/+/+/+/+", "spondyl/v1/+/+/+")


def every_place():
    """Every topic of the fleet: (stream, gateway, topic)."""
    for stream in STREAMS.values():
        for gateway in GATEWAYS:
            names = {"device": gateway.devices, "gateway": (gateway.gateway,), "clinic": (None,)}[
                stream.scope
            ]
            for name in names:
                yield stream, gateway, topics.topic(stream, gateway.site, name)


def may(user, roles, stream, gateway):
    """The rule in one sentence: the role is named in the table, and the place is within the user's reach."""
    if user.role == "gateway":
        own = user.site == gateway.site if stream.scope == "clinic" else user.gateway == gateway.gateway
        return "gateway" in roles and own
    role = "gateway" if user.role == BRIDGE else user.role
    return role in roles and user.site in (None, gateway.site)


class Raw:
    """A client without any rule of ours, so that only the broker's count; who it is, its certificate says."""

    def __init__(self, port, authority, name):
        self.answers, self.received, self.granted = {}, set(), threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTProtocolVersion.MQTTv5)
        ca, certificate, key = authority.issue(name)
        context = ssl.create_default_context(cafile=ca)
        context.load_cert_chain(certificate, key)
        self.client.tls_set_context(context)
        self.client.on_publish = lambda _c, _d, mid, reason, _p: self.answers.update({mid: reason.value})
        self.client.on_message = lambda _c, _d, message: self.received.add(message.topic)
        self.client.on_subscribe = lambda *_: self.granted.set()
        # Mosquitto 2.0.11 hangs up after refusing
        self.client.reconnect_delay_set(min_delay=0.01, max_delay=0.05)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def publish(self, wanted):
        """The topics of these that the broker took."""
        eventually(self.client.is_connected)
        mids = {topic: self.client.publish(topic, b"{}", qos=1).mid for topic in wanted}
        eventually(lambda: set(mids.values()) <= set(self.answers), 30, "every answer")
        return {topic for topic, mid in mids.items() if self.answers[mid] < 0x80}

    def listen(self, *filters):
        """Subscribe, and wait for the answer: all that was queued before it has arrived then."""
        eventually(self.client.is_connected)
        self.granted.clear()
        self.client.subscribe([(one, 1) for one in filters])
        assert self.granted.wait(10)

    def close(self):
        """Leave."""
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture(scope="module")
def central(tmp_path_factory):
    """The central broker of the published example, and the authority that it knows its clients by."""
    directory, port = tmp_path_factory.mktemp("acl"), free_port()
    authority = Authority(directory)
    conf = render_central(
        directory / "rendered", host="127.0.0.1", port=port, users=USERS,
        certificates=Certificates(*authority.issue("broker")),
    )  # fmt: skip
    with (conf.parent / "acl").open("a") as acl:
        acl.write(f"\nuser {WATCHER}\ntopic read $SYS/#\n")
    with Mosquitto(directory, conf, port) as server:
        yield server, authority


@pytest.fixture(scope="module")
def clients(central):
    """One raw client a user, all connected at once."""
    server, authority = central
    found = {user.username: Raw(server.port, authority, user.username) for user in USERS}
    yield found
    for client in found.values():
        client.close()


@pytest.mark.system
def test_a_user_may_publish_exactly_what_the_table_says(clients):
    """A bed must not be able to speak for another, and an integrator for none (every stream, every place)."""
    everywhere = dict.fromkeys((*(topic for _, _, topic in every_place()), *FOREIGN))
    for user in USERS:
        wanted = {topic for stream, one, topic in every_place() if may(user, stream.producers, stream, one)}
        assert (user.username, clients[user.username].publish(everywhere)) == (user.username, wanted)


@pytest.mark.system
def test_a_user_receives_exactly_what_the_table_says(clients):
    """Mosquitto grants `#` to everybody; what it delivers is what the role may know, and nothing else."""
    for client in clients.values():
        client.received.clear()
        client.listen(*TOO_MUCH)
        client.received.clear()  # what was retained; it comes once more now
    for user in USERS:
        mine = {topic for stream, one, topic in every_place() if may(user, stream.producers, stream, one)}
        assert clients[user.username].publish(mine) == mine
    for user in USERS:
        clients[user.username].listen("spondyl/v1/barrier")
        wanted = {topic for stream, one, topic in every_place() if may(user, stream.consumers, stream, one)}
        assert (user.username, clients[user.username].received) == (user.username, wanted)


@pytest.mark.system
def test_what_the_broker_says_of_itself_is_for_nobody_of_ours(central, clients):
    """`$SYS` tells who is connected and how much they send."""
    watcher = Raw(central[0].port, central[1], WATCHER)
    watcher.listen("$SYS/#")
    eventually(lambda: watcher.received, 15, "something to hear")
    watcher.close()
    for client in clients.values():
        client.received.clear()
        client.listen("$SYS/#")
        client.listen("spondyl/v1/barrier")
        assert not {topic for topic in client.received if topic.startswith("$")}


@pytest.mark.system
def test_nobody_connects_without_a_certificate_of_the_authority(central, tmp_path):
    """Neither without one, nor with one of the same name that somebody else made."""
    server, authority = central
    for certificate in (None, Authority(tmp_path).issue("telemetry")):
        context = ssl.create_default_context(cafile=authority.ca)
        if certificate:
            context.load_cert_chain(*certificate[1:])
        client = Client(
            CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False
        )
        connected, gone = [], threading.Event()
        client.tls_set_context(context)
        client.on_connect = lambda *_, connected=connected: connected.append(True)
        client.on_disconnect = lambda *_, gone=gone: gone.set()
        client.connect("127.0.0.1", server.port)
        client.loop_start()
        assert gone.wait(10)
        client.loop_stop()
        assert not connected


def test_write_rules_hold_no_wildcard_and_name_the_site():
    """The rule of the house, on the text that Mosquitto reads."""
    lines = acl_for(USERS).splitlines()
    for line in lines:
        if line.startswith("topic write "):
            site, device = line.removeprefix("topic write ").split("/")[2:4]
            assert not {"+", "#"} & set(line)
            assert site in ("north", "south")
            assert device
        else:
            assert line.startswith(("topic read ", "user ", "#")) or not line
    integrators = [user for user in USERS if user.role == "integrator"]
    assert [writes(user, USERS) for user in integrators] == [[], []]
    assert all("/north/" in topic for topic in reads(integrators[1]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"username": "x\ntopic write #"},
        {"username": "a:b"},
        {"username": ""},
        {"devices": ("bed-01\ntopic write #",)},
        {"devices": ("+",)},
        {"site": "#"},
        {"site": None},
        {"role": "admin"},
        {"role": "bridge", "site": None},
    ],
)
def test_a_name_cannot_smuggle_a_rule(wrong):
    """Names end up in an access list: nothing but names may get there."""
    with pytest.raises(ValueError, match=r"."):
        replace(GATEWAYS[0], **wrong)


def test_a_bridge_may_what_the_gateways_of_its_site_may_and_nothing_else():
    """A clinic's broker holds what passes through it, not a key to the chain."""
    for bridge in (user for user in USERS if user.role == BRIDGE):
        gateways = [user for user in GATEWAYS if user.site == bridge.site]
        assert set(writes(bridge, USERS)) == {topic for one in gateways for topic in writes(one, USERS)}
        assert set(reads(bridge, USERS)) == {topic for one in gateways for topic in reads(one)}
    gone = [user for user in USERS if user.site != "south" or user.role != "gateway"]
    south = next(user for user in USERS if user.username == "bridge-south")
    assert (writes(south, gone), reads(south, gone)) == ([], [])
