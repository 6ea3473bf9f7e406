import numpy as np
import pytest
from spring_bed import Spring, bed_in

from services.controller.kernel import guarding, layout, step, tuning
from services.controller.kernel import state as at


@pytest.mark.parametrize("period_s", [0.005, 0.02])
def test_the_bank_is_the_matched_filter_of_a_ramp(period_s):
    """Every window against the sums written out with numpy, wherever the ring happens to stand."""
    beds, random = 3, np.random.default_rng(2)
    params, state = step.new_parameters(beds, period_s), step.new_state(beds)
    guarding.fill_response(state, params, 1)
    samples = int(params[tuning.P_BANK_SAMPLES, 0])
    past = random.normal(size=(samples, beds))
    row = samples // 3
    for lag in range(samples):
        state[at.RING + (row - lag) % samples] = past[lag]
    variances = random.uniform(0.5, 2.0, (tuning.BANK, beds))
    state[at.BANK_REST : at.BANK_REST + tuning.BANK] = variances
    guarding.run_bank(params, state, row)
    excess, deepest = np.full(beds, -1.0), np.zeros(beds)
    alpha, beta = tuning.tracking_gains(period_s)
    response = _ramp_response(alpha, beta, samples)
    for index in range(tuning.BANK):
        window, threshold = params[tuning.P_WINDOW + index, 0], params[tuning.P_THRESHOLD + index, 0]
        shape = response[: int(window)]
        score = shape @ past[: int(window)][::-1] / np.linalg.norm(shape) / threshold
        squared = score * np.abs(score) / variances[index]
        excess, deepest = np.maximum(excess, squared - 1.0), np.maximum(deepest, -squared)
    assert state[at.EXCESS] == pytest.approx(np.maximum(excess, -1.0))
    assert state[at.DEEPEST] == pytest.approx(deepest)


def _ramp_response(alpha, beta, samples):
    """Innovations of the observer as a state-space system driven by a unit ramp."""
    forward = np.array([[1.0, 1.0], [0.0, 1.0]])
    gain, state, told = np.array([alpha, beta]), np.zeros(2), []
    for index in range(samples):
        ahead = forward @ state
        told.append(index + 1 - ahead[0])
        state = ahead + gain * told[-1]
    return np.array(told)


def test_innovations_of_pure_noise_have_unit_variance():
    """Thresholds are counted in standard deviations: the scale must be right."""
    params = step.new_parameters(1)
    noise = 0.5 * np.random.default_rng(3).normal(size=20_000)
    tension, slope, innovation, residual = (np.zeros(1) for _ in range(4))
    told = []
    for force in noise:
        rows = [params[row] for row in (layout.P_PERIOD, tuning.P_ALPHA, tuning.P_BETA)]
        rows += [params[tuning.P_INNOVATION_SCALE], params[tuning.P_RESIDUAL_KEEP]]
        rows += [*np.zeros((4, 1)), np.array([force])]
        guarding.observe(*rows, np.zeros(1), np.ones(1), np.ones(1), tension, slope, innovation, residual)
        told.append(innovation[0])
    assert np.std(told) == pytest.approx(1.0, abs=0.08)


def test_only_a_rise_is_guarding():
    """A fall as fast as a contraction is an artefact: no alarm, and a more careful detector."""
    bed = bed_in(layout.HOLD, hold_s=30)
    bed.run(3.0)
    bed.counter_n = -20.0
    fallen = bed.run(1.0)
    assert not (fallen[:, layout.S_EVENTS] & layout.EVENT_GUARDING_DETECTED).any()
    assert bed.state[at.FALLEN, 0] > 0.5


def test_breathing_is_not_guarding():
    """Tension that rises and falls with the breath is no reason to stop."""
    bed = Spring(hold_s=60, traction_s=200)
    bed.begin()
    stops = 0
    for _ in range(6000):
        bed.counter_n = 5.0 * np.sin(2 * np.pi * 0.25 * bed.time_s)
        stops += int(bed.tick()[layout.S_EVENTS] & layout.EVENT_GUARDING_DETECTED)
    assert stops == 0


@pytest.mark.requirement("seldom-stop-needlessly")
def test_a_cough_is_rebuilt_fast_and_a_long_contraction_slowly():
    """What is over within a second was no guarding: the patient need not wait for a slow rebuild."""
    took = {}
    for lasts_s in (0.3, 1.6):
        bed = bed_in(layout.HOLD, hold_s=60)
        bed.run(3.0)
        bed.counter_n = 40.0
        bed.run(lasts_s)
        bed.counter_n = 0.0
        bed.until(layout.REBUILD, 15.0)
        begun = bed.time_s
        bed.until(layout.HOLD, 60.0)
        took[lasts_s] = bed.time_s - begun
    assert took[0.3] < 0.6 * took[1.6]


def test_the_residual_shows_the_contraction_although_the_table_yields():
    """The screen's counter-tension is the patient's, not what easing leaves of it."""
    bed = bed_in(layout.HOLD, hold_s=30)
    bed.run(4.0)
    bed.counter_n = 40.0
    shown = bed.run(0.4)[-1]
    assert shown[layout.S_FORCE] / 10 < 200
    assert shown[layout.S_RESIDUAL] / 1000 == pytest.approx(40, abs=12)


def test_the_residual_is_nothing_until_the_strap_is_taut_and_nothing_once_it_is_let_go():
    """Slack that is taken up is travel without tension: no counter-tension may be told from it."""
    bed = Spring(stiffness=9.0)
    bed.begin()
    early = bed.run(4.0)
    assert set(early[:, layout.S_PHASE]) == {layout.SLACK, layout.PRECONDITION}
    assert (early[early[:, layout.S_TARGET] < 90_000][:, layout.S_RESIDUAL] == 0).all()
    bed.until(layout.HOLD)
    bed.tick(layout.ACTION_STOP)
    released = bed.run(20.0)
    assert np.abs(released[:, layout.S_RESIDUAL]).max() < 8_000
    assert released[-1, layout.S_RESIDUAL] == 0
