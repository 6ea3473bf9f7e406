import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import Polynomial

from services.controller.kernel import law

FORMS = ["compiled", "interpreted"]


def form(function, which):
    return function if which == "compiled" else function.py_func


def rows(*values):
    return [np.array([value], dtype=float) for value in values]


@pytest.mark.requirement("limit-the-rate")
@pytest.mark.parametrize("which", FORMS)
@settings(deadline=None)  # the first call may compile
@given(
    origin=st.floats(0, 400), span=st.floats(-400, 400), duration=st.floats(0.5, 60), part=st.floats(0, 1.2)
)
def test_the_target_is_the_quintic_and_its_derivatives(which, origin, span, duration, part):
    """Jerk-limited means that rate and curvature are the derivatives of what is tracked, and end at zero."""
    shape = Polynomial([0, 0, 0, 10, -15, 6])
    target, rate, curvature = rows(0, 0, 0)
    period, clock = 0.02, part * duration
    form(law.advance_target, which)(*rows(period, origin, span, 1 / duration, clock), target, rate, curvature)
    u = min(1.0, (clock + period) / duration)
    scale = abs(span) + 1
    assert target[0] == pytest.approx(origin + span * shape(u), abs=1e-9 * scale)
    assert rate[0] == pytest.approx(span / duration * shape.deriv()(u), abs=1e-9 * scale)
    assert curvature[0] == pytest.approx(span / duration**2 * shape.deriv(2)(u), abs=1e-8 * scale)
    assert abs(rate[0]) <= 1.875 * abs(span) / duration * (1 + 1e-9)


@pytest.mark.parametrize("which", FORMS)
@settings(deadline=None)  # the first call may compile
@given(
    target=st.floats(0, 400), rate=st.floats(-50, 50), tension=st.floats(-5, 500), slope=st.floats(-400, 400),
    owed=st.floats(-3, 3), k=st.floats(6, 45), integral=st.floats(-30, 30), limit=st.floats(1, 40),
    force=st.floats(-5, 500), power=st.sampled_from([0.0, 0.02, 0.5, 1e9]),
    answered=st.sampled_from([0.0, 1.0]), watching=st.sampled_from([0.0, 1.0]),
)  # fmt: skip
def test_tracking_is_feedforward_plus_error_integral_and_slope(
    which, target, rate, tension, slope, owed, k, integral, limit, force, power, answered, watching
):
    """The law as docs/control.md writes it, within the drive's speed: careful until it has learnt."""
    summed, velocity = rows(integral, 0)
    form(law.drive_velocity, which)(
        *rows(0.02, limit, answered, 6.0, 19.0, watching, target, rate, 7.0, force, 888.0, tension, slope),
        *rows(owed, 0.0, power, k, law.TRACK, 0.0, 0.0), summed, velocity,
    )  # fmt: skip
    known = answered * watching * {0.0: 0.0, 0.02: 0.5, 0.5: 0.5 / 0.52, 1e9: 1.0}[power]
    error = target - (1 - known) * force - known * (tension + k * owed)
    per_s, per_s2 = 8 + known * (6 - 8), 24 + known * (19 - 24)
    expected = float(np.clip(integral + per_s2 * 0.02 * error, -30, 30))
    assert summed[0] == pytest.approx(expected, abs=1e-6)
    wanted = (rate + 0.06 * 7.0 + per_s * error + expected - 0.62 * known * slope) / k
    assert velocity[0] == pytest.approx(np.clip(wanted, -limit, limit), abs=1e-6)


@pytest.mark.parametrize("which", FORMS)
@pytest.mark.parametrize("late", [0, 3])
def test_what_is_under_way_counts_as_done_however_late_it_comes(which, late):
    """The law must not ask twice for travel that the drive only delivers later."""
    dt, k = 0.02, 20.0
    tension, slope, owed, moved, force, sent = rows(100, 0, 0, 0, 100, 0)
    commands = [0.0] * (late + 1) + [2.0] * 10 + [0.0] * 30
    for tick in range(late + 1, len(commands)):
        moved[0] = commands[tick - late - 1] * dt
        force[0] += k * moved[0]
        sent[0] = commands[tick - 1]
        form(law.foresee, which)(
            *rows(dt, 0.55, 10.8, 1.0), sent, force, moved, *rows(1.0, k), tension, slope, owed
        )
        arriving = sum(commands[tick - late : tick]) * dt
        assert owed[0] == pytest.approx(arriving, abs=1e-12)
        assert tension[0] == pytest.approx(force[0])
    assert slope[0] == pytest.approx(0.0, abs=1e-9)  # the drive's own work is not taken for the patient's


@pytest.mark.parametrize("which", FORMS)
@settings(deadline=None)  # the first call may compile
@given(target=st.floats(0, 400), force=st.floats(0, 500), slope=st.floats(-400, 400), floor=st.floats(-5, 5))
def test_easing_never_pulls_and_stops_at_its_floor(which, target, force, slope, floor):
    """While a patient guards, the table only yields, and keeps what base tension needs."""
    integral, velocity = rows(0, 0)
    form(law.drive_velocity, which)(
        *rows(0.02, 20, 1, 6, 19, 1, target, 0, 0, force, slope, 0, 0, 0, 0.0, 1.0, 18, law.EASE, 0, floor),
        integral, velocity,
    )  # fmt: skip
    assert velocity[0] <= 0.0
    assert velocity[0] == 0.0 or floor < 0.0


@pytest.mark.parametrize("which", FORMS)
@settings(deadline=None)  # the first call may compile
@given(force=st.floats(0, 500), slope=st.floats(-400, 400), k=st.floats(6, 45))
def test_letting_out_never_pulls_and_yields_to_a_surge_with_all_the_drive_s_speed(which, force, slope, k):
    """In a cool-down nobody watches for guarding: a law in proportion gave a tick away, and pulled again."""
    integral, velocity = rows(0, 0)
    form(law.drive_velocity, which)(
        *rows(0.02, 20, 1, 6, 19, 1, 200.0, -5.0, 0, force, slope, 0, 0, 0, 0.0, 0.0, k, law.LET_OUT, 0, 0),
        integral, velocity,
    )  # fmt: skip
    surges = force > 206.0 and slope > 10.0
    expected = -20.0 if surges else np.clip((-5.0 + 8 * (200.0 - force)) / k, -20.0, 0.0)
    assert velocity[0] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("which", FORMS)
def test_the_stiffness_of_a_spring_is_learnt_within_a_ramp(which):
    """Feedforward is only as good as the stiffness it divides by."""
    learn, sense = form(law.learn_stiffness, which), form(law.sense, which)
    true_k, dt = 30.0, 0.02
    k, power, cross, washed_x, washed_f, force, position, moved, fresh = rows(18, 0, 0, 0, 0, 50, 0, 0, 0)
    for tick in range(250):
        x = tick * dt * 1.0
        counts = [np.array([round(v)], dtype=np.int32) for v in ((50 + true_k * x) * 10, x * 100, 0)]
        sense(*counts, force, position, moved, fresh, washed_x, washed_f, np.array([1 / 1.04]))
        learn(force, np.array([30.0]), fresh, washed_x, washed_f, np.array([1 - dt / 3]), power, cross, k)
    assert k[0] == pytest.approx(true_k, rel=0.05)


@pytest.mark.parametrize("which", FORMS)
def test_nothing_is_learnt_while_the_target_stands_still(which):
    """Breathing moves force without travel: learning from it would ruin the stiffness."""
    k, power, cross = rows(22, 1.0, 22.0)
    form(law.learn_stiffness, which)(*rows(200, 0.0, 1, 0.5, 40, 0.99), power, cross, k)
    assert (power[0], cross[0]) == (1.0, 22.0)
