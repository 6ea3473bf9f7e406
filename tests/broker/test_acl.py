import threading
from dataclasses import replace

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from servers import Mosquitto, eventually, free_port

from broker import topics
from broker.acl import acl_for, reads, writes
from broker.contract import STREAMS
from broker.mosquitto import render_local
from broker.publish_contract import EXAMPLE_USERS

USERS = tuple(replace(user, password=f"secret of {user.username}") for user in EXAMPLE_USERS)
GATEWAYS = tuple(user for user in USERS if user.role == "gateway")


def every_place():
    """Every topic of the fleet: (stream, gateway, device or None, topic)."""
    for stream in STREAMS.values():
        for gateway in GATEWAYS:
            names = {"device": gateway.devices, "gateway": (gateway.gateway,), "clinic": (None,)}[
                stream.scope
            ]
            for name in names:
                yield stream, gateway, name, topics.topic(stream, gateway.site, name)


def may(user, roles, gateway):
    """The rule in one sentence: the role is named in the table, and the place is within the user's reach."""
    within = user.gateway == gateway.gateway if user.role == "gateway" else user.site in (None, gateway.site)
    return user.role in roles and within


class Raw:
    """A client without any rule of ours, so that only the broker's count."""

    def __init__(self, port, user):
        self.answers, self.received, self.granted = {}, set(), threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2, user.username, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.username_pw_set(user.username, user.password)
        self.client.on_publish = lambda _c, _d, mid, reason, _p: self.answers.update({mid: reason.value})
        self.client.on_message = lambda _c, _d, message: self.received.add(message.topic)
        self.client.on_subscribe = lambda *_: self.granted.set()
        self.client.reconnect_delay_set(
            min_delay=0.01, max_delay=0.05
        )  # Mosquitto 2.0.11 hangs up after refusing
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        eventually(self.client.is_connected)

    def publish(self, topic):
        """The broker's reason code."""
        eventually(self.client.is_connected)
        mid = self.client.publish(topic, b"{}", qos=1).mid
        eventually(lambda: mid in self.answers)
        return self.answers[mid]

    def listen(self, topic_filter):
        """Subscribe, and wait for the answer: all that was queued before it has arrived then."""
        eventually(self.client.is_connected)
        self.granted.clear()
        self.client.subscribe(topic_filter, qos=1)
        assert self.granted.wait(10)

    def close(self):
        """Leave."""
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """A Mosquitto configured for the fleet of the published example."""
    directory, port = tmp_path_factory.mktemp("acl"), free_port()
    conf = render_local(directory / "rendered", host="127.0.0.1", port=port, users=USERS)
    with Mosquitto(directory, conf, port) as server:
        yield server


@pytest.fixture(scope="module")
def clients(broker):
    """One raw client a user, all connected at once."""
    found = {user.username: Raw(broker.port, user) for user in USERS}
    yield found
    for client in found.values():
        client.close()


@pytest.mark.system
@pytest.mark.parametrize("user", USERS, ids=lambda user: user.username)
def test_a_user_may_publish_exactly_what_the_table_says(clients, user):
    """A bed must not be able to speak for another, and an integrator for none (every stream, every place)."""
    for stream, gateway, _, topic in every_place():
        allowed = clients[user.username].publish(topic) < 0x80
        assert (topic, allowed) == (topic, may(user, stream.producers, gateway))
    for foreign in (
        "spondyl/v1/north/bed-09/tension",
        "spondyl/v1/west/bed-01/tension",
        "spondyl/v1/x",
        "$SYS/x",
    ):
        assert clients[user.username].publish(foreign) >= 0x80


@pytest.mark.system
def test_a_user_receives_exactly_what_the_table_says(clients):
    """Whatever a user subscribes to, the broker delivers only what its role may know."""
    for client in clients.values():
        client.listen("#")
    for stream, gateway, _, topic in every_place():
        writer = next(user for user in USERS if may(user, stream.producers, gateway))
        assert clients[writer.username].publish(topic) < 0x80
    for user in USERS:
        clients[user.username].listen("spondyl/v1/barrier")
        wanted = {
            topic for stream, gateway, _, topic in every_place() if may(user, stream.consumers, gateway)
        }
        assert (user.username, clients[user.username].received) == (user.username, wanted)


@pytest.mark.system
def test_nobody_connects_without_the_right_password(broker):
    """Neither anonymously nor with somebody else's secret."""
    for name, password in ((None, None), ("integrator", "wrong"), ("nobody", "secret of integrator")):
        refused = []
        client = Client(CallbackAPIVersion.VERSION2, "intruder", protocol=MQTTProtocolVersion.MQTTv5)
        client.username_pw_set(name, password)
        client.on_connect = lambda _c, _d, _f, reason, _p, refused=refused: refused.append(reason.value)
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        eventually(lambda refused=refused: refused)
        client.loop_stop()
        assert refused[0] == 0x87


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
    ],
)
def test_a_name_cannot_smuggle_a_rule(wrong):
    """Names end up in an access list: nothing but names may get there."""
    with pytest.raises(ValueError, match=r"."):
        replace(GATEWAYS[0], **wrong)
