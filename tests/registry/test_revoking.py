"""The end of somebody's access, at a real broker, while they are connected."""

import json

import made
import pytest
from registry_rig import RegistryRig, keep, outcome, reload, tls_of
from servers import Mosquitto, eventually, free_port

from broker.bus import Bus, BusError
from broker.contract import COMMAND, STATE, TENSION
from services.kit.auth.principal import SYSTEM
from services.kit.errors import SpondylError
from services.registry import files, integrators
from services.registry.errors import Conflict

pytestmark = [
    pytest.mark.system,
    # paho leaves the socket of a failed handshake to the garbage collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]


@pytest.fixture
def chain(tmp_path):
    """A registry and its central broker."""
    port = free_port()
    rig = RegistryRig(tmp_path / "centre", registry_broker_listen=f"127.0.0.1:{port}")
    rig.code()
    conf = rig.settings.centre / "mosquitto" / "mosquitto.conf"
    with Mosquitto(tmp_path, conf, port) as broker:
        yield rig, broker
    rig.close()


def connected(broker, name, tls, **more):
    """A bus that stands."""
    bus = Bus(f"mqtts://localhost:{broker.port}", name, tls=tls, **more)
    bus.start()
    assert bus.wait_connected(15), bus.last_error
    return bus


def is_refused(bus, device):
    """Whether the broker takes nothing of a bed any more."""
    try:
        bus.publish(TENSION, made.block(), device=device).wait(5)
    except BusError:
        return True
    return False


def test_who_is_connected_falls_deaf_and_mute_at_once(chain, tmp_path):
    """Mosquitto hangs up on nobody for a revocation; it asks its list at every message, both ways."""
    rig, broker = chain
    files.write_all(rig.desk)
    rig.joined()
    tls = tls_of(keep(rig, tmp_path / "north"))
    reload(broker)
    gateway = connected(broker, "gw-north", tls, site="north")
    console = connected(broker, "console", tls_of(rig.settings.centre, "console"))
    gateway.subscribe(COMMAND, device="bed-01")
    console.subscribe(STATE)
    eventually(lambda: not is_refused(gateway, "bed-01"), 10, "the rights of a gateway")
    console.publish(COMMAND, made.command(), "north", "bed-01").wait(5)
    assert gateway.take(1, 10)

    assert rig.ask("POST", "/gateways/gw-north/revoke", json={"reason": "stolen"}) == {
        "gateway": "gw-north", "site": "north", "certificates": 3,
    }  # fmt: skip
    reload(broker)
    eventually(lambda: is_refused(gateway, "bed-01"), 10, "the end of its rights")
    with pytest.raises(BusError):
        console.publish(COMMAND, made.command(), "north", "bed-01").wait(5)
    assert gateway.take(1, 0.5) == []
    assert outcome(f"mqtts://localhost:{broker.port}", tls, "again") == "own_revoked"
    gateway.close(0.1)
    console.close(0.1)


def test_an_integrator_reads_its_site_until_it_is_revoked(chain, spondyl, tmp_path, monkeypatch):
    """Another system has a certificate of its own, by one command; and no writing."""
    rig, broker = chain
    monkeypatch.setenv("SPONDYL_DATA", str(rig.settings.data))
    monkeypatch.setenv("SPONDYL_REGISTRY_BROKER_LISTEN", f"127.0.0.1:{broker.port}")
    out = tmp_path / "lab" / "secrets"
    assert spondyl("registry", "issue", "integrator-lab", "--site", "north", "--out", out)[0] in (0, None)
    assert "begins with 'integrator'" in spondyl("registry", "issue", "console", "--out", tmp_path / "x")[2]
    reload(broker)
    lab = connected(broker, "lab", tls_of(tmp_path / "lab", "integrator-lab"), site="north")
    eventually(lambda: is_refused(lab, "bed-01"), 10, "no writing")
    lab.close(0.1)
    acl = (rig.settings.centre / "mosquitto" / "acl").read_text()
    assert "topic read spondyl/v1/north/+/state" in acl.split("user integrator-lab")[1]
    told = json.loads(
        spondyl("gateway", "revoke", "integrator-lab", "--reason", "over", "--json")[1].splitlines()[-1]
    )
    assert told["certificates"] == 1
    assert "integrator-lab" not in (rig.settings.centre / "mosquitto" / "acl").read_text()
    assert "revoked already" in spondyl("gateway", "revoke", "integrator-lab", "--reason", "again")[2]
    rows = [(row["action"], row["record"]) for row in rig.trail() if "integrator" in row["action"]]
    assert rows == [("integrator.issued", "integrator-lab"), ("integrator.revoked", "integrator-lab")]


def test_a_gateway_that_is_revoked_takes_its_beds_from_its_bridge(rig):
    """A clinic's broker must not go on speaking for beds whose gateway is in wrong hands."""
    acl = rig.settings.centre / "mosquitto" / "acl"
    rig.joined()
    assert "user bridge-north" in acl.read_text()
    rig.show(rig.code("gw-north-2", devices=("bed-02",)), parts=("gateway",))
    rig.ask("POST", "/gateways/gw-north/revoke", json={"reason": "stolen"})
    text = acl.read_text()
    assert "bed-01" not in text
    assert "topic write spondyl/v1/north/bed-02/tension" in text.split("user gw-north-2")[1]
    assert "bridge-north" not in text, "its machine is connected still, and bed-02 is not its"
    rig.show(rig.code("gw-north-2", devices=("bed-02",)))  # the site's broker moves to the other machine
    assert "topic write spondyl/v1/north/bed-02/tension" in acl.read_text().split("user bridge-north")[1]
    answer = rig.knock("POST", "/gateways/gw-north/revoke", json={"reason": "stolen"})
    assert (answer.status_code, answer.json()["type"].endswith(Conflict.__name__.lower())) == (409, True)
    rig.show(rig.code(), parts=("gateway",))  # the same name once more, with a new code
    assert "bed-01" in acl.read_text()


@pytest.mark.parametrize(("name", "site"), [("integrator-lab x", None), ("integrator-lab", "The Clinic")])
def test_an_integrator_whose_name_no_access_list_can_hold_is_refused(rig, tmp_path, name, site):
    """Once it is kept the broker's directory could never be written again: a week later nobody gets in."""
    rig.joined()
    with pytest.raises(SpondylError, match="letters, digits"):
        integrators.issue(rig.desk, SYSTEM, name, site, tmp_path / "out")
    files.write_all(rig.desk)
    assert not (tmp_path / "out").exists()
