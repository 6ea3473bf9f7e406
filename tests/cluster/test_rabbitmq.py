"""The centre on a RabbitMQ cluster instead of a Mosquitto; `make chaos-cluster` runs it."""

import json
import os
import time
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
import warm
from cluster.clinic import Clinic
from cluster.rabbit import Rabbits
from gateway_stand_in import TelemetryProcess, block
from servers import Mosquitto, Valkey, eventually, free_port

from broker import contract
from broker.acl import User, bridge_name
from broker.bus import Bus, BusError, BusRefused
from broker.mosquitto.render import Central, render_site

pytestmark = [pytest.mark.system, pytest.mark.soak]

BEDS = 6
EVERY_S = float(os.environ.get("SPONDYL_CLUSTER_EVERY_S", "0.1"))
LOAD_S = float(os.environ.get("SPONDYL_CLUSTER_LOAD_S", "15"))  # before, between and behind the kills
RECOVER_S = 90.0
OUTPUT = Path("test-output/chaos-cluster.json")


def _users():
    def gateway(site):
        devices = tuple(f"bed-{number:02d}" for number in range(1, BEDS + 1))
        return User("gateway", f"gw-{site}", "g-secret", site, f"gw-{site}", devices)

    bridge = User("bridge", bridge_name("north"), "b-secret", "north")
    return [User("telemetry", "telemetry", "t-secret"), gateway("north"), gateway("south"), bridge]


@pytest.fixture(scope="module")
def rabbits(tmp_path_factory):
    """Three nodes."""
    with Rabbits(tmp_path_factory.mktemp("rabbits"), _users()) as cluster:
        yield cluster


def _bus(stack, url, user, password, **more):
    bus = Bus(url, f"test-{user}", username=user, password=password, **more)
    stack.callback(bus.close)
    bus.start()
    assert bus.wait_connected(20), bus.last_error
    return bus


def _hear(bus, stream):
    bus.subscribe(stream)
    bus.take(1, 10)


def test_a_gateway_is_held_to_its_own_beds_and_nobody_hears_everything(rabbits):
    """The contract's access list is the same whoever the broker is."""
    with ExitStack() as stack:
        gateway = _bus(stack, rabbits.url(0), "gw-north", "g-secret", site="south")
        said = gateway.publish(contract.TENSION, block(uuid4(), 0), "south", "bed-01")
        with pytest.raises(BusError):  # RabbitMQ hangs up on whoever tries
            said.wait(10)
        assert not said.acknowledged
    for stream in (contract.TENSION, contract.STATE):
        with ExitStack() as stack:
            bus = _bus(stack, rabbits.url(1), "gw-north", "g-secret", site="+")
            with pytest.raises(BusRefused):
                _hear(bus, stream)


def test_a_node_killed_under_load_loses_and_doubles_nothing(rabbits, tmp_path):
    """One of three may die at any time: sessions and messages lie on a majority, the spool has the rest."""
    with ExitStack() as stack:
        service, clinics = _chain(stack, rabbits, tmp_path)
        eventually(lambda: all(min(one.stored.values()) > 0 for one in clinics), 60, "promises")
        kills = []
        began, before = time.monotonic(), sum(one.messages for one in clinics)
        for node in rabbits.nodes:
            _pass(LOAD_S)
            node.kill()
            kills.append({"node": node.host, "recovered_s": _recovered(clinics)})
            _pass(LOAD_S / 2)
            node.start()
            rabbits.wait_whole()
        _pass(LOAD_S)
        rate = (sum(one.messages for one in clinics) - before) / (time.monotonic() - began)
        for one in clinics:
            one.stop()
        eventually(lambda: all(one.is_stored_up_to(one.made) for one in clinics), 120, "everything promised")
        report = service.get("/audit").json()
    faults = {name: report[name] for name in ("lost_samples", "duplicate_samples", "unexplained")}
    _tell(rate, kills, clinics, faults)
    assert faults == {"lost_samples": 0, "duplicate_samples": 0, "unexplained": 0}
    assert report["samples"] == sum(sum(one.made.values()) for one in clinics)


def _chain(stack, rabbits, directory):
    """North behind its Mosquitto and a bridge, south at the cluster itself; two ingest workers."""
    valkey = stack.enter_context(Valkey(directory))
    passwords = {"mqtt_username": "telemetry", "mqtt_password": "t-secret", "ingest_sites": ""}
    service = TelemetryProcess(rabbits.url(1, 2, 0), valkey.url, directory, **passwords)
    service = stack.enter_context(service).start()
    port = str(free_port())
    more = {"SPONDYL_MQTT_URL": rabbits.url(2, 0, 1), "SPONDYL_HTTP_PORT": port}
    second = warm.start("services.telemetry.ingest", service._environment | more, directory / "second.log")
    stack.callback(second.wait, 10)
    stack.callback(second.kill)
    nodes = " ".join(f"127.0.0.1:{node.port}" for node in rabbits.nodes)
    central = Central(nodes, bridge_name("north"), "b-secret")
    local = free_port()
    conf = render_site(
        directory / "north", site="north", host="127.0.0.1", port=local, users=_users(), central=central
    )
    mosquitto = stack.enter_context(Mosquitto(directory, conf, local))
    who = {"username": "gw-north", "password": "g-secret"}
    north = Clinic(mosquitto.url, "north", directory, BEDS, EVERY_S, **who)
    south = Clinic(rabbits.url(0, 1, 2), "south", directory, BEDS, EVERY_S, **who | {"username": "gw-south"})
    return service, [stack.enter_context(one) for one in (north, south)]


def _pass(seconds):
    until = time.monotonic() + seconds
    eventually(lambda: time.monotonic() > until, seconds + 10, "time to pass")


def _recovered(clinics):
    """Seconds until all that was made up to now is promised, and with it what was under way."""
    began, marks = time.monotonic(), [dict(one.made) for one in clinics]
    pairs = list(zip(clinics, marks, strict=True))
    eventually(lambda: all(one.is_stored_up_to(mark) for one, mark in pairs), RECOVER_S, "recovery")
    return round(time.monotonic() - began, 1)


def _tell(rate, kills, clinics, faults):
    OUTPUT.parent.mkdir(exist_ok=True)
    figures = {
        "messages_per_s": round(rate, 1), "messages": sum(one.messages for one in clinics), "kills": kills,
        **faults,
    }  # fmt: skip
    OUTPUT.write_text(json.dumps(figures, indent=2) + "\n")
