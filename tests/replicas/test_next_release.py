"""Messages of the next release at today's ingest: taken with what they say more, or refused by name."""

import json

import paho.mqtt.publish
import pytest
from gateway_stand_in import GatewayStandIn, TelemetryProcess, block, event
from paho.mqtt.client import MQTTv5
from servers import eventually

from broker import codec, contract, release, topics

pytestmark = pytest.mark.system


def send(broker, stream, message, **more):
    """A message with what this release does not know."""
    payload = json.dumps(json.loads(codec.encode(stream, message)) | more)
    topic = topics.topic(stream, "north", "bed-01")
    paho.mqtt.publish.single(topic, payload, 1, port=broker.port, protocol=MQTTv5)


def test_what_a_newer_gateway_says_is_stored_whole_or_waits_in_its_spool(mosquitto, valkey, tmp_path):
    """Additive fields are kept as they came; a value nobody knows yet is refused by name, and never lost."""
    with (
        TelemetryProcess(mosquitto.url, valkey.url, tmp_path) as telemetry,
        GatewayStandIn(mosquitto.url) as gateway,
    ):
        telemetry.start()
        send(mosquitto, contract.TENSION, block(gateway.boot, 0), strain_um=[1.5] * 10)
        send(mosquitto, contract.EVENT, event(gateway.boot, 0), colour="blue")
        eventually(lambda: gateway.next() == 10 and gateway.next("event") == 1, what="promised")
        assert gateway.releases == {release.OURS}, "a centre says its own with its promises"
        send(mosquitto, contract.EVENT, event(gateway.boot, 1), type="session.breathing")
        send(mosquitto, contract.TENSION, block(gateway.boot, 10), phase=["levitate"] * 10)
        gateway.tension(20)
        eventually(lambda: refused(telemetry) == 2, what="refused and counted")
        eventually(lambda: held(telemetry, gateway.boot) == 20, what="what is behind it is stored")
        promised = gateway.next(), gateway.next("event")
        assert promised == (10, 1), "what is not understood stays in the gateway's spool"
        gateway.tension(10)  # as the upgraded centre would take it
        eventually(lambda: gateway.next() == 30, what="promised once it is understood")
        stored = telemetry.get("/audit").json()
        assert (stored["lost_samples"], stored["duplicate_samples"]) == (0, 0)


def refused(telemetry):
    """How many messages were."""
    lines = telemetry.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("spondyl_ingest_malformed"))


def held(telemetry, boot):
    """How many samples of a boot are stored."""
    rows = telemetry.get("/audit").json()["streams"]
    return sum(row["samples"] for row in rows if row["boot"] == str(boot))
