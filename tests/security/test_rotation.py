"""Keys and passwords are made anew without anybody being locked out, and the old ones end when told."""

import json
import subprocess
from datetime import timedelta
from uuid import uuid4

import paho.mqtt.client as paho
import pytest
import redis
from access import somebody
from paho.mqtt.enums import CallbackAPIVersion
from servers import Mosquitto, eventually, free_port

from broker.mosquitto import User, render_local
from deploy import engines
from services.cli import build
from services.kit import clearance
from services.kit.auth import keys, tokens
from services.kit.errors import ClearanceError, NotSignedIn, SpondylError

WHO = somebody("integrator")


def spondyl(*arguments):
    """The command; what it prints is the caller's."""
    build()(args=list(arguments), standalone_mode=False)


def test_a_new_access_key_is_believed_beside_the_old_one_until_that_is_ended(tmp_path, capsys):
    """A key that must be changed all at once is changed too late: integrators hold tokens of weeks."""
    pair = tokens.ensure_keys(tmp_path)
    before = tokens.mint(pair.private, WHO, 3600)
    spondyl("secrets", "rotate", "access", "--data", str(tmp_path), "--json")
    assert json.loads(capsys.readouterr().out)["accepted"] == 2
    after = tokens.mint(pair.private, WHO, 3600)
    tokens.ensure_keys(tmp_path)  # (a start of the system)
    public = tokens.public_key(None, tmp_path)
    assert tokens.read(before, public).account == tokens.read(after, public).account == WHO.account
    spondyl("secrets", "end", "access", "--data", str(tmp_path), "--json")
    assert json.loads(capsys.readouterr().out)["ended"] is True
    public = tokens.public_key(None, tmp_path)
    assert tokens.read(after, public).account == WHO.account
    with pytest.raises(NotSignedIn, match="signed by others"):
        tokens.read(before, public)


def test_a_third_key_is_not_begun_before_the_first_is_ended(tmp_path):
    """How many keys are believed must be known without counting."""
    tokens.ensure_keys(tmp_path)
    keys.rotate(tmp_path, "access")
    with pytest.raises(SpondylError, match="spondyl secrets end access"):
        keys.rotate(tmp_path, "access")


def test_a_rotation_that_was_cut_off_leaves_the_old_pair_whole(tmp_path, monkeypatch):
    """The public file is written first: without the private key nothing was signed with the new one."""
    pair = tokens.ensure_keys(tmp_path)
    token, private = tokens.mint(pair.private, WHO, 3600), pair.private.read_bytes()
    keys.rotate(tmp_path, "access")
    pair.private.write_bytes(private)
    tokens.ensure_keys(tmp_path)
    assert tokens.read(token, tokens.public_key(None, tmp_path)).account == WHO.account
    assert len(keys.each(pair.public.read_bytes())) == 1


def test_a_clearance_of_the_old_key_holds_until_it_is_ended(tmp_path):
    """Patients of today have clearances of yesterday: their beds must not refuse them."""
    pair = clearance.ensure_keys(tmp_path)
    patient = uuid4()
    signed, _ = clearance.issue(pair.private, patient, "lumbar", valid_for=timedelta(days=1))
    keys.rotate(tmp_path, "clearance")
    assert clearance.read(signed, clearance.read_public(pair.public)).patient == patient
    keys.end_old(tmp_path, "clearance")
    with pytest.raises(ClearanceError):
        clearance.read(signed, clearance.read_public(pair.public))


def _is_let_in(port, username, password):
    told = []
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.username_pw_set(username, password)
    client.on_connect = lambda *rest: told.append(rest[3].is_failure)
    client.connect("127.0.0.1", port)
    client.loop_start()
    eventually(lambda: told, 10, "the broker's answer")
    client.disconnect()
    client.loop_stop()
    return not told[0]


@pytest.mark.system
def test_a_password_taken_out_of_its_file_is_made_anew_and_the_old_one_opens_nothing(tmp_path):
    """What stood in a log or left with somebody is worth nothing after the next start."""
    path = tmp_path / "passwords.json"
    old = engines.password_store(path, ["console", "redis"])
    path.write_text(json.dumps({"redis": old["redis"]}))
    new = engines.password_store(path, ["console", "redis"])
    assert new["redis"] == old["redis"]
    assert path.stat().st_mode & 0o777 == 0o600
    port = free_port()
    users = [User(role="console", username="console", password=new["console"])]
    conf = render_local(tmp_path / "mosquitto", host="127.0.0.1", port=port, users=users)
    with Mosquitto(tmp_path, conf, port):
        assert _is_let_in(port, "console", new["console"])
        assert not _is_let_in(port, "console", old["console"])


@pytest.mark.system
def test_the_store_s_password_is_made_anew_likewise(tmp_path):
    """Redis holds what is not in the archive yet: its password must be as easy to change."""
    path = tmp_path / "passwords.json"
    old = engines.password_store(path, ["redis"])["redis"]
    path.unlink()
    new, port = engines.password_store(path, ["redis"])["redis"], free_port()
    conf = engines.render_redis(tmp_path / "redis", host="127.0.0.1", port=port, password=new)
    with subprocess.Popen([engines.redis_server()[0], str(conf)], stdout=subprocess.DEVNULL) as server:
        try:
            client = redis.Redis(port=port, password=new)
            eventually(lambda: _pings(client), 10, "the store's start")
            with pytest.raises(redis.AuthenticationError):
                redis.Redis(port=port, password=old).ping()
            client.close()
        finally:
            server.terminate()


def _pings(client):
    try:
        return client.ping()
    except redis.ConnectionError:
        return False
