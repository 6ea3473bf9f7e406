import numpy as np
import pytest
from scipy import linalg

from services.controller.kernel import law, tuning


@pytest.mark.parametrize("period_s", [0.001, 0.002, 0.005, 0.01, 0.02])
def test_the_observer_is_the_steady_kalman_filter_of_its_noise(period_s):
    """Alpha and beta must come from the physics at every period, not from a table for one."""
    alpha20, _ = tuning.tracking_gains(0.02)
    assert alpha20 == pytest.approx(0.2561, abs=1e-12)
    root = np.sqrt(1.0 - alpha20)
    index_20 = (2 * (2 - alpha20) - 4 * root) / root
    q = (index_20 * tuning.FORCE_SIGMA_N / 0.02**1.5) ** 2
    step = np.array([[1.0, period_s], [0.0, 1.0]])
    push = np.array([[period_s / 2], [1.0]])
    noise = push @ push.T * q * period_s
    p = linalg.solve_discrete_are(step.T, np.array([[1.0], [0.0]]), noise, np.array([[0.25]]))
    gain = p[:, 0] / (p[0, 0] + 0.25)
    alpha, beta = tuning.tracking_gains(period_s)
    assert alpha == pytest.approx(gain[0], rel=1e-6)
    assert beta / period_s == pytest.approx(gain[1], rel=1e-6)


@pytest.mark.parametrize("period_s", [0.001, 0.005, 0.01, 0.02])
@pytest.mark.parametrize("lag_s", [0.010, 0.020])
def test_the_loop_is_damped_at_every_period_and_delay(period_s, lag_s):
    """The gains come from a model: that model, written anew, must be calm with none to three ticks more."""
    at = tuning.P_ALPHA
    near_alpha, near_beta, proportional, integral, keep = tuning.tune(period_s)[
        tuning.P_NEAR_ALPHA - at : tuning.P_OWED_KEEP - at + 1
    ]
    settle = np.exp(-period_s / lag_s)
    for late in range(4):
        for truth in (0.5, 1.0, 1.6):  # true stiffness by the one that was learnt

            def tick(x, late=late, truth=truth):
                force, speed, tension, slope, summed, owed, *line = x
                moved = line[-1] * period_s + (speed - line[-1]) * lag_s * (1 - settle)
                force = force + truth * moved
                nu = force - (tension + slope * period_s + moved)
                tension = tension + slope * period_s + moved + near_alpha * nu
                slope = slope + near_beta * nu
                owed = keep * (owed + line[0] * period_s - moved)
                error = -(tension + owed)
                summed = summed + integral * period_s * error
                told = proportional * error + summed - law.SLOPE_SHARE * slope
                speed = line[-1] + (speed - line[-1]) * settle
                return np.array([force, speed, tension, slope, summed, owed, told, *line[:-1]])

            size = 7 + late
            matrix = np.array([tick(np.eye(size)[row]) for row in range(size)]).T
            assert np.abs(np.linalg.eigvals(matrix)).max() < 1.0, (late, truth)


def test_the_law_s_gains_are_those_that_are_published():
    """docs/control.md tells them for 20 and 5 ms."""
    assert tuning.law_gains(0.02)[:2] == pytest.approx((7.3, 26.8), abs=0.05)
    assert tuning.law_gains(0.005)[:2] == pytest.approx((13.1, 85.8), abs=0.05)


def test_a_shorter_period_allows_a_tighter_loop_but_not_beyond_a_links_delay():
    """A link of 30 ms is as late at 1 ms as at 10."""
    gains = [tuning.law_gains(ms / 1000)[0] for ms in (20, 10, 5, 1)]
    assert gains == sorted(gains)
    assert gains[3] < 1.3 * gains[1]


def test_below_five_milliseconds_the_slope_is_not_answered():
    """At 1 ms it stopped falsely six times in as many hours, where the law without it does not once."""
    answered = [tuning.tune(ms / 1000)[tuning.P_SLOPE_ANSWERED - tuning.P_ALPHA] for ms in (20, 5, 4, 1)]
    assert answered == [1.0, 1.0, 0.0, 0.0]


def test_twenty_milliseconds_give_the_measured_gains():
    """The published numbers of docs/control.md are those the kernel uses."""
    alpha, beta = tuning.tracking_gains(0.02)
    assert alpha == pytest.approx(0.2561)
    assert beta / 0.02 == pytest.approx(1.8866, rel=0.003)
    assert tuning.thresholds(0.02) == pytest.approx(tuning.THRESHOLDS)
    assert tuning.identical_limit(0.02) == 8.0


def test_windows_keep_their_length_in_time():
    """A contraction lasts as long at any period."""
    at = tuning.P_WINDOW - tuning.P_ALPHA
    for period_s in (0.001, 0.005, 0.01, 0.02):
        windows = tuning.tune(period_s)[at : at + tuning.BANK]
        assert windows * period_s == pytest.approx(tuning.WINDOWS_S)
    assert tuning.tune(0.001)[at + tuning.BANK - 1] == tuning.RESPONSE_MAX


def test_more_looks_a_second_need_higher_thresholds():
    """At 1 ms there are twenty times as many chances of a false stop."""
    assert all(
        fine > coarse for fine, coarse in zip(tuning.thresholds(0.001), tuning.THRESHOLDS, strict=True)
    )


@pytest.mark.parametrize("period_s", [0.0, 0.0009, 0.021, float("nan")])
def test_a_period_outside_1_to_20_ms_is_refused(period_s):
    """No gain may be derived for a loop that was never examined."""
    with pytest.raises(ValueError, match="1 to 20 ms"):
        tuning.tune(period_s)


def test_one_number_a_name():
    """Recordings name every parameter: the names and the numbers must agree."""
    assert len(tuning.tune(0.02)) == len(tuning.TUNING)
    assert len(set(tuning.PARAMETER_NAMES)) == tuning.PARAMETER_COUNT
    assert tuning.PARAMETER_NAMES[tuning.P_WINDOW] == "window_0"
    assert tuning.PARAMETER_NAMES[tuning.P_THRESHOLD] == "threshold_0"
