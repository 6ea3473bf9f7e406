import base64
import hashlib
import json
import re

import pytest

from broker import rabbitmq, topics
from broker.acl import User, bridge_name, writes
from broker.contract import STREAMS

USERS = [
    User("telemetry", "telemetry", "t"),
    User("integrator", "integrator", ""),
    User("gateway", "gw-north", "g", "north", "gw-north", ("bed-01",)),
    User("gateway", "gw-south", "g", "south", "gw-south", ("bed-01",)),
    User("bridge", bridge_name("north"), "b", "north"),
]
TOLD = rabbitmq.definitions(USERS)
RIGHTS = {row["user"]: row for row in TOLD["topic_permissions"]}


def _may(user, access, topic):
    """As RabbitMQ judges: a filter's `+` is `*` to it, and a part that fits is enough."""
    routing_key = topic.replace("/", ".").replace("+", "*")
    return re.search(RIGHTS[user][access], routing_key) is not None


@pytest.mark.parametrize("user", [user for user in USERS if user.role in ("gateway", "bridge")])
def test_a_clinic_writes_its_own_topics_and_no_others(user):
    """One bed never speaks for another, whoever the broker is."""
    every = {topic for one in USERS for topic in writes(one, USERS)}
    allowed = {topic for topic in every if _may(user.username, "write", topic)}
    assert allowed == set(writes(user, USERS))
    assert not _may(user.username, "write", "spondyl/v1/north/bed-01/tension/more")


@pytest.mark.parametrize("stream", STREAMS.values(), ids=lambda stream: stream.name)
def test_the_centre_hears_and_says_what_the_contract_gives_it(stream):
    """A stream that telemetry does not consume it cannot subscribe to, at any site."""
    wanted = topics.topic_filter(stream, topics.ANY)
    assert _may("telemetry", "read", wanted) == ("telemetry" in stream.consumers)
    assert _may("integrator", "read", wanted) == ("integrator" in stream.consumers)
    topic = topics.topic(stream, "north", None if stream.scope == "clinic" else "bed-01")
    assert _may("telemetry", "write", topic) == ("telemetry" in stream.producers)
    assert not _may("integrator", "write", wanted)


@pytest.mark.parametrize("user", [user.username for user in USERS])
def test_nobody_subscribes_to_everything(user):
    """RabbitMQ judges the filter: one that is wider than a stream is none of anybody's."""
    for wide in ("#", "spondyl/#", "spondyl/v1/+/+/+", "spondyl/v1/north/#"):
        assert not _may(user, "read", wide)


def test_a_bridge_hears_its_site_and_no_other():
    """It subscribes with one filter a stream, for whatever beds its site has."""
    assert _may("bridge-north", "read", "spondyl/v1/north/+/command")
    assert not _may("bridge-north", "read", "spondyl/v1/south/+/command")
    assert not _may("bridge-north", "read", "spondyl/v1/+/+/command")


def test_passwords_are_hashed_and_their_lack_lets_nobody_in(tmp_path, capsys, monkeypatch):
    """A file of rights is read by more people than a secret."""
    rows = [
        {"role": "telemetry", "username": "telemetry", "password": "secret"},
        {"role": "console", "username": "c"},
    ]
    (tmp_path / "users.json").write_text(json.dumps(rows))
    monkeypatch.setattr("sys.argv", ["rabbitmq", str(tmp_path / "users.json")])
    rabbitmq.main()
    said = capsys.readouterr().out
    known, unknown = (user["password_hash"] for user in json.loads(said)["users"])
    salted = base64.b64decode(known)
    assert salted[4:] == hashlib.sha256(salted[:4] + b"secret").digest()
    assert unknown == ""
    assert "secret" not in said
