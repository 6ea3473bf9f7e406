import json
from pathlib import Path

import numpy as np
import pytest

from services.controller import simulate
from services.controller.beds.simulated import SIGNALS
from services.kit.therapy.prescription import Prescription, default_prescription

SCENARIOS = sorted((Path(__file__).parent.parent / "scenarios").glob("*.json"))


def injection_of(given, tmp_path):
    """The counter-tension a scenario asks for, by way of a file as a user would give it."""
    if "scale_n" not in given:
        return None
    rate_hz = given.get("rate_hz", 1000.0)
    path = tmp_path / "force.csv"
    if "file" in given:
        path = SIGNALS / given["file"]
    else:
        time = np.arange(0.0, given["cosine_s"], 1.0 / rate_hz)
        path.write_text("\n".join(map(str, 0.5 - 0.5 * np.cos(2 * np.pi * time / given["cosine_s"]))))
    return simulate.read_injection(
        path, rate_hz, given["scale_n"], given["at_s"], emg=given.get("emg", False)
    )


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario(path, tmp_path):
    """Each file says in `why` what it guards; the simulation must come out within its bounds."""
    scenario = json.loads(path.read_text())
    given, expect = scenario["given"], scenario["expect"]
    prescribed = (
        Prescription.parse(given["prescription"]) if "prescription" in given else default_prescription()
    )
    plan = simulate.Plan(
        prescribed,
        given["seed"],
        given["minutes"],
        given.get("period_ms", 20) / 1000.0,
        injection_of(given, tmp_path),
    )
    result = simulate.report(plan, simulate.simulate(plan))
    rows = [row for row in result["guarding"] if row["onset_s"] is not None]
    assert len(rows) == expect["bursts"]
    assert len(result["guarding"]) - len(rows) == expect["false_stops"]
    assert sum(row["detected_s"] is None for row in rows) <= expect.get("missed", 0)
    assert all(row["latency_ms"] <= expect["latency_ms"] for row in rows)
    assert all(row["peak_over_target_n"] <= expect["over_n"] for row in rows)
    assert result["reason"] == expect["reason"]
    assert set(result["violations"].values()) == {0}
    for name in ("hold_rms_n", "ramp_rms_n"):
        assert result["tracking"][name] <= expect.get(name, 1.2)


def test_there_are_scenarios():
    """A glob that finds nothing would pass in silence."""
    assert len(SCENARIOS) >= 8
