"""`spondyl bench fleet`: what it publishes, how it counts, what it refuses; never how fast it is here."""

import json
import time
from datetime import UTC, datetime

import orjson
import pytest
from typer.testing import CliRunner

from broker.messages import BlackboxChunk, Event, GatewayStatus, TensionBlock
from services.cli import build
from services.kit.benches.light_client import Publisher, acknowledgements, variable
from services.kit.errors import SpondylError
from services.telemetry.benches import bench_fleet
from services.telemetry.benches.bench_fleet import Step
from services.telemetry.benches.fleet import Bed, Fleet, births, record


@pytest.fixture(scope="module")
def templates(tmp_path_factory):
    """Half a minute of simulated sessions, as the gateway's own program records them."""
    return record(tmp_path_factory.mktemp("recordings"), 10)


def test_every_message_of_a_bed_is_one_of_the_contract_and_joins_the_one_before(templates):
    """A fleet that published anything else would measure how fast refusals are."""
    fleet = Fleet(3, 10, 1)
    bed = Bed(templates[2], fleet.boot(2), datetime.now(UTC))
    blocks = [TensionBlock.model_validate_json(bed.tension(second)) for second in range(10)]
    chunks = [BlackboxChunk.model_validate_json(bed.blackbox(second)) for second in (4, 9)]
    assert [block.seq for block in blocks] == [50 * second for second in range(10)]
    assert [len(block.tension_n) for block in blocks] == [50] * 10
    assert [(chunk.seq, chunk.count) for chunk in chunks] == [(0, 250), (250, 250)]
    end = Event.model_validate_json(bed.event(1, 499, "session.completed", summary=bed.summary(10)))
    assert end.boot == blocks[0].boot == chunks[0].boot
    assert end.session == chunks[0].session == bed.session


def test_beds_stand_in_gateways_of_fifty_and_publish_evenly_over_the_second():
    """A fleet that publishes all at once measures a burst no clinic has."""
    fleet = Fleet(120, 5, 1)
    assert [len(devices) for devices in fleet.sites.values()] == [50, 50, 20]
    assert fleet.due_s(0) == 1.0
    assert fleet.due_s(60) == 1.5
    assert fleet.due_s(fleet.blocks - 1) < 7.0
    announced = [GatewayStatus.model_validate(status) for _, status in births(fleet)]
    assert sum(len(status.devices) for status in announced) == 120


def test_boots_of_two_steps_are_told_apart():
    """The audit of a step counts its own samples only."""
    assert Fleet(2, 5, 1).boot(0) != Fleet(2, 5, 2).boot(0) != Fleet(2, 5, 2).boot(1)


@pytest.mark.parametrize(
    ("value", "encoded"), [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\x01"), (16_384, b"\x80\x80\x01")]
)
def test_lengths_are_encoded_as_the_standard_says(value, encoded):
    """MQTT 5.0, 1.5.5, table 1-1."""
    assert variable(value) == encoded


def test_acknowledgements_are_counted_among_other_packets():
    """A SUBACK or an answer with a reason is no message that was taken."""
    puback, with_reason = b"\x40\x02\0\x01", b"\x40\x03\0\x02\x10"
    assert acknowledgements(puback + b"\x90\x04\0\x01\0\x01" + with_reason) == 2


@pytest.mark.system
def test_a_light_client_hears_what_another_publishes_beyond_the_window(mosquitto):
    """Its window is the broker's: with more in flight Mosquitto hangs up."""
    speaker, listener = Publisher(mosquitto.url, "speaker"), Publisher(mosquitto.url, "listener")
    listener.subscribe("a/+")
    heard, deadline = [], time.monotonic() + 10
    while not heard and time.monotonic() < deadline:  # until the subscription stands
        if speaker.settled:
            speaker.queue(b"a/first", b"0")
        for client in (speaker, listener):
            client.push()
            heard += client.hear()
    for number in range(1000):
        speaker.queue(b"a/b", str(number).encode())
    while (
        not (speaker.settled and listener.settled and (b"a/b", b"999") in heard)
        and time.monotonic() < deadline
    ):
        for client in (speaker, listener):
            client.push()
            heard += client.hear()
    assert [int(payload) for topic, payload in heard if topic == b"a/b"] == list(range(1000))
    speaker.close()
    listener.close()


def step(devices, cost, lost=0):
    """A step of which only the cost matters."""
    nothing = {"p50": None, "p99": None}
    return Step(devices, 0, 0, {}, cost, {}, 0.0, {}, nothing, nothing, nothing, lost, 0, archived=1.0)


@pytest.mark.parametrize(
    ("costs", "flat", "both_ways"),
    [((1.0, 0.9, 0.85), True, True), ((1.0, 0.5), True, False), ((1.0, 1.3), False, False)],
)
def test_cheaper_and_dearer_are_told_apart(costs, flat, both_ways):
    """Only one of them is a warning to whoever adds beds; both are reported."""
    report = bench_fleet._report([step(10 * n, cost) for n, cost in enumerate(costs, 1)], {}, 20)
    assert (report["flat"], report["flat_both_ways"]) == (flat, both_ways)
    assert report["falls_to"] == costs[-1]


def test_the_marginal_cost_leaves_out_what_a_fleet_of_any_size_needs():
    """By hand: 10 ms of batches and 0.5 ms a bed are 1.5 ms a bed of 10 and 0.6 ms a bed of 100."""
    assert bench_fleet.marginal([step(10, 1.5), step(100, 0.6)]) == {"10-100": 0.5}


@pytest.mark.parametrize("steps", ["", "ten", "0", "100,-1", "100000000"])
def test_absurd_steps_are_refused(steps):
    """What, the value, the limit."""
    with pytest.raises(SpondylError, match="--steps is"):
        CliRunner().invoke(build(), ["bench", "fleet", "--steps", steps], catch_exceptions=False)


@pytest.mark.system
def test_a_small_fleet_reports_every_figure_and_loses_nothing(monkeypatch):
    """The fields that others rely on, from a real run of a small fleet."""
    monkeypatch.setattr(bench_fleet, "IDLE_S", 1.0)  # its figures are nobody's here
    result = CliRunner().invoke(build(), ["bench", "fleet", "--steps", "40", "--seconds", "20", "--json"])
    report = json.loads(result.stdout)
    assert [row["devices"] for row in report["steps"]] == [40]
    assert set(report["cost_per_device"]) == {"40"}
    assert report["lost_samples"] == report["duplicate_samples"] == 0
    for row in report["steps"]:
        assert (
            set(row["cpu_ms"])
            == set(report["idle_memory_mb"])
            == {"broker", "redis", "ingest", "archiver", "api"}
        )
        assert row["archived"] >= 0.9
        assert 0 < row["committed_ms"]["p50"] <= row["committed_ms"]["p99"]
        assert 0 < row["served_ms"]["p50"] <= row["served_ms"]["p99"]
        assert row["disk_bytes_per_device_s"]["hot"] > row["disk_bytes_per_device_s"]["archive"] > 0
    assert result.exit_code == int(not report["flat"])
    assert orjson.dumps(report)
