"""`spondyl bench kernel`: what it reports and how it refuses; never how fast this machine is."""

import json

import pytest
from typer.testing import CliRunner

from services.cli import build
from services.controller.verifying import running
from services.kit.errors import SpondylError

SHORT = ["bench", "kernel", "--beds", "8", "--ticks", "200", "--rounds", "4"]


@pytest.fixture(autouse=True)
def stepwise(monkeypatch):
    """The verification's outer loop uncompiled: its compilation is not what is tested."""
    monkeypatch.setattr(running, "watch", running.watch.py_func)


def test_a_run_reports_kernel_and_c_side_by_side():
    """The fields that others rely on, from a real run; the exit status is what the ratio says."""
    result = CliRunner().invoke(build(), [*SHORT, "--json"])
    report = json.loads(result.stdout)
    assert report["with_plant_ns_per_bed_tick"] > report["controller_ns_per_bed_tick"] > 0
    ratio = report["controller_ns_per_bed_tick"] / report["c_ns_per_bed_tick"]
    assert report["ratio_to_c"] == pytest.approx(ratio, rel=0.01)
    missed = report["ratio_to_c"] > report["ratio_limit"] or report["sessions_per_minute"] < 3000
    assert result.exit_code == int(missed)
    assert report["verified_ns_per_bed_tick"] > 0
    assert report["sessions_per_minute_goal"] == 3000
    assert report["ratio_limit"] == 1.1
    assert {"python", "numba", "numpy", "gcc", "gcc_flags", "cpu"} <= set(report["versions"])


def test_without_a_compiler_it_says_what_to_install(monkeypatch):
    """A figure without its peer says nothing: the bench refuses."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SpondylError, match="gcc is not installed"):
        CliRunner().invoke(build(), SHORT, catch_exceptions=False)
