import numpy as np
import pytest
from scipy import linalg

from services.controller.kernel import tuning


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
