"""Goals at 20 ms stand in docs/control.md."""

import numpy as np
import pytest

from services.controller.kernel import layout
from services.controller.simulation import scoring, study

HOLD_P95_N, RAMP_P95_N = 0.8, 0.9
PEOPLE, MINUTES = 20, 8


@pytest.fixture(scope="module")
def kept():
    """The same people at three periods."""
    return {ms: study.calm(PEOPLE, MINUTES, 5, ms / 1000) for ms in (20, 10, 5)}


def test_the_target_is_kept_over_a_population(kept):
    """Therapy is the tension the patient gets, not the one that was asked for."""
    assert np.quantile(kept[20].hold_rms_n, 0.95) <= HOLD_P95_N
    assert np.quantile(kept[20].ramp_rms_n, 0.95) <= RAMP_P95_N
    assert np.quantile(kept[20].overshoot_n, 0.95) <= 2.6


@pytest.mark.parametrize("period_ms", [10, 5])
def test_a_finer_period_keeps_the_target_no_worse(kept, period_ms):
    """The period is a setting: none may cost accuracy (a twentieth for the noise of small samples)."""
    for name in ("hold_rms_n", "ramp_rms_n"):
        fine, coarse = (np.quantile(getattr(kept[ms], name), [0.5, 0.95]) for ms in (period_ms, 20))
        assert (fine <= coarse * 1.05).all()


@pytest.mark.parametrize("period_ms", [20, 10, 5])
def test_no_invariant_is_broken_when_nothing_happens(kept, period_ms):
    """Ceiling, base, rates and phases hold in every tick of an ordinary session."""
    assert set(kept[period_ms].violations.values()) == {0}
    assert set(kept[period_ms].violations) == set(scoring.INVARIANTS)


def test_tracking_leaves_out_what_a_contraction_disturbs():
    """A guarded session must not look badly tracked, nor an untracked one well."""
    samples = np.zeros((1000, len(layout.SAMPLES)), np.int32)
    samples[:, layout.S_PHASE] = layout.HOLD
    samples[:, layout.S_TARGET] = 200_000
    tension, counter = np.full(1000, 200.5), np.zeros(1000)
    tension[500:550], counter[500:550] = 260.0, 60.0
    course = scoring.Course(
        0.02, 0, samples, tension, counter, np.zeros(1000), np.zeros(len(layout.PARAMETERS))
    )
    assert scoring.tracking(course)["hold_rms_n"] == pytest.approx(0.5)
    undisturbed = scoring.Course(0.02, 0, samples, tension, np.zeros(1000), np.zeros(1000), course.parameters)
    assert scoring.tracking(undisturbed)["hold_rms_n"] > 10.0
