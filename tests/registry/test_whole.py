"""From a code to a sample at the centre and to the end of it: processes, commands, three real brokers."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import gateway_stand_in
import made
import psutil
import pytest
from registry_rig import outcome, tls_of
from servers import Mosquitto, Server, answers, eventually, free_port

from broker.bus import Bus, Tls
from broker.contract import COMMAND, EVENT, STREAMS, TENSION
from broker.messages import ClinicEvent, Command
from services.kit.enrolment.machine import Machine
from services.kit.enrolment.staying import stay

pytestmark = [
    pytest.mark.system,
    # paho leaves the socket of a failed handshake to the garbage collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
ENTRY = Path(__file__).parents[2] / "deploy" / "containers" / "broker-entry.sh"


class Watched(Mosquitto):
    """Mosquitto as its containers run it: over a directory that others write."""

    def __init__(self, directory, data, port):
        super().__init__(directory, data / "mosquitto" / "mosquitto.conf", port)
        self.data = data

    def command(self):
        """The entry of the containers."""
        return ["sh", str(ENTRY), str(self.data)]

    def kill(self):
        """Mosquitto itself, before it has written anything."""
        for child in psutil.Process(self.process.pid).children():
            child.kill()
        super().kill()


class Registry(Server):
    """`python -m services.registry`, with HTTPS by its own certificate."""

    name = "registry"

    def __init__(self, directory, broker_port):
        super().__init__(directory)
        own = directory / "data" / "registry" / "centre" / "secrets"
        self.environment = {
            "SPONDYL_DATA": str(directory / "data"), "SPONDYL_HTTP_PORT": str(self.port),
            "SPONDYL_HTTP_CERTIFICATE": str(own / "registry.crt"),
            "SPONDYL_HTTP_KEY": str(own / "registry.key"),
            "SPONDYL_REGISTRY_BROKER_LISTEN": f"127.0.0.1:{broker_port}",
            "SPONDYL_REGISTRY_BROKER_URL": f"mqtts://localhost:{broker_port}",
        }  # fmt: skip

    @property
    def centre(self):
        """What it keeps for the centre."""
        return Path(self.environment["SPONDYL_DATA"]) / "registry" / "centre"

    def command(self):
        """With its variables."""
        told = [f"{name}={value}" for name, value in self.environment.items()]
        return ["/usr/bin/env", *told, sys.executable, "-m", "services.registry"]

    def ready(self):
        """Whether it listens."""
        return answers(self.port)


class Chain:
    """A registry with its central broker, and clinics that join by the commands."""

    def __init__(self, directory, spondyl, monkeypatch):
        self.directory, self._spondyl, self._monkeypatch = directory, spondyl, monkeypatch
        self.port = free_port()
        self.registry = Registry(directory / "centre", self.port).start()
        self.broker = Watched(directory / "centre", self.registry.centre, self.port).start()
        self.open = []

    def at_centre(self, *words):
        """A command on the centre's machine; its JSON."""
        with self._monkeypatch.context() as patched:
            for name, value in self.registry.environment.items():
                patched.setenv(name, value)
            status, out, err = self._spondyl(*words, "--json")
        assert status in (0, None), err
        return json.loads(out.splitlines()[-1])  # (this process logs there, too)

    def at_clinic(self, *words):
        """A command on a clinic's machine: exit status, stdout, stderr."""
        return self._spondyl(*words)

    def clinic(self, site, *devices):
        """A clinic that joined: its directory, its broker, its gateway's bus."""
        port, directory = free_port(), self.directory / site
        code = self.at_centre(
            "gateway", "enrol", f"gw-{site}", "--site", site, "--devices", ",".join(devices)
        )
        status, _, err = self.at_clinic(
            "gateway", "join", "--centre", f"https://localhost:{self.registry.port}", "--code", code["code"],
            "--data", directory, "--listen", f"127.0.0.1:{port}",
        )  # fmt: skip
        assert status in (0, None), err
        conf = directory / "mosquitto" / "mosquitto.conf"
        conf.write_text(conf.read_text().replace("restart_timeout 10 60", "restart_timeout 1"))
        broker = Watched(directory, directory, port).start()
        told = Machine(directory).environment(Machine(directory).joined)
        tls = Tls(*(told[f"SPONDYL_MQTT_{name}"] for name in ("CA", "CERTIFICATE", "KEY")))
        gateway = self.bus(told["SPONDYL_MQTT_URL"], told["SPONDYL_GATEWAY_NAME"], tls, site=site)
        self.open.append(broker.stop)
        return directory, broker, gateway

    def service(self, name):
        """A service's bus at the central broker, by the certificate that the registry made for it."""
        tls = tls_of(self.registry.centre, name)
        return self.bus(f"mqtts://localhost:{self.port}", name, tls, session_expiry_s=60)

    def bus(self, url, name, tls, **more):
        """A bus that stands."""
        made_here = Bus(url, name, tls=tls, **more)
        made_here.start()
        self.open.append(lambda: made_here.close(0.5))
        assert made_here.wait_connected(15), made_here.last_error
        return made_here

    def close(self):
        """The end of everything, in the reverse order."""
        for end in reversed(self.open):
            end()
        self.broker.stop()
        self.registry.stop()


@pytest.fixture
def chain(tmp_path, spondyl, monkeypatch):
    """A centre."""
    found = Chain(tmp_path, spondyl, monkeypatch)
    yield found
    found.close()


class Ear:
    """What a bus has heard."""

    def __init__(self, bus, *streams):
        self.bus, self.heard = bus, []
        for stream in streams:
            bus.subscribe(stream)

    def seqs(self, device):
        """Numbers of a bed's blocks in the order they came."""
        taken = self.bus.take(100, 0.05)
        self.bus.acknowledge(taken)
        self.heard += taken
        return [d.message.seq for d in self.heard if d.device == device and d.stream is TENSION]

    def kinds(self):
        """Streams and devices of everything but blocks."""
        self.seqs("")
        return {(d.stream.name, d.device) for d in self.heard if d.stream is not TENSION}


def order(device):
    """A stop."""
    return Command(id=made.BOOT, action="stop", sent_at=datetime.now(UTC), by="console"), device


def test_from_a_code_to_a_sample_at_the_centre_and_to_its_end(chain):
    """The whole way of two clinics: joined, bridged, cut off and back, each its own, and one revoked."""
    directory, _, north = chain.clinic("north", "bed-01")
    _, _, south = chain.clinic("south", "bed-02")
    telemetry, console, screening = (chain.service(name) for name in ("telemetry", "console", "screening"))
    centre = Ear(telemetry, TENSION, EVENT)
    ears = {}
    for name, bus, device in (("north", north, "bed-01"), ("south", south, "bed-02")):
        bus.subscribe(COMMAND, device=device)
        ears[name] = Ear(bus, STREAMS["clearance"])

    # The centre's broker looks at its files every 2 s: what is told it before it refuses, and a spool again.
    for bus, device in ((north, "bed-01"), (south, "bed-02")):
        told = lambda b=bus, d=device: (
            b.publish(EVENT, gateway_stand_in.event(made.BOOT, 0), device=d).wait(10)
            and ("event", d) in centre.kinds()
        )
        eventually(told, 60, "an event, once the centre has read who joined")
    for bus, device in ((north, "bed-01"), (south, "bed-02")):
        assert bus.publish(TENSION, made.block(0), device=device).wait(10)
    eventually(lambda: centre.seqs("bed-01") and centre.seqs("bed-02"), 30, "a block of each at the centre")

    console.publish(COMMAND, order("bed-01")[0], "north", "bed-01").wait(10)
    event = ClinicEvent(id=made.BOOT, type="clearance.withdrawn", time=made.AT, data={})
    screening.publish(STREAMS["clearance"], event, "south").wait(10)
    eventually(lambda: ears["north"].kinds() == {("command", "bed-01")}, 20, "the command at its bed")
    eventually(lambda: ears["south"].kinds() == {("clearance", None)}, 20, "the clearance at its site")

    chain.broker.kill()
    for seq in range(1, 40):
        assert north.publish(TENSION, made.block(seq), device="bed-01").wait(10)
    chain.broker.start()
    eventually(lambda: set(centre.seqs("bed-01")) == set(range(40)), 40, "everything, after the cut")
    assert centre.seqs("bed-02") == [0], "what came over a bridge never goes back over one"
    assert ears["north"].kinds() == {("command", "bed-01")}

    assert [row["state"] for row in chain.at_centre("gateway", "list")["gateways"]] == ["joined", "joined"]
    chain.at_centre("gateway", "revoke", "gw-north", "--reason", "stolen")
    url, bridge = f"mqtts://localhost:{chain.port}", tls_of(directory, "bridge")
    eventually(lambda: outcome(url, bridge, "x") == "own_revoked", 30, "the broker's look at its files")
    north.publish(TENSION, made.block(99), device="bed-01").wait(10)
    assert south.publish(TENSION, made.block(1), device="bed-02").wait(10)
    eventually(lambda: centre.seqs("bed-02") == [0, 1], 20, "the other clinic goes on")
    assert 99 not in centre.seqs("bed-01"), "its bridge is connected still, and says nothing any more"
    status, _, err = chain.at_clinic("gateway", "renew", "--data", directory)
    assert status == 1
    assert "gw-north is revoked: ask the centre" in err


def test_a_clinic_that_is_mistaken_is_told_and_nothing_is_written(chain, tmp_path):
    """A slip, another centre, a wrong host name, a used code: each in one line, with an empty directory."""
    code = chain.at_centre("gateway", "enrol", "gw-west", "--site", "west", "--devices", "bed-09")["code"]
    here, there = f"https://localhost:{chain.registry.port}", f"https://127.0.0.1:{chain.registry.port}"
    other = "0123456789ABCDEFGHJKMNPQRSTVWXYZ01234567"
    closed = f"https://localhost:{free_port()}"
    typed = {
        ("--centre", here, "--code", f"{code[:-1]}{'0' if code[-1] != '0' else '1'}"): "has a slip",
        ("--centre", here, "--code", other): "has a slip",
        ("--centre", f"http://localhost:{chain.registry.port}", "--code", code): "https://host",
        ("--centre", closed, "--code", code): "does not answer: Connection refused",
        ("--centre", here, "--code", _of_another_centre(code)): "not the centre that made this code",
    }  # fmt: skip
    for words, wanted in typed.items():
        status, _, err = chain.at_clinic("gateway", "join", *words, "--data", tmp_path / "west")
        assert (status, wanted in err) == (1, True), err
        assert not (tmp_path / "west").exists()
    status, out, err = chain.at_clinic(
        "gateway", "join", "--centre", there, "--code", code, "--data", tmp_path / "west", "--json"
    )
    assert status in (0, None), err
    assert "KEY" not in out.replace("_KEY", "")
    status, _, err = chain.at_clinic(
        "gateway", "join", "--centre", here, "--code", code, "--data", tmp_path / "x"
    )
    assert (status, "was used already" in err) == (1, True)
    (tmp_path / "west" / "secrets" / "bridge.crt").unlink()
    ending = stay(tmp_path / "west", every_s=0.2, first_s=0.01)
    eventually(
        (tmp_path / "west" / "secrets" / "bridge.crt").exists, 20, "what is due, without anybody's doing"
    )
    ending.set()
    status, out, err = chain.at_clinic("gateway", "renew", "--data", tmp_path / "west", "--at-once", "--json")
    assert json.loads(out.splitlines()[-1])["renewed"] == ["gateway", "bridge", "broker"], err
    again = ("gateway", "join", "--centre", here, "--code", code, "--data", tmp_path / "west")
    assert "is gw-west's already" in chain.at_clinic(*again)[2]
    assert oct((tmp_path / "west" / "secrets" / "gateway.key").stat().st_mode)[-3:] == "600"


def _of_another_centre(code):
    """The same secret, as another centre's authority would have made the code."""
    from services.kit.enrolment import codes

    return codes.Code(codes.read(code).secret, codes.pin(os.urandom(32))).text
