import pytest
import scipy  # its parts are imported where they are used: `stats` takes two seconds

from services.screening.outcomes.statistics import of_mean, t_quantile, wilson


@pytest.mark.parametrize(("successes", "count"), [(0, 1), (0, 10), (1, 1), (7, 10), (10, 10), (350, 1000)])
def test_the_interval_of_a_share_is_wilson_s(successes, count):
    """Against another's reckoning: at the ends, too, where the plain formula leaves nothing but the share."""
    expected = scipy.stats.binomtest(successes, count).proportion_ci(method="wilson")
    assert wilson(successes, count) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_a_share_of_nobody_has_no_interval():
    """No number is better than one that looks like knowledge."""
    assert wilson(0, 0) is None


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 10, 29, 30, 200, 1999, 5000])
def test_student_s_t_is_another_s(degrees):
    """Even and odd degrees of freedom have series of their own; many are the normal."""
    assert t_quantile(0.975, degrees) == pytest.approx(scipy.stats.t.ppf(0.975, degrees), rel=1e-3)


def test_the_interval_of_a_mean_is_student_s():
    """With few values it is wider than the normal's, as it must be."""
    values = [-3.0, -1.0, 0.0, -2.0, -4.0]
    expected = scipy.stats.t.interval(0.95, 4, loc=-2.0, scale=scipy.stats.sem(values))
    assert of_mean(values) == pytest.approx(expected, abs=1e-9)
    assert of_mean([1.0]) is None
