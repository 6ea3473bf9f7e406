"""`spondyl bench wall`: what it reports, and the ward that it plays."""

import json

import pytest
from typer.testing import CliRunner

from broker.messages import AlarmState, DeviceState, GatewayStatus, TensionBlock
from services.cli import build
from services.console import blocks
from services.console.benches.ward import CYCLE_BLOCKS, PERIOD_MS, SAMPLES, Ward

WARD = Ward(120, 1_700_000_000.0)


def test_what_the_ward_publishes_is_of_the_contract():
    """A benchmark that feeds something else measures something else."""
    for name, beds in WARD.gateways().items():
        assert len(GatewayStatus.model_validate_json(WARD.birth(name, beds)).devices) == len(beds)
    for bed in (0, 1):
        for turn in range(CYCLE_BLOCKS):
            block = TensionBlock.model_validate_json(WARD.tension(bed, turn))
            assert isinstance(blocks.read(WARD.tension(bed, turn)), blocks.LightBlock)
            assert block.seq == SAMPLES * turn
        DeviceState.model_validate_json(WARD.state(bed, 3))
        assert len(AlarmState.model_validate_json(WARD.alarm(bed, 3, on=True)).alarms) == 1


def test_a_block_is_due_when_its_last_sample_is_taken():
    """Latency counts from there; a block that is published later would flatter nobody."""
    for bed, turn in ((0, 0), (7, 3), (119, 40)):
        block = TensionBlock.model_validate_json(WARD.tension(bed, turn))
        last = block.started_at.timestamp() + (SAMPLES - 1) * PERIOD_MS / 1000
        assert WARD.due(turn * WARD.beds + bed) == pytest.approx(last, abs=1e-4)


@pytest.mark.browser
@pytest.mark.system
def test_a_short_bench_reports_everything_that_others_rely_on():
    """The fields and their sense; four seconds on a busy machine say nothing about speed."""
    options = ["--beds", "50", "--browsers", "2", "--seconds", "4", "--json"]
    result = CliRunner().invoke(build(), ["bench", "wall", *options])
    assert result.stdout, result.stderr
    report = json.loads(result.stdout)
    assert (report["beds"], report["browsers"], report["seconds"]) == (50, 2, 4.0)
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p99"]
    assert report["tiles_visible"] > 0
    assert report["frames_per_s"] > 0
    assert report["bytes_per_s"]["total"] == report["bytes_per_s"]["sse"] + report["bytes_per_s"]["websocket"]
    assert min(report["bytes_per_s"].values()) > 0
    for part in ("console", "broker", "publisher"):
        assert report[part]["cpu_share"] > 0
    assert report["console"]["memory_mb"] > 0
    assert report["publisher"]["offered_per_s"] == 250
    assert report["publisher"]["blocks"] > 50 * 4 * 5
    for drawn in (report["peer"], report["ours_at_64"]):
        assert drawn["tiles"] == 64
        assert drawn["frames_per_s"] > 0
        assert drawn["update_ms"] > 0
    assert report["peer"]["library"] == "uPlot"
    assert {"browser", "broker", "python"} <= set(report["versions"])
    assert {goal["name"] for goal in report["goals"]} == {"latency_ms.p99", "publisher.late_ms.p99"}
    assert report["ok"] is all(goal["ok"] for goal in report["goals"])
    assert result.exit_code == int(not report["ok"])
