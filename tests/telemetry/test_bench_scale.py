"""`spondyl bench scale`: how it adds up and what it extrapolates; how fast it is here is nobody's test."""

import json

import pytest
from typer.testing import CliRunner

from services.cli import build
from services.kit.benches.usage import Usage
from services.kit.errors import SpondylError
from services.telemetry.benches import bench_scale
from services.telemetry.benches.bench_fleet import Step

NAMES = ("broker", "redis", "ingest", "ingest-2", "archiver", "api")
IDLE = dict.fromkeys(NAMES, Usage(0.01, 50.0))


def _step(devices, cpu_ms=0.1, lost=0):
    """A step in which every process costs the same."""
    times = {"p50": 10.0, "p99": 20.0}
    return Step(
        devices=devices, published_messages=26 * devices, published_bytes=26_000 * devices,
        cpu_ms=dict.fromkeys(NAMES, cpu_ms), cost_per_device=5 * cpu_ms,
        memory_mb=dict.fromkeys(NAMES, 50.0 + devices / 1000), memory_kb_per_device=6.0,
        disk_bytes_per_device_s={"hot": 1300.0, "archive": 70.0, "index": 10.0}, committed_ms=times,
        served_ms=times, publisher_late_ms=times, lost_samples=lost, duplicate_samples=0, archived=1.0,
    )  # fmt: skip


def test_ingest_workers_are_one_part_and_what_answers_people_is_none():
    """The cost of a bed must not look smaller because four processes share it."""
    row = bench_scale._row(_step(1000), IDLE, 2, 25)
    assert row["cpu_ms"]["ingest"] == pytest.approx(0.2)
    assert row["cpu_ms_per_device_s"] == pytest.approx(0.5)
    assert row["memory_kb"] == {"broker": 1.0, "redis": 1.0, "ingest": 2.0, "archiver": 1.0, "api": 1.0}
    assert (row["messages_per_s"], row["messages_per_device_s"]) == (1000.0, 1.0)


def test_sizes_follow_the_largest_step_and_say_where_nobody_has_measured():
    """An operations team buys machines by this table."""
    rows = [
        bench_scale._row(_step(devices), IDLE, workers, 25) for workers in (1, 2) for devices in (60, 600)
    ]
    sizes = bench_scale.sizes(rows)
    assert [(one["clinics"], one["devices"], one["extrapolated"]) for one in sizes] == [
        (1, 6, False), (10, 60, False), (100, 600, False), (1000, 6000, True),
    ]  # fmt: skip
    assert sizes[3]["cores"] == pytest.approx(6000 * 0.5 / 1000 / bench_scale.BUSY, abs=0.01)
    assert sizes[3]["ingest_workers"] == 2
    assert sizes[0]["ingest_workers"] == 1
    assert sizes[3]["messages_per_s"] == 6000.0
    assert sizes[3]["redis_memory_mb"] == round(6000 * 1000 * 3600 * bench_scale.HOT_H / 1e6)


@pytest.mark.parametrize(
    ("options", "why"),
    [(("--replicas", "0"), "--replicas is '0'"), (("--devices", "many"), "--devices is 'many'"),
     (("--seconds", "30"), "a multiple of 20")],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused(options, why):
    """An hour later is too late."""
    told = CliRunner().invoke(build(), ["bench", "scale", *options])
    assert isinstance(told.exception, SpondylError)
    assert why in told.exception.message


@pytest.mark.system
@pytest.mark.soak
def test_the_whole_of_it_loses_nothing_and_has_its_peer_beside():
    """The figures of a run that lost samples are worth nothing."""
    options = ["--replicas", "1,2", "--devices", "20,60", "--seconds", "20", "--json"]
    told = CliRunner().invoke(build(), ["bench", "scale", *options])
    result = json.loads(told.stdout)
    assert told.exit_code == 0
    assert (result["lost_samples"], result["duplicate_samples"]) == (0, 0)
    assert [(row["replicas"], row["devices"]) for row in result["rows"]] == [
        (1, 20),
        (1, 60),
        (2, 20),
        (2, 60),
    ]
    assert result["peer"]["cpu_ms_per_device_s"] > 0
    assert {"mosquitto", "valkey", "spondyl"} <= set(result["versions"])
