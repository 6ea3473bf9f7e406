import json
import os
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import get_args
from uuid import UUID, uuid4

import made
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from servers import Mosquitto, eventually, free_port

from broker import topics
from broker.acl import User
from broker.bus import Bus
from broker.contract import STATUS, STREAMS, TENSION
from broker.messages import EventType
from broker.mosquitto import render_local
from services.kit.sealed import Person, public_text, seal_person

PAGE = (Path(__file__).parent.parent.parent / "docs/integrators.md").read_text()
GATEWAY = User("gateway", "gw-north", "g", "north", "gw-north", ("bed-01",))
INTEGRATOR = User("integrator", "integrator", "read-only")


def example(language, marker):
    """The code block of this language that holds the marker."""
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    return next(block for block in blocks if marker in block)


@pytest.fixture
def clinic(tmp_path):
    """A broker as `spondyl up` configures it, with one gateway that has just said where it is."""
    port = free_port()
    conf = render_local(tmp_path / "conf", host="127.0.0.1", port=port, users=(GATEWAY, INTEGRATOR))
    with Mosquitto(tmp_path, conf, port) as broker:
        gateway = Bus(broker.url, "gw-north", username="gw-north", password="g", site="north")
        gateway.start()
        assert gateway.wait_connected(10)
        gateway.publish(STATUS, made.status(), device="gw-north").wait(5)
        yield broker, gateway
        gateway.close(0.5)


def running(command, broker, tmp_path):
    """The command as an integrator runs it; its output goes to a file."""
    environment = os.environ | {
        "MQTT_HOST": "127.0.0.1",
        "MQTT_PORT": str(broker.port),
        "MQTT_USER": INTEGRATOR.username,
        "MQTT_PASSWORD": INTEGRATOR.password,
    }
    said = tmp_path / "said"
    with said.open("wb") as file:
        return subprocess.Popen(command, env=environment, stdout=file, stderr=file), said


@pytest.mark.system
def test_the_shell_example_shows_the_gateways_at_once(clinic, tmp_path):
    """The first minute of an integrator decides."""
    broker, _ = clinic
    process, said = running(
        ["bash", "-c", "exec " + example("sh", "mosquitto_sub").strip()], broker, tmp_path
    )
    try:
        eventually(lambda: b'spondyl/v1/north/gw-north/status {"state":"online"' in said.read_bytes())
    finally:
        process.kill()
        process.wait()


@pytest.mark.system
def test_the_python_example_prints_samples_and_finds_the_gap(clinic, tmp_path):
    """What people copy must be right: gap, late block and repetition included."""
    broker, gateway = clinic
    script = tmp_path / "example.py"
    script.write_text(example("python", "paho"))
    process, said = running([sys.executable, str(script)], broker, tmp_path)
    topic = topics.topic(TENSION, "north", "bed-01")

    def shown():
        return [line.removeprefix(topic).strip() for line in said.read_text().splitlines()]

    def subscribed():
        gateway.publish(TENSION, made.block(0, 10), device="bed-01").wait(5)
        return shown()

    try:
        eventually(subscribed, 20)
        for seq in (10, 30, 20):
            gateway.publish(TENSION, made.block(seq, 10), device="bed-01").wait(5)
        eventually(lambda: shown()[-1:] == ["20 hold 120.5 N"])
        assert shown()[-5:] == [
            "10 hold 120.5 N",
            "gap: 10 samples before 30",
            "30 hold 120.5 N",
            "late or again: 20",
            "20 hold 120.5 N",
        ]
    finally:
        process.kill()
        process.wait()


def test_the_worklist_example_opens_a_name_with_the_gateways_key_and_no_other():
    """Whoever builds a gateway copies it: a wrong name at a bed is the wrong patient under it."""
    key, place = X25519PrivateKey.generate(), {"appointment": str(uuid4()), "patient": str(uuid4())}
    sealed = seal_person(
        public_text(key), Person("Đặng Müller", date(1961, 5, 4)), *(UUID(one) for one in place.values())
    )
    names = {}
    exec(example("python", "patient_sealed"), names)  # noqa: S102  (the page's own text)
    opened = names["person"]({**place, "patient_sealed": sealed}, key.private_bytes_raw())
    assert opened == {"name": "Đặng Müller", "birth_date": "1961-05-04"}
    assert names["person"]({**place, "patient_sealed": None}, key.private_bytes_raw()) is None
    moved = {**place, "appointment": str(uuid4()), "patient_sealed": sealed}
    with pytest.raises(InvalidTag):
        names["person"](moved, key.private_bytes_raw())


def test_the_node_red_flow_is_whole():
    """A flow that does not import is worse than none."""
    nodes = {node["id"]: node for node in json.loads(example("json", "mqtt in"))}
    source = nodes["spondyl-tension"]
    assert source["topic"] == topics.topic_filter(TENSION)
    assert nodes[source["broker"]]["type"] == "mqtt-broker"
    for node in nodes.values():
        assert all(target in nodes for wire in node.get("wires", []) for target in wire)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to run the flow's function")
def test_the_node_red_function_shows_the_last_sample_and_the_gap():
    """The function is code, and code is run before it is published."""
    nodes = {node["id"]: node for node in json.loads(example("json", "mqtt in"))}
    blocks = [json.loads(made.block(seq, 10).model_dump_json()) for seq in (0, 10, 30)]
    harness = f"""
        const kept = {{}};
        const context = {{get: (name) => kept[name], set: (name, value) => {{ kept[name] = value; }}}};
        const step = new Function('msg', 'context', {json.dumps(nodes["spondyl-gap"]["func"])});
        for (const payload of {json.dumps(blocks)}) {{
            const msg = step({{topic: 'spondyl/v1/north/bed-01/tension', payload}}, context);
            console.log(JSON.stringify(msg.payload));
        }}
    """
    done = subprocess.run(["node", "-e", harness], capture_output=True, text=True, check=True)
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert shown[0] == {"device": "bed-01", "phase": "hold", "tension_n": 120.5, "gap_samples": 0}
    assert [row["gap_samples"] for row in shown] == [0, 0, 10]


def test_the_page_explains_every_event_and_every_stream_an_integrator_may_read():
    """Nothing may be left to guess."""
    for kind in get_args(EventType):
        assert f"`{kind}`" in PAGE
    readable = [stream.name for stream in STREAMS.values() if "integrator" in stream.consumers]
    listed = re.search(r"Your user may read (.*?), of every", PAGE, flags=re.DOTALL).group(1)
    assert re.findall(r"`(\w+)`", listed) == readable
