import numpy as np
import pytest
from spring_bed import PRESCRIBED, bed_in

from services.controller.kernel import coughs, layout
from services.controller.kernel import state as at

FIT = ((40.0, 0.25), (0.0, 0.2)) * 3  # newtons, seconds: three coughs


def push(bed, pushes):
    """Counter-tensions one after the other, then none until it is rebuilt; the stop's sample."""
    for newtons, seconds in pushes:
        bed.counter_n = newtons
        bed.run(seconds)
    bed.counter_n = 0.0
    assert bed.phase == "guarded"
    bed.until(layout.REBUILD, 15.0)


def rates_of_rebuild(bed):
    """Greatest climb and fall (N/s) of the target while it is rebuilt, and the phase that follows."""
    targets = [bed.sample[layout.S_TARGET, 0] / 1000]
    while bed.phase == "rebuild":
        targets.append(bed.tick()[layout.S_TARGET] / 1000)
    change = np.diff(targets[:-1]) / bed.period_s
    return change.max(), -change.min(), bed.phase


def pushed_in_hold(pushes, **changes):
    """A bed in a hold, pushed, and what its rebuild was like."""
    bed = bed_in(layout.HOLD, hold_s=60, **changes)
    bed.run(3.0)
    push(bed, pushes)
    return bed, rates_of_rebuild(bed)


@pytest.mark.requirement("seldom-stop-needlessly")
def test_a_fit_of_coughs_is_rebuilt_fast():
    """Three coughs last longer than a second, but none of them does: it was no guarding."""
    climb, _, following = pushed_in_hold(FIT)[1]
    assert climb == pytest.approx(PRESCRIBED["rebuild_fast_n_s"], rel=0.01)
    assert following == "hold"


@pytest.mark.parametrize(
    "pushes",
    [((40.0, 0.7),), ((20.0, 1.3),), ((40.0, 0.25), (0.0, 0.3), (40.0, 0.8)), FIT * 2],
    ids=["short", "long", "a cough, then a contraction", "no end of it"],
)
def test_what_lasts_longer_than_a_cough_is_rebuilt_slowly(pushes):
    """A muscle that pushed for most of a second guards: pulled fast, it would at once do so again."""
    climb, _, following = pushed_in_hold(pushes)[1]
    assert climb <= PRESCRIBED["rebuild_n_s"] * 1.001
    assert following == "hold"


def test_what_strikes_a_rebuild_is_rebuilt_slowly_whatever_it_looks_like():
    """A patient who was given the benefit of the doubt and pushes again is given it no more."""
    bed = bed_in(layout.HOLD, hold_s=60)
    bed.run(3.0)
    push(bed, FIT[:1])
    bed.run(0.6)
    push(bed, FIT[:1])
    assert rates_of_rebuild(bed)[0] <= PRESCRIBED["rebuild_n_s"] * 1.001


def test_nothing_is_rebuilt_faster_than_the_prescription_may_rise():
    """The fast rebuild is the device's figure, the rise the clinician's: the slower of both holds."""
    climb = pushed_in_hold(FIT[:1], rise_n_s=30)[1][0]
    assert climb == pytest.approx(30.0, rel=0.01)


def test_a_cough_in_a_ramp_is_rebuilt_to_where_it_struck_and_the_ramp_goes_on():
    """The rebuild gives back what was eased; what comes above it is the ramp's, at the ramp's own rate."""
    bed = bed_in(layout.RAMP)
    bed.run(2.0)
    struck_n = bed.sample[layout.S_TARGET, 0] / 1000
    push(bed, FIT[:1])
    climb, _, following = rates_of_rebuild(bed)
    assert climb <= PRESCRIBED["rebuild_fast_n_s"] * 1.001
    assert following == "ramp"
    assert bed.sample[layout.S_TARGET, 0] / 1000 == pytest.approx(struck_n, abs=12.0)
    bed.until(layout.HOLD, 10.0)
    assert bed.sample[layout.S_CYCLE, 0] == 1


def test_after_guarding_in_a_ramp_the_whole_way_to_the_peak_is_slow():
    """Where a ramp was too much, the rest of it is no faster than a rebuild."""
    bed = bed_in(layout.RAMP)
    bed.run(2.0)
    push(bed, ((40.0, 1.3),))
    climb, _, following = rates_of_rebuild(bed)
    assert climb <= PRESCRIBED["rebuild_n_s"] * 1.001
    assert following == "hold"


def test_a_release_that_was_interrupted_falls_as_it_would_have():
    """Lowering the tension needs no care: at the rate of a rebuild it took most of a minute."""
    bed = bed_in(layout.RELEASE, peak_n=300, first_peak_n=300, fall_n_s=30)
    bed.run(1.5)
    push(bed, ((40.0, 1.3),))
    climb, fall, following = rates_of_rebuild(bed)
    assert climb <= 0.0
    assert PRESCRIBED["rebuild_n_s"] * 1.2 < fall <= 30 * 1.001
    assert following == "rest"


def longest_push(residual, quiet_s):
    """The rule in words: the longest stretch above 0.4 of what was greatest so far, and 4 N."""
    longest = here = 0
    for index, newtons in enumerate(residual):
        here = here + 1 if newtons > max(0.4 * max(residual[: index + 1]), 4.0) else 0
        longest = max(longest, here if quiet_s[index] <= 0.8 else 0)
    return longest * 0.02


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "interpreted"])
def test_the_longest_push_is_measured_and_forgotten_when_nothing_eases(compiled):
    """Against the rule written out; a push before the stop, or of the stop before, is none of this one."""
    random = np.random.default_rng(5)
    residual = np.cumsum(random.normal(0.0, 3.0, 300))
    quiet_s = random.uniform(0.0, 1.6, 300)
    weigh = coughs.weigh_pushes if compiled else coughs.weigh_pushes.py_func
    rows = [np.full(2, 9.0), np.full(2, 9.0), np.full(2, 9.0)]
    weigh(np.full(2, 0.02), np.full(2, at.TRACK), np.ones(2), np.ones(2), np.full(2, 50.0), *rows)
    assert not np.any(rows)
    for newtons, quiet in zip(residual, quiet_s, strict=True):
        weigh(
            np.full(2, 0.02), np.array([at.EASE, at.TRACK]), np.full(2, 3.0), np.full(2, 3.0 - quiet),
            np.full(2, newtons), *rows,
        )  # fmt: skip
    assert rows[2][0] == pytest.approx(longest_push(residual, quiet_s))
    assert rows[2][1] == 0.0
