"""`spondyl bench loop`: what it reports and how it refuses; never how fast this machine is."""

import json
import shutil
from collections import Counter

import numpy as np
import pytest
from pymodbus.exceptions import ModbusIOException
from typer.testing import CliRunner

from services.cli import build
from services.controller.beds.addresses import drive_address
from services.controller.benches import bench_link
from services.controller.benches.bench_loop import _summary_us, no_more
from services.controller.kernel import layout
from services.kit.errors import SpondylError

needs_peer = pytest.mark.skipif(shutil.which("cyclictest") is None, reason="cyclictest (rt-tests) is needed")


@needs_peer
def test_a_run_reports_loop_and_peer_side_by_side():
    """The fields that others rely on, from a real run of a second."""
    result = CliRunner().invoke(
        build(), ["bench", "loop", "--beds", "2", "--period-ms", "5", "--seconds", "1", "--hog", "--json"]
    )
    report = json.loads(result.stdout)
    assert report["ticks"] >= 200
    assert report["hog"] is True
    for name in ("late_us", "compute_us", "link_us", "cyclictest_us"):
        assert set(report[name]) == {"p50", "p99", "p999", "max"}
        assert 0 < report[name]["p50"] <= report[name]["p99"] <= report[name]["p999"] <= report[name]["max"]
    assert report["p99_ratio"] == pytest.approx(
        report["late_us"]["p99"] / report["cyclictest_us"]["p99"], abs=0.001
    )
    assert report["compute_limit_us"] == 2500
    assert set(report["late_over_1ms"]) == {"ours", "cyclictest"}
    goals = report["goals"]
    assert goals["compute_p99_under_half_the_period"] is (report["compute_us"]["p99"] < 2500)
    assert goals["late_p99_within_ratio"] is (report["p99_ratio"] <= report["ratio_limit"])
    assert result.exit_code == int(not all(goals.values()))
    assert report["scheduling"].startswith(("SCHED_FIFO", "normal"))


def test_rare_lateness_is_compared_with_its_scatter():
    """Three against one in thirty thousand says nothing; thirty against three does."""
    assert no_more(3, 1)
    assert no_more(0, 0)
    assert not no_more(30, 3)


def test_without_cyclictest_it_says_what_to_install(monkeypatch):
    """A figure without its peer says nothing: the bench refuses."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SpondylError, match="apt-get install rt-tests"):
        CliRunner().invoke(build(), ["bench", "loop", "--seconds", "1"], catch_exceptions=False)


def test_percentiles_of_the_peer_are_those_of_its_histogram():
    """Both sides are counted by the same rule, or the ratio lies."""
    summary = _summary_us(Counter({10: 500, 20: 490, 30: 9, 400: 1}))
    assert summary == {"p50": 10.5, "p99": 20.5, "p999": 30.5, "max": 400.0}


class Unanswered:
    """pymodbus' client where no answer came, after its own repetitions."""

    def readwrite_registers(self, **_):
        """What it does then."""
        raise ModbusIOException("No response received after 3 retries")


def test_a_peer_without_an_answer_is_counted_and_does_not_end_the_bench():
    """On a busy machine the drive's process got no processor for seconds: a trace instead of figures."""
    peer, command = bench_link.Peer(), np.zeros((len(layout.COMMANDS), 1), np.int32)
    reading = np.ones((len(layout.READINGS), 1), np.int32)
    address = drive_address("modbus://10.0.0.21:502?unit=1")
    assert bench_link._exchange(Unanswered(), address, 7, command, reading, peer) == 8
    assert peer.unanswered == 1
    assert reading.all()
