import numpy as np
import pytest
from plant_rig import PERIOD_S, beds_of, one_contraction, pull_to, run
from scipy import stats
from scipy.integrate import solve_ivp

from services.controller.beds import simulated
from services.controller.kernel import chance, layout, mechanics
from services.controller.kernel import plant as p
from services.controller.simulation import signals


def test_mechanics_agree_with_an_independent_integration_of_the_same_equations():
    """A simulator that does not obey its own physics would prove nothing about the controller."""
    bundle = beds_of(seed=3)
    c = dict(zip(p.CONSTANTS, bundle.constants[:, 0], strict=True))
    lag_s = -c["step_s"] / np.log(1.0 - c["drive_gain"])

    def slope(_, state):
        drive, drive_speed, pelvis, pelvis_speed, fast, slow = state
        stretch = drive - pelvis - c["slack_mm"]
        toe = 0.5 * c["harness_n_mm"] * stretch**2 / c["toe_mm"]
        line = c["harness_n_mm"] * (stretch - 0.5 * c["toe_mm"])
        elastic = 0.0 if stretch <= 0 else toe if stretch < c["toe_mm"] else line
        damped = elastic + c["harness_damping"] * (drive_speed - pelvis_speed) if stretch > 0 else 0.0
        resistance = c["spine_n_mm"] * (pelvis - fast - slow)
        net = max(0.0, damped) - resistance - c["spine_damping"] * pelvis_speed
        return [
            drive_speed,
            (8.0 - drive_speed) / lag_s,
            pelvis_speed,
            net / c["mass"],
            (c["creep_fast"] * resistance - fast) / 24.0,
            (c["creep_slow"] * resistance - slow) / 580.0,
        ]

    seconds = 3.0
    oracle = solve_ivp(slope, (0, seconds), np.zeros(6), rtol=1e-8, atol=1e-9, max_step=0.002)
    run(bundle, seconds, 8.0)
    assert bundle.plant[p.X_DRIVE, 0] == pytest.approx(oracle.y[0, -1], abs=0.02)
    assert bundle.plant[p.X_PELVIS, 0] == pytest.approx(oracle.y[2, -1], rel=0.01, abs=0.01)
    assert bundle.plant[p.X_CREEP_FAST, 0] == pytest.approx(oracle.y[4, -1], rel=0.02)
    stretch = oracle.y[0, -1] - oracle.y[2, -1] - c["slack_mm"]
    assert bundle.plant[p.X_TENSION, 0] == pytest.approx(
        c["harness_n_mm"] * (stretch - c["toe_mm"] / 2), rel=0.01
    )


def test_a_held_pull_relaxes_to_harness_and_whole_spine_in_series():
    """Creep must end where the literature's long-term stiffness says, whatever the path."""
    bundle = pull_to(beds_of(seed=5), 200.0)
    bundle.constants[p.K_CREEP_FAST_GAIN] *= 100.0
    bundle.constants[p.K_CREEP_SLOW_GAIN] *= 1000.0
    run(bundle, 30.0, 0.0)
    c = dict(zip(p.CONSTANTS, bundle.constants[:, 0], strict=True))
    long_n_mm = 1.0 / (1.0 / c["spine_n_mm"] + c["creep_fast"] + c["creep_slow"])
    straight_mm = bundle.plant[p.X_DRIVE, 0] - c["slack_mm"] - c["toe_mm"] / 2
    expected = straight_mm / (1.0 / c["harness_n_mm"] + 1.0 / long_n_mm)
    assert bundle.plant[p.X_TENSION, 0] == pytest.approx(expected, rel=0.005)
    prompt_share = (1.0 / c["spine_n_mm"]) * long_n_mm
    assert prompt_share == pytest.approx(0.5, abs=1e-9)


def test_creep_follows_its_two_time_constants():
    """F/K (0.50 + 0.20 (1 - e^(-t/24)) + 0.30 (1 - e^(-t/580))) under a constant load, solved by hand."""
    bundle = beds_of(seed=2, harness_n_mm=1e-3, toe_mm=1e-6, harness_damping=0.0, slack_mm=0.0)
    bundle.constants[p.K_SPINE] = 2 * 100.0
    bundle.constants[p.K_CREEP_FAST], bundle.constants[p.K_CREEP_SLOW] = 0.2 / 100.0, 0.3 / 100.0
    bundle.plant[p.X_DRIVE] = 300.0  # a very soft spring is a constant force: 0.3 N
    force = 300.0 * 1e-3
    for seconds in (24.0, 96.0):
        run(bundle, seconds - bundle.plant[p.X_TICK, 0] * PERIOD_S, 0.0)
        expected = (
            force / 100.0 * (0.5 + 0.2 * (1 - np.exp(-seconds / 24)) + 0.3 * (1 - np.exp(-seconds / 580)))
        )
        assert bundle.plant[p.X_PELVIS, 0] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("slide", [mechanics.slide, mechanics.slide.py_func], ids=["compiled", "python"])
def test_friction_sticks_then_slides_and_never_turns_a_motion(slide):
    """Coulomb friction opposes motion; a scheme that pushes would make energy."""
    rate = 0.0025 / 0.015
    assert slide(0.0, 11.9, rate, 1.0, 12.0, 10.0 * rate) == 0.0
    assert slide(0.0, 12.1, rate, 1.0, 12.0, 10.0 * rate) == pytest.approx(2.1 * rate)
    assert slide(1.0, 0.0, rate, 1.0, 12.0, 10.0 * rate) == 0.0
    assert slide(-5.0, 0.0, rate, 1.0, 12.0, 10.0 * rate) == pytest.approx(-5.0 + 10.0 * rate)
    assert slide(5.0, 0.0, rate, 1 / (1 + 3.0 * rate), 0.0, 0.0) == pytest.approx(5.0 / (1 + 3.0 * rate))


def test_a_slow_pull_over_a_rough_table_goes_in_jumps():
    """Stick-slip is what makes false stops; without it the detector would be tuned to a fiction."""
    bundle = beds_of(seed=4, stick_n=40.0, slide_n=15.0, spine_n_mm=100.0, creep_fast=0.004, creep_slow=0.006)
    pull_to(bundle, 60.0)
    bundle.command[layout.C_VELOCITY] = 500
    places = []
    for _ in range(1500):
        bundle.step()
        places.append(bundle.plant[p.X_PELVIS, 0])
    steps = np.diff(places)
    assert (steps == 0.0).mean() > 0.5
    assert steps.max() > 20 * 0.01 * 0.5


def test_the_drive_lags_and_keeps_its_speed_limit():
    """First-order lag below the acceleration limit; 20 mm/s whatever is asked."""
    bundle = beds_of(seed=6)
    bundle.command[layout.C_VELOCITY] = 2000
    gain, steps = bundle.constants[p.K_DRIVE_GAIN, 0], 8
    bundle.step()
    assert bundle.plant[p.X_DRIVE_SPEED, 0] == pytest.approx(2.0 * (1 - (1 - gain) ** steps))
    run(bundle, 1.0, 500.0)
    assert bundle.plant[p.X_DRIVE_SPEED, 0] == pytest.approx(20.0)
    run(bundle, 1.0, -500.0)
    assert bundle.plant[p.X_DRIVE_SPEED, 0] == pytest.approx(-20.0)


def test_a_contraction_stands_at_the_load_cell_as_given_when_the_drive_is_blocked():
    """--scale-n means newtons at the load cell with the drive blocked, whatever spine and harness."""
    bundle = pull_to(beds_of(seed=7, beds=12), 200.0)
    before = bundle.plant[p.X_TENSION].copy()
    one_contraction(
        bundle,
        np.concatenate([np.linspace(0, 1, 200), np.ones(400)]),
        40.0,
        bundle.plant[p.X_TICK, 0] * PERIOD_S,
    )
    rise = run(bundle, 0.5, 0.0)[-1] - before
    assert rise == pytest.approx(np.full(12, 40.0), abs=1.0)


def test_breathing_is_two_to_six_newtons_at_a_blocked_drive():
    """Breathing is the disturbance that is always there."""
    bundle = beds_of(seed=8, beds=10)
    bundle.constants[p.K_BREATH] = simulated.population(8, 10, PERIOD_S)[p.K_BREATH]
    bundle.constants[p.K_SIGH] = 0.0
    pull_to(bundle, 150.0)
    tensions = run(bundle, 60.0, 0.0)
    trend = np.apply_along_axis(
        lambda one: np.polyval(np.polyfit(np.arange(one.size), one, 3), np.arange(one.size)), 0, tensions
    )
    half = np.quantile(np.abs(tensions - trend), 0.98, axis=0)
    assert (half > 1.7).all()
    assert (half < 7.5).all()


def test_the_load_cell_is_noisy_and_quantised():
    """0.5 N and a tenth of a newton: what the detector's information bound rests on."""
    bundle = beds_of(seed=9, noise_n=0.5)
    forces = []
    for _ in range(4000):
        bundle.step()
        forces.append(bundle.reading[layout.R_FORCE, 0])
    assert bundle.reading.dtype == np.int32
    assert np.std(forces) == pytest.approx(5.0, rel=0.05)
    assert abs(np.mean(forces)) < 0.4


def test_the_generator_draws_what_it_says():
    """Own random numbers must be as even and as normal as a library's."""
    state = simulated.random_states(1, 1)
    even = [chance.uniform(state, 0, 0) for _ in range(20000)]
    bell = [chance.normal(state, 1, 0) for _ in range(20000)]
    assert stats.kstest(even, "uniform").pvalue > 0.01
    assert stats.kstest(bell, "norm").pvalue > 0.01
    assert abs(np.corrcoef(even[:-1], even[1:])[0, 1]) < 0.02


def test_the_generator_is_the_same_compiled_and_not():
    """Determinism from the seed must not depend on the compiler."""
    first, second = simulated.random_states(5, 1), simulated.random_states(5, 1)
    assert [chance.uniform(first, 0, 0) for _ in range(50)] == [
        chance.uniform.py_func(second, 0, 0) for _ in range(50)
    ]


def test_the_same_seed_gives_the_same_readings_and_another_does_not():
    """A finding must be repeatable by its seed."""

    def readings(seed, beds):
        bundle = beds_of(seed, beds, calm=False)
        bundle.command[layout.C_VELOCITY] = 3000
        seen = []
        for _ in range(300):
            bundle.step()
            seen.append(bundle.reading.copy())
        return np.array(seen)

    assert np.array_equal(readings(11, 3), readings(11, 3))
    assert np.array_equal(readings(11, 3)[:, :, 1], readings(11, 5)[:, :, 1])
    assert not np.array_equal(readings(11, 3), readings(12, 3))


def test_the_step_gives_the_same_compiled_and_not():
    """The uncompiled function is the readable specification of the compiled one."""
    first, second = (beds_of(21, 2, calm=False) for _ in range(2))
    for bundle, step in ((first, p.plant_step), (second, p.plant_step.py_func)):
        bundle.command[layout.C_VELOCITY] = 4000
        for _ in range(100):
            step(
                bundle.plant,
                bundle.constants,
                bundle.random,
                bundle.library.samples,
                bundle.library.entries,
                bundle.faults,
                bundle.tilt_deg,
                bundle.command,
                bundle.reading,
            )
    assert np.allclose(first.plant, second.plant, rtol=1e-12, atol=1e-9)


def test_finer_periods_meet_the_same_person():
    """A comparison of 20, 10 and 5 ms is only fair with the same patient."""
    tensions = []
    for period_s in (0.02, 0.01, 0.005, 0.001):
        bundle = beds_of(seed=13, period_s=period_s)
        bundle.command[layout.C_VELOCITY] = 6000
        for _ in range(round(2.0 / period_s)):
            bundle.step()
        tensions.append(bundle.plant[p.X_TENSION, 0])
        assert bundle.constants[p.K_STEP, 0] <= simulated.LONGEST_STEP_S + 1e-12
    assert tensions == pytest.approx([tensions[0]] * 4, rel=0.01)


def test_people_contract_more_in_the_first_minutes():
    """Guarding is likelier in the first 4-6 minutes: detection and rebuild must work when it matters."""
    bundle = pull_to(beds_of(seed=20, beds=40, calm=False), 150.0)
    starts = []
    waiting = bundle.plant[p.X_BURST_AT] >= p.FAR
    for tick in range(int(900 / PERIOD_S)):
        bundle.step()
        now = bundle.plant[p.X_BURST_AT] >= p.FAR
        began = waiting & ~now
        starts.extend([tick * PERIOD_S] * int(began.sum()))
        share = np.minimum(1.0, bundle.plant[p.X_TENSION] / bundle.constants[p.K_FULL_PULL])[began]
        strengths = bundle.plant[p.X_BURST_N][began]
        assert ((strengths >= 10.0 * share * 0.9) & (strengths <= 80.0 * share * 1.1)).all()
        waiting = now
    early, late = sum(start < 300 for start in starts), sum(start >= 600 for start in starts)
    assert early > 2 * late > 0


def test_recorded_contractions_are_bursts_of_peak_one():
    """Shapes are a person's; their scale is the simulation's."""
    library = simulated.recorded_contractions()
    assert len(library.entries) >= 12
    for first, length, rise_s, sample_hz in library.entries:
        piece = library.samples[int(first) : int(first + length)]
        assert piece.max() == pytest.approx(1.0, abs=0.05)
        assert piece[0] == 0.0
        assert piece[-1] == pytest.approx(0.0, abs=0.01)
        assert 0.02 < rise_s < 2.0
        assert sample_hz == 1000.0


def test_the_twitch_filter_answers_a_step_as_two_equal_lags():
    """Critically damped second order: 1 - (1 + t/T) e^(-t/T)."""
    step = signals.twitch(np.ones(1000), 0.0005, 0.05)
    time_s = 0.0005 * np.arange(1, 1001)
    assert step == pytest.approx(1 - (1 + time_s / 0.05) * np.exp(-time_s / 0.05), abs=0.01)
