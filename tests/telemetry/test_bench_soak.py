"""`spondyl bench soak`: what it calls flat, and a short run of a real system."""

import json

import pytest
from typer.testing import CliRunner

from services.cli import build
from services.telemetry.benches.bench_soak import allowed_mb_per_h, fitted, trend

HOUR_S = 3600.0


def course(mb_per_h, noise_mb=0.0, samples=360):
    """(seconds, megabytes) of an hour: a line with a saw-tooth on it."""
    return [(10.0 * n, 100.0 + mb_per_h * 10.0 * n / HOUR_S + noise_mb * (n % 2)) for n in range(samples)]


def test_the_slope_and_its_error_are_those_of_a_least_squares_line():
    """By hand: y = 1, 3, 2, 4 over 0 .. 3 has slope 0.8; residuals squared sum to 1.8."""
    slope, error = fitted([0, 1, 2, 3], [1, 3, 2, 4])
    assert slope == pytest.approx(0.8)
    assert error == pytest.approx((1.8 / 2 / 5) ** 0.5)


@pytest.mark.parametrize(
    ("mb_per_h", "noise_mb", "flat"),
    [(0.0, 0.0, True), (1.0, 0.1, True), (5.0, 0.1, False), (5.0, 200.0, True)],
)
def test_growth_is_called_growth_when_it_is_certain_and_matters(mb_per_h, noise_mb, flat):
    """A leak of 5 MB an hour ends a small machine in a month; noise is no leak."""
    assert trend(course(mb_per_h, noise_mb), HOUR_S, allowed_mb_per_h("console", 6)).flat is flat


def test_a_start_that_fills_caches_is_not_taken_for_a_leak():
    """Until every bed's first session is archived, some work is done for the first time."""
    warming = [(at, size - max(0.0, 1500.0 - at) / 50) for at, size in course(0.0)]
    assert trend(warming, HOUR_S, 2.0).flat


def test_redis_may_hold_what_the_beds_publish_before_it_is_archived():
    """Its own limit is in the rule that the report states."""
    assert allowed_mb_per_h("redis", 6) > 10 * allowed_mb_per_h("console", 6)


@pytest.mark.system
def test_a_short_soak_reports_every_process_and_loses_nothing():
    """The fields that others rely on; half a minute says nothing about a slope."""
    result = CliRunner().invoke(build(), ["bench", "soak", "--minutes", "0.5", "--beds", "2", "--json"])
    report = json.loads(result.stdout)
    assert report["lost_samples"] == report["duplicate_samples"] == 0
    assert report["samples"] > 0
    assert {"up", "mosquitto", "redis", "north/loop", "south/recorder"} <= set(report["processes"])
    for row in report["processes"].values():
        assert set(row) == {"samples", "memory_mb", "largest_mb", "slope_mb_per_h", "error_mb_per_h", "flat"}
        assert row["largest_mb"] >= row["memory_mb"] > 0
    assert "MB/h" in report["rule"]
    assert result.exit_code == int(not report["flat"])
