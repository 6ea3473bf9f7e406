"""The benchmark itself: the demand it makes is sound, and what it says of both planners is counted."""

import pytest

from services.scheduler.benches import bench_plan
from services.scheduler.benches.demand import clinics, requests
from services.scheduler.planner.check import conflicts
from services.scheduler.planner.problem import Effort


def test_the_houses_are_as_full_as_asked_and_without_a_conflict():
    """A demand that overlaps itself would measure nothing."""
    rows = clinics(3, 7, 0.8, seed=1)
    assert [len(clinic.devices) for clinic in rows] == [3, 2, 2]
    for clinic in rows:
        assert conflicts(clinic.problem, []) == []
        assert len(clinic.booked) / clinic.capacity == pytest.approx(0.8, abs=0.01)
        assert list(requests(clinic, 5, 1)) == list(requests(clinic, 5, 1))
    assert clinics(1, 2, 0.5, seed=1)[0].booked == clinics(1, 2, 0.5, seed=1)[0].booked


def test_the_result_has_both_planners_side_by_side():
    """First fit is the named peer: the same patients, the same figures."""
    result = bench_plan.measure(2, 4, 0.6, 6, 1, Effort(place_s=60))
    assert result["conflicts"] == result["greedy"]["conflicts"] == 0
    assert result["utilisation_reached"] == pytest.approx(0.6, abs=0.02)
    assert result["proven_optimal_share"] == 1.0
    assert result["placed"] + result["planner"]["patients_refused"] == 6
    ours, theirs = result["planner"], result["greedy"]
    for figure in ("cadence_violations", "distinct_times", "device_idle_minutes", "patients_refused"):
        assert ours[figure] >= 0
        assert theirs[figure] >= 0
    assert (ours["cadence_violations"], ours["distinct_times"]) < (
        theirs["cadence_violations"],
        theirs["distinct_times"],
    )
    assert result["versions"].keys() == {"ortools", "python"}
    assert "proven best" in bench_plan.words(result)
