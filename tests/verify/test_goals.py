"""The goals of docs/control.md over populations large enough to show them; `make verify` runs it.

The small forms are tests/controller/test_detection.py and test_tracking.py.
"""

import numpy as np
import pytest

from services.controller.kernel.faults import FAULT_KINDS
from services.controller.simulation import study
from services.controller.verifying import mutants, running

pytestmark = pytest.mark.soak

SEEDS = (211, 223)  # people that no threshold was chosen on
LATEST_MS = {10.0: 100.0, 20.0: 65.0, 40.0: 42.0, 80.0: 28.0}  # 95 % are found by then
MISSED_SHARE = {10.0: 0.005, 20.0: 0.001, 40.0: 0.001, 80.0: 0.001}
OVER_N = {20.0: 7.0, 40.0: 18.0, 80.0: 52.0}  # medians
PEOPLE = 4000


@pytest.mark.parametrize("scale_n", LATEST_MS)
def test_contractions_of_thousands_are_found_in_time(scale_n):
    """The promise on the page, with as many people as it takes to see one miss in a thousand."""
    found = study.detection(study.synthetic, scale_n, PEOPLE, 211)
    assert np.quantile(found.latency_ms, 0.95) <= LATEST_MS[scale_n]
    assert found.missed_share <= MISSED_SHARE[scale_n]
    assert np.median(found.over_n) <= OVER_N.get(scale_n, 7.0)


@pytest.mark.parametrize(("period_ms", "people"), [(20, 200), (10, 100), (5, 50)])
def test_false_stops_are_rarer_than_one_in_ten_hours(period_ms, people):
    """A false stop costs minutes of therapy and trust."""
    result = study.calm(people, 30.0, 227, period_ms / 1000)
    assert result.hours >= people / 2
    assert result.false_stops / result.hours <= 0.1
    assert np.quantile(result.hold_rms_n, 0.95) <= 0.8
    assert np.quantile(result.ramp_rms_n, 0.95) <= 0.9
    assert set(result.violations.values()) == {0}


@pytest.mark.parametrize("seed", SEEDS)
def test_no_invariant_is_broken_in_hundreds_of_faulty_sessions(seed):
    """Every fault of the list, coughs and contractions: the envelope holds all the same."""
    for outcome in running.outcomes(seed, list(range(500)), FAULT_KINDS):
        assert outcome.broken == {}, outcome


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.name)
def test_every_broken_kernel_is_caught(mutant):
    """The short form takes three of them."""
    assert mutants.caught_by(mutant)
