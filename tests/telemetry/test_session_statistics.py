"""Measures against arithmetic by hand, and against the gateway's own summary of the same session."""

import numpy as np
import pytest
from simulated_session import simulated

from services.telemetry.archive.models import BIT, PHASES, UNMEASURED, Run
from services.telemetry.archive.runs import tension_runs
from services.telemetry.archive.statistics import session_statistics as measure


def made(*stretches, first=0, period_ms=100.0, unmeasured=None):
    """A run of (phase, samples, tension, target, position) stretches; 10 samples a second.

    ``unmeasured``: of each stretch the columns that nobody measured.
    """
    rows = [
        (round(tension * 10), round(target * 100), round(position * 100), 0, PHASES.index(phase))
        for phase, samples, tension, target, position in stretches
        for _ in range(samples)
    ]
    columns = np.array(rows, dtype=np.int64).T
    names = ("tension_n", "target_n", "position_mm", "residual_n", "phase")
    decimals = {"tension_n": 1, "target_n": 2, "position_mm": 2, "residual_n": 2, "phase": 0}
    named = dict(zip(names, columns, strict=True))
    if unmeasured is not None:
        bits = [sum(BIT[name] for name in some) for some in unmeasured]
        named[UNMEASURED] = np.repeat(bits, [samples for _, samples, *_ in stretches])
    return Run(first, period_ms, ((first, 0),), named, decimals)


def test_peak_holds_and_phases_are_those_of_the_samples():
    """By hand: two holds at 100 and 104 N towards 102 N."""
    found = measure([
        made(("idle", 10, 500.0, 0, 0), ("ramp", 20, 50.0, 60, 1), ("hold", 50, 100.0, 102, 2),
             ("rest", 20, 20.0, 20, 1.0), ("guarded", 5, 90.0, 20, 1), ("hold", 50, 104.0, 102, 2),
             ("rest", 20, 20.0, 20, 1.5)),
    ])  # fmt: skip
    assert (found["peak_n"], found["hold_mean_n"], found["hold_rms_n"]) == (104.0, 102.0, 2.0)
    assert (found["holds"], found["guardings"], found["samples"], found["missing"]) == (2, 1, 175, 0)
    assert found["phase_s"] == {"idle": 1.0, "ramp": 2.0, "hold": 10.0, "rest": 4.0, "guarded": 0.5}
    assert found["traction_s"] == 16.5


def test_a_hold_that_was_not_finished_is_a_hold_and_no_cycle():
    """The gateway counts finished cycles: one name must not mean two numbers side by side."""
    found = measure(
        [made(("hold", 50, 100.0, 102, 2), ("release", 5, 60.0, 60, 1), ("hold", 3, 99.0, 102, 2))]
    )
    assert found["holds"] == 2
    assert "cycles" not in found


def test_creep_is_what_stays_at_base_tension_and_what_comes_in_a_hold():
    """Lengthening under unchanged tension, not the elastic one of a higher pull."""
    ramp = np.linspace(2.0, 2.5, 51).tolist()  # 0.5 mm in 5 s: 6 mm/min
    hold = [("hold", 1, 100.0, 100, position) for position in ramp]
    found = measure([made(*hold, ("rest", 30, 20.0, 20, 1.0), *hold, ("rest", 30, 20.0, 20, 1.7))])
    assert found["creep_mm"] == 0.7
    assert found["creep_mm_min"] == pytest.approx(6.0, abs=0.01)


def test_what_is_missing_between_runs_is_told():
    """A mean over half a session must not look like one over all of it."""
    found = measure([made(("hold", 10, 1.0, 1, 0)), made(("hold", 10, 1.0, 1, 0), first=25)])
    assert (found["samples"], found["missing"]) == (20, 15)


def test_what_nobody_measured_is_in_no_figure_but_time():
    """A lost load cell's numbers are no tension, and a silent bed's position is where it once was."""
    stretches = [("hold", 50, 100.0, 102, 2), ("hold", 30, 900.0, 102, 2), ("hold", 20, 100.0, 102, 90),
                 ("rest", 20, 20.0, 20, 1.0), ("rest", 20, 20.0, 20, 50.0)]  # fmt: skip
    all_three = ("tension_n", "position_mm", "residual_n")
    found = measure([made(*stretches, unmeasured=[(), ("tension_n",), all_three, (), all_three])])
    assert (found["peak_n"], found["hold_mean_n"], found["hold_rms_n"]) == (100.0, 100.0, 2.0)
    assert (found["samples"], found["unmeasured"], found["missing"]) == (140, 70, 0)
    assert (found["holds"], found["phase_s"]) == (1, {"hold": 10.0, "rest": 4.0})
    assert found["creep_mm_min"] == 0.0
    assert found["columns"]["tension_n"] == {"count": 70, "sum": 5400.0, "min": 20.0, "max": 100.0}
    assert found["columns"]["target_n"]["count"] == 140


def test_a_session_that_nobody_measured_has_time_and_nothing_else():
    """The load cell was away from the first sample on."""
    found = measure([made(("hold", 50, 0.0, 102, 2), unmeasured=[("tension_n", "position_mm")])])
    assert (found["peak_n"], found["hold_mean_n"], found["hold_rms_n"]) == (None, None, None)
    assert (found["creep_mm_min"], found["creep_mm"], found["phase_s"]) == (None, None, {"hold": 5.0})
    assert found["columns"]["tension_n"] == {"count": 0, "sum": 0.0, "min": None, "max": None}


def test_no_samples_have_no_measures():
    """A session whose samples have not come yet is no error."""
    found = measure([])
    assert (found["samples"], found["peak_n"], found["creep_mm"], found["phase_s"]) == (0, None, None, {})


def test_measures_agree_with_the_gateway_s_own_summary():
    """Two ways to the same number: from the loop's integers, and from what was published and stored."""
    session = simulated(minutes=10.0)
    found, summary = measure(tension_runs(session.tension)), session.summary
    assert (found["samples"], found["missing"]) == (len(session.samples), 0)
    assert found["phase_s"] == summary.phase_s
    assert found["traction_s"] == pytest.approx(summary.traction_s, abs=1e-6)
    assert (found["peak_n"], found["guardings"]) == (summary.peak_n, summary.guardings)
    assert found["hold_mean_n"] == pytest.approx(summary.hold_mean_n, abs=0.005)
    assert found["hold_rms_n"] == pytest.approx(summary.hold_rms_n, abs=0.005)  # its target is not rounded
    assert found["holds"] == summary.cycles  # the last one too was finished
    assert 0 < found["creep_mm_min"] < 10
    assert abs(found["creep_mm"]) < 50
