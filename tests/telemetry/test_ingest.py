import random
import time
from contextlib import closing
from uuid import uuid4

import paho.mqtt.publish
import pytest
from gateway_stand_in import SESSION, GatewayStandIn, TelemetryProcess, block, chunk, event
from servers import Valkey, eventually

from broker import contract
from services.telemetry.store import connect

pytestmark = pytest.mark.system

KILLED_BEFORE_THE_ACKNOWLEDGEMENT = """
import os, signal, sys
from services.telemetry import store
from services.telemetry.ingest.__main__ import main
commit = store.Store.commit
def killed(self, batch, *more):
    commit(self, batch, *more)
    if batch.entries:
        os.kill(os.getpid(), signal.SIGKILL)
store.Store.commit = killed
sys.exit(main())
"""


def _row(service, boot):
    """The audit's row of a boot; None before anything of it is stored."""
    rows = service.get("/audit").json()["streams"]
    return next((row for row in rows if row["boot"] == str(boot)), None)


def _metric(service, name):
    lines = service.get("/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def test_blocks_are_stored_and_promised(telemetry, gateway):
    """The everyday path, all three durable streams."""
    gateway.tension(0, 10, 20)
    gateway.publish(contract.BLACKBOX, chunk(gateway.boot, 0, 30))
    gateway.publish(contract.EVENT, event(gateway.boot, 0))
    eventually(lambda: gateway.next() == 30 and gateway.next("event") == 1, what="committed")
    assert gateway.promised[gateway.boot][-1] == {"tension": 30, "blackbox": 30, "event": 1}
    report = telemetry.get("/audit").json()
    assert (report["lost_samples"], report["duplicate_samples"], report["samples"]) == (0, 0, 30)


def test_nothing_is_promised_beyond_a_hole_and_the_hole_can_be_filled(telemetry, gateway):
    """What lies behind a hole is safe; what is in it exists only in the gateway's spool."""
    gateway.tension(0, 30, 20)
    eventually(lambda: (row := _row(telemetry, gateway.boot)) and row["samples"] == 30, what="stored")
    eventually(lambda: gateway.next() == 10, what="committed up to the hole")
    eventually(lambda: _metric(telemetry, "spondyl_ingest_holes ") == 1, what="the hole is counted")
    gateway.tension(10)
    eventually(lambda: gateway.next() == 40, what="committed behind the filled hole")
    assert max(said["tension"] for said in gateway.promised[gateway.boot]) == 40
    row = _row(telemetry, gateway.boot)
    assert (row["lost"], row["duplicates"], row["late_blocks"]) == (0, 0, 2)


def test_samples_declared_lost_are_passed_over_and_counted_as_lost(telemetry, gateway):
    """The spool must not fill up for ever because of samples that never existed on a disk."""
    gateway.tension(0, 30)
    data = {"first": 10, "next": 30, "samples": 20, "streams": ["tension", "blackbox"]}
    gateway.publish(contract.EVENT, event(gateway.boot, 0, "samples.lost", data=data))
    eventually(lambda: gateway.next() == 40, what="committed behind the declared loss")
    row = _row(telemetry, gateway.boot)
    assert row["gaps"] == [{"first": 10, "last": 29, "reason": "declared lost by the gateway"}]
    assert telemetry.get("/audit").json()["lost_samples"] == 20


def test_a_repeated_block_is_promised_again_and_stored_once(telemetry, gateway):
    """The gateway sends again because it did not hear the promise: it must hear it now."""
    gateway.tension(0)
    eventually(lambda: gateway.next() == 10, what="committed")
    said = len(gateway.promised[gateway.boot])
    gateway.tension(0)
    eventually(lambda: len(gateway.promised[gateway.boot]) > said, what="the promise once more")
    assert _row(telemetry, gateway.boot)["duplicates"] == 0
    assert _metric(telemetry, 'spondyl_ingest_entries_total{fate="duplicate",stream="tension"}') == 1


@pytest.mark.parametrize("appendfsync", ["always", "everysec"])
def test_killed_between_commit_and_acknowledgement_nothing_is_lost_or_twice(
    mosquitto, gateway, tmp_path, appendfsync
):
    """The broker delivers again what was stored: Redis itself knows it."""
    with (
        Valkey(tmp_path, appendfsync) as valkey,
        TelemetryProcess(mosquitto.url, valkey.url, tmp_path) as service,
    ):
        service.start(("-c", KILLED_BEFORE_THE_ACKNOWLEDGEMENT))
        eventually(lambda: service.readiness()["ready"], 20, "readiness")
        gateway.tension(0)
        service.process.wait(20)
        gateway.tension(10, 20)
        assert gateway.next() is None
        service.start()
        eventually(lambda: gateway.next() == 30, 20, "committed after the restart")
        row = _row(service, gateway.boot)
        assert (row["samples"], row["lost"], row["duplicates"]) == (30, 0, 0)


def test_a_killed_redis_stops_the_promises_and_loses_nothing(telemetry, gateway, valkey):
    """Without its store ingest acknowledges nothing, says why, and goes on by itself."""
    gateway.tension(0)
    eventually(lambda: gateway.next() == 10, what="committed")
    valkey.kill()
    gateway.tension(10, 20, 30)
    eventually(lambda: not telemetry.readiness()["ready"], what="not ready")
    assert "Redis" in telemetry.readiness()["checks"]["redis"]["detail"]
    assert telemetry.get("/readyz").status_code == 503
    assert telemetry.get("/devices").status_code == 503
    assert gateway.next() == 10
    valkey.start()
    eventually(lambda: gateway.next() == 40, 20, "committed after Redis is back")
    eventually(lambda: telemetry.readiness()["ready"], what="ready once the leases are renewed, too")
    row = _row(telemetry, gateway.boot)
    assert (row["samples"], row["lost"], row["duplicates"]) == (40, 0, 0)


def test_a_killed_broker_is_joined_again(telemetry, gateway, mosquitto):
    """Its queue may be gone: the gateway sends again what was not promised."""
    gateway.tension(0)
    eventually(lambda: gateway.next() == 10, what="committed")
    mosquitto.kill()
    eventually(lambda: telemetry.readiness()["detail"].startswith("broker: "), what="not ready")
    mosquitto.start()

    def committed_at_last():
        gateway.tension(0, 10, 20)
        return gateway.next() == 30

    eventually(committed_at_last, 40, "committed after the broker is back")
    row = _row(telemetry, gateway.boot)
    assert (row["samples"], row["lost"], row["duplicates"]) == (30, 0, 0)


def test_a_store_that_forgot_is_told_and_ingest_goes_on(mosquitto, gateway, tmp_path):
    """Redis replaced by an empty one: what was promised is lost and named; the spool no longer has it."""
    with Valkey(tmp_path / "one") as valkey, TelemetryProcess(mosquitto.url, valkey.url, tmp_path) as service:
        service.start()
        gateway.tension(0, 10)
        eventually(lambda: gateway.next() == 20, what="committed")
        service.stop()
    with Valkey(tmp_path / "two") as valkey, TelemetryProcess(mosquitto.url, valkey.url, tmp_path) as service:
        service.start()
        gateway.tension(20)
        eventually(lambda: gateway.next() == 30, 20, "committed behind the loss")
        row = _row(service, gateway.boot)
        assert row["gaps"] == [{"first": 0, "last": 19, "reason": "lost by the store after it was committed"}]
        assert service.get("/audit").json()["lost_samples"] == 20


@pytest.mark.parametrize("options", [("--appendonly", "no")])
def test_a_redis_that_could_forget_gets_nothing(mosquitto, gateway, tmp_path, options):
    """Ingest says so in one line and waits; mended, it goes on."""
    with (
        Valkey(tmp_path, "always", options) as valkey,
        TelemetryProcess(mosquitto.url, valkey.url, tmp_path) as service,
        closing(connect(valkey.url)) as client,
    ):
        service.start()
        gateway.tension(0)
        eventually(lambda: "appendonly yes" in service.readiness()["detail"], what="the reason")
        assert all(key.endswith((b":{ingest}", b":north", b":south")) for key in client.scan_iter())  # leases
        client.config_set("appendonly", "yes")
        eventually(lambda: gateway.next() == 10, 30, "committed once it is durable")


def test_malformed_messages_are_counted_and_stop_nothing(telemetry, gateway, mosquitto):
    """Anything may arrive on a topic; the next good block is stored all the same."""
    good = block(gateway.boot, 0).model_dump_json()
    payloads = [
        b"\xff\xfe not UTF-8",
        b"[" * 100_000,
        good.replace("100.0", "NaN", 1).encode(),
        good.replace("100.0", "1e400", 1).encode(),
        good.replace('"seq":0', '"seq":-1').encode(),
        b" " * 300_000,
        b"x" * 10_000_000,
        b"",
    ]
    topic = f"spondyl/v1/north/{gateway.device}/tension"
    for payload in payloads:
        paho.mqtt.publish.single(topic, payload, qos=1, port=mosquitto.port)
    gateway.tension(0)
    eventually(lambda: gateway.next() == 10, 20, "the good block committed")
    assert telemetry.readiness()["ready"]
    assert _metric(telemetry, "spondyl_ingest_malformed_total") == len(payloads)


def test_a_message_that_no_store_can_keep_stops_nothing(telemetry, gateway):
    """Valid by the contract, impossible for a store."""
    gateway.publish(contract.TENSION, block(gateway.boot, 2**53 - 5, 10))
    gateway.tension(0)
    eventually(lambda: gateway.next() == 10, 20, "the good block committed")
    assert _metric(telemetry, "spondyl_ingest_unstorable_total") == 1


def test_blocks_in_any_order_over_restarts_end_up_whole(mosquitto, valkey, tmp_path):
    """Live and backlog interleaved, repeated, ingest killed: no gap, no duplicate, all promised."""
    chaos = random.Random(5)  # noqa: S311  (reproducible)
    seqs = [10 * number for number in range(60)] + [10 * chaos.randrange(60) for _ in range(40)]
    chaos.shuffle(seqs)
    with (
        GatewayStandIn(mosquitto.url) as gateway,
        TelemetryProcess(mosquitto.url, valkey.url, tmp_path, ingest_batch=7) as service,
    ):
        service.start()
        for start in range(0, len(seqs), 25):
            gateway.tension(*seqs[start : start + 25])
            service.kill()
            service.start()
        eventually(lambda: gateway.next() == 600, 30, "everything committed")
        row = _row(service, gateway.boot)
        assert (row["samples"], row["lost"], row["duplicates"]) == (600, 0, 0)
        (segment,) = service.get("/devices/bed-01/blocks?last=1000").json()["segments"]
        assert segment["tension_n"] == [100 + number / 10 for number in range(600)]


def test_two_boots_are_each_told_their_own_promise(telemetry, gateway):
    """The spool still holds rows of the boot before when the new one begins."""
    before, now = gateway.boot, uuid4()
    for seq in (0, 10):
        gateway.publish(contract.TENSION, block(before, seq))
        gateway.publish(contract.TENSION, block(now, seq))

    def said(boot):
        return gateway.promised.get(boot, [{}])[-1].get("tension")

    eventually(lambda: said(before) == said(now) == 20, what="both committed")
    assert telemetry.get("/audit").json()["boots"] == 2


def test_sigterm_ends_it_quickly_even_while_redis_is_away(telemetry, gateway, valkey):
    """`spondyl up` ends every child within 5 s."""
    valkey.kill()
    gateway.tension(0)
    eventually(lambda: not telemetry.readiness()["ready"], what="not ready")
    began = time.monotonic()
    assert telemetry.stop() == 0
    assert time.monotonic() - began < 4


def test_its_memory_stays_small(mosquitto, valkey, gateway, tmp_path):
    """Six beds with everything are to run in 1.2 GB: telemetry's share is 120 MB."""
    with TelemetryProcess(mosquitto.url, valkey.url, tmp_path, is_cold=True) as telemetry:
        telemetry.start()
        gateway.tension(*range(0, 500, 10))
        gateway.publish(contract.EVENT, event(gateway.boot, 0, "session.started", 0, SESSION))
        eventually(lambda: gateway.next() == 500, what="committed")
        assert _metric(telemetry, "process_resident_memory_bytes") < 120e6


def test_a_gateway_that_is_there_again_is_told_how_far_it_is_stored(telemetry, gateway):
    """Its broker may have lost what it kept, and until a promise comes the spool must hold everything."""
    gateway.tension(0, 10)
    eventually(lambda: gateway.next() == 20, what="committed")
    said = len(gateway.promised[gateway.boot])
    gateway.birth()
    eventually(lambda: len(gateway.promised[gateway.boot]) > said, what="the promise once more")
    assert gateway.next() == 20
