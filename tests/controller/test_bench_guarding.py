"""The benches of detector and force law in a short form; the long one is `make bench`."""

import numpy as np
import pytest

from services.controller.benches import bench_guarding, bench_tracking, bench_yielding
from services.controller.kernel import layout, rivals
from services.controller.simulation import scoring


@pytest.fixture(scope="module")
def short():
    """Half an hour and four contractions of each kind and size."""
    return bench_guarding.measure(0.5, 4, say=lambda _: None)


def test_nothing_is_judged_on_patients_it_was_tuned_on():
    """A detector tuned on its own examination would pass any."""
    assert not set(bench_guarding.TUNED_ON) & set(bench_guarding.EVALUATED_ON)
    judged = {bench_guarding.CALM, bench_guarding.CONTRACTING, bench_guarding.COUGHING,
              bench_guarding.UNSUITABLE, bench_tracking.SEED}  # fmt: skip
    assert judged <= set(bench_guarding.EVALUATED_ON)
    assert bench_tracking.SEARCH_SEED in bench_guarding.TUNED_ON


def test_every_detector_is_told_for_every_kind_and_size(short):
    """A row that is left out is the one that is bad."""
    for name in ("ours", "ours_with_emg", *rivals.DETECTORS):
        for kind in bench_guarding.KINDS:
            assert set(short["detectors"][name][kind]) == {"10", "20", "40", "80"}
            for size, row in short["detectors"][name][kind].items():
                assert set(row) == {"p50_ms", "p95_ms", "miss_percent", "count"}
                assert row["count"] == 4
                phases = short["by_phase"][name][kind][size].values()
                assert sum(row["count"] for row in phases) == 4
    ways = {"stop_and_ease", "force_control_only", "locked_drive"}
    assert set(short["overshoot_n"]["80"]) == ways | {"clairvoyant"}
    assert set(short["base_dip_n"]) == ways
    assert set(short["periods_ms"]["5"]["synthetic"]) == {"10", "20", "40", "80"}
    assert len(short["goals"]) == 18


def test_large_fast_contractions_are_found_by_everybody(short):
    """A rival that is deaf by mistake makes any detector look good."""
    for name in ("ours", *rivals.DETECTORS):
        assert short["detectors"][name]["synthetic"]["80"]["miss_percent"] == 0.0
        assert short["detectors"][name]["synthetic"]["80"]["p50_ms"] < 60.0
    over = short["overshoot_n"]["80"]
    assert over["stop_and_ease"]["p50"] < over["force_control_only"]["p50"] < over["locked_drive"]["p50"]
    assert over["clairvoyant"]["p50"] < over["stop_and_ease"]["p50"]
    assert 0.0 < short["share_of_drive"]["80"]["p50"] <= 1.0


def test_a_goal_that_is_missed_says_so(short):
    """The command's exit status hangs on it."""
    worse = {**short, "false_stops_per_hour": 0.2}
    worse["detectors"] = {"ours": {kind: {size: {"p95_ms": None, "miss_percent": 100.0} for size in rows}
                                   for kind, rows in short["detectors"]["ours"].items()}}  # fmt: skip
    assert not any(bench_guarding.goals(worse).values())


def test_a_missed_contraction_comes_never():
    """Quantiles of those that were found would flatter whoever misses the hard ones."""
    rows = [{"latency_ms": value} for value in (10.0, 20.0, None, None)]
    assert bench_guarding.told(rows) == {"p50_ms": None, "p95_ms": None, "miss_percent": 50.0, "count": 4}
    assert bench_guarding.told(rows[:2] * 10)["p50_ms"] == 20.0


def test_the_time_a_stop_costs_is_that_of_easing_and_rebuilding():
    """It is what the patient loses of the pull."""
    samples = np.zeros((500, len(layout.SAMPLES)), np.int32)
    samples[:, layout.S_PHASE] = layout.HOLD
    samples[100:250, layout.S_PHASE] = layout.GUARDED
    samples[250:300, layout.S_PHASE] = layout.REBUILD
    nothing = np.zeros(500)
    course = scoring.Course(0.02, 0, samples, nothing, nothing, nothing, nothing)
    assert bench_guarding.lost_seconds(course) == pytest.approx([4.0])


def test_a_fast_rebuild_is_told_from_a_slow_one_and_the_stops_after_it_are_counted():
    """What a contraction costs that is taken for a cough is read from the course, not from the kernel."""
    for climb_n_s, fast in ((25.0, 1.0), (6.0, 0.0)):
        samples = np.zeros((4000, len(layout.SAMPLES)), np.int32)
        samples[:, layout.S_PHASE], samples[:, layout.S_TARGET] = layout.HOLD, 200_000
        samples[[100, 900], layout.S_EVENTS] = layout.EVENT_GUARDING_DETECTED
        samples[100:250, layout.S_PHASE] = layout.GUARDED
        samples[250:300, layout.S_PHASE] = layout.REBUILD
        samples[100:300, layout.S_TARGET] = 160_000
        samples[250:300, layout.S_TARGET] += (np.arange(50) * 20 * climb_n_s).astype(np.int32)
        tension, parameters = np.full(4000, 203.0), np.zeros(len(layout.PARAMETERS))
        tension[110] = 260.0
        parameters[layout.P_REBUILD] = 6.0
        course = scoring.Course(0.02, 0, samples, tension, tension, tension, parameters)
        assert bench_yielding.rebuilt(course, 1.5) == {"fast": fast, "stops": 2.0, "over_n": 3.0}
    assert bench_yielding.rebuilt(course, 70.0) is None


def test_a_dip_below_the_base_counts_from_the_base():
    """A tenth of base may go after a contraction; more is said."""
    told = bench_yielding.dips_told([0.0, 0.0, 5.0, 20.0], 90.0)
    assert told["max"] == 20.0
    assert told["below_nine_tenths_percent"] == 25.0


def test_the_search_tells_good_gains_from_poor_and_from_shaky_ones():
    """Ours needs an equal to be beaten by, and one that oscillates when commands are late is none."""
    poor = bench_tracking._errors((0.02, 0.01, 0.0), 4, 2.0, 0)
    good = bench_tracking._errors((0.3, 0.3, 0.0), 4, 2.0, 0)
    late = bench_tracking._errors((1.2, 0.3, 0.0), 4, 2.0, bench_tracking.DELAY_TICKS)
    assert sum(good) < 0.7 * sum(poor)
    assert max(late) > bench_tracking.TOLERABLE_N
