"""What hangs on a simulated bed: pad, switch, support, brake, release, and every fault with its sign."""

import numpy as np
import pytest
from plant_rig import PERIOD_S, beds_of, pull_to, run

from services.controller.kernel import faults, layout
from services.controller.kernel import plant as p


def test_the_heat_pad_follows_its_exponential():
    """The pad's ceiling can only be tested against a pad that heats as a pad does."""
    bundle = beds_of(seed=14)
    bundle.command[layout.C_OUTPUTS] |= layout.OUTPUT_HEAT
    run(bundle, 120.0)
    rise = bundle.constants[p.K_HEAT_RISE, 0]
    assert bundle.plant[p.X_HEAT, 0] == pytest.approx(22.0 + rise * (1 - np.exp(-120 / 300)), abs=0.01)
    assert bundle.reading[layout.R_HEAT, 0] == round(10 * bundle.plant[p.X_HEAT, 0])


def test_the_patient_presses_the_switch_when_the_lamp_asks():
    """Sessions under `spondyl up` start without a person; the lamp must be answered in about a second."""
    bundle = beds_of(seed=15)
    bundle.command[layout.C_OUTPUTS] |= layout.OUTPUT_SWITCH_TEST
    pressed = []
    for _ in range(100):
        bundle.step()
        pressed.append(bool(bundle.reading[layout.R_STATUS, 0] & layout.STATUS_SWITCH_PRESSED))
    first, last = pressed.index(True) * PERIOD_S, (len(pressed) - 1 - pressed[::-1].index(True)) * PERIOD_S
    assert first == pytest.approx(0.8, abs=0.03)
    assert last - first == pytest.approx(0.5, abs=0.04)
    assert sum(np.diff(pressed) != 0) == 2


def test_the_pelvic_support_turns_to_where_it_is_set():
    """The measured tilt must arrive at the prescribed one, and not at once."""
    bundle = beds_of(seed=16)
    bundle.tilt_deg[:] = 15.0
    run(bundle, 1.0)
    assert 20 <= bundle.reading[layout.R_TILT, 0] < 150
    run(bundle, 5.0)
    assert bundle.reading[layout.R_TILT, 0] == 150


def test_without_power_the_drive_brakes_and_holds():
    """Power cut on the second channel must not let the tension snap back."""
    bundle = pull_to(beds_of(seed=17), 150.0)
    bundle.command[layout.C_OUTPUTS] = 0
    run(bundle, 1.0, 20.0)
    place = bundle.plant[p.X_DRIVE, 0]
    run(bundle, 1.0, 20.0)
    assert bundle.plant[p.X_DRIVE, 0] == pytest.approx(place, abs=1e-6)
    assert bundle.plant[p.X_TENSION, 0] > 100.0


@pytest.mark.parametrize("fault", [0, faults.DRIVE_STUCK])
def test_the_mechanical_release_empties_the_tension_even_of_a_stuck_drive(fault):
    """The last way out needs no drive."""
    bundle = pull_to(beds_of(seed=18), 200.0)
    bundle.faults[:] = fault
    bundle.command[layout.C_OUTPUTS] = layout.OUTPUT_FREE
    tensions = run(bundle, 4.0, 0.0)
    assert tensions[-1, 0] < 5.0
    assert np.diff(tensions[:, 0]).min() > -60.0


def _frozen(bundle):
    forces = set()
    for _ in range(20):
        run(bundle, PERIOD_S, 5.0)
        forces.add(int(bundle.reading[layout.R_FORCE, 0]))
    return len(forces) == 1


def _status(bit, present):
    return lambda bundle: (run(bundle, 0.1, 0.0), bool(bundle.reading[layout.R_STATUS, 0] & bit) is present)[
        1
    ]


def _stands_still(bundle):
    before = bundle.plant[p.X_DRIVE, 0]
    run(bundle, 0.5, 10.0)
    return bundle.plant[p.X_DRIVE, 0] == before and bool(
        bundle.reading[layout.R_STATUS, 0] & layout.STATUS_DRIVE_READY
    )


def _slips(bundle):
    return run(bundle, 0.2, 0.0)[-1, 0] < 20.0


def _ages_and_releases(bundle):
    reading = bundle.reading.copy()
    run(bundle, 0.1, 5.0)
    aged = (
        bundle.reading[layout.R_AGE, 0] == 100
        and bundle.reading[layout.R_FORCE, 0] == reading[layout.R_FORCE, 0]
    )
    return aged and run(bundle, 3.0, 5.0)[-1, 0] < 5.0


def _heats_unasked(bundle):
    run(bundle, 30.0, 0.0)
    return bundle.plant[p.X_HEAT, 0] > 24.0


def _drifts(bundle):
    run(bundle, 40.0, 0.0)
    short = bundle.plant[p.X_TENSION, 0] - 0.1 * bundle.reading[layout.R_FORCE, 0]
    return short == pytest.approx(20.0, abs=2.5)


def _is_noisy(bundle):
    forces = []
    for _ in range(200):
        run(bundle, PERIOD_S, 0.0)
        forces.append(0.1 * bundle.reading[layout.R_FORCE, 0])
    return float(np.std(forces)) > 3.0


def _runs_away(bundle):
    before = bundle.plant[p.X_DRIVE, 0]
    run(bundle, 0.5, -5.0)
    away = bundle.plant[p.X_DRIVE, 0] > before + 8.0
    bundle.command[layout.C_OUTPUTS] = 0
    run(bundle, 0.5)
    here = bundle.plant[p.X_DRIVE, 0]
    run(bundle, 0.5)
    return away and bundle.plant[p.X_DRIVE, 0] == pytest.approx(here, abs=1e-6)


def _is_slow(bundle):
    before = bundle.plant[p.X_DRIVE, 0]
    run(bundle, 1.0, -20.0)
    return before - bundle.plant[p.X_DRIVE, 0] == pytest.approx(4.0, abs=0.2)


def _comes_late(bundle):
    ages = []
    for _ in range(12):
        run(bundle, PERIOD_S, 0.0)
        ages.append(int(bundle.reading[layout.R_AGE, 0]))
    return sorted(set(ages)) == [0, 20, 40]


def _lives_thrice(bundle):
    before = bundle.plant[p.X_TICK, 0]
    run(bundle, 1.0, 0.0)
    return bundle.plant[p.X_TICK, 0] - before == 150


def _from_the_future(bundle):
    run(bundle, PERIOD_S, 0.0)
    return bundle.reading[layout.R_AGE, 0] < -1_000_000


SIGNS = {
    "sensor-stuck": _frozen,
    "sensor-lost": _status(layout.STATUS_FORCE_VALID, present=False),
    "drive-stuck": _stands_still,
    "strap-slip": _slips,
    "switch-pressed": _status(layout.STATUS_SWITCH_PRESSED, present=True),
    "link-lost": _ages_and_releases,
    "mains-lost": _status(layout.STATUS_MAINS, present=False),
    "switch-unplugged": _status(layout.STATUS_SWITCH_CONNECTED, present=False),
    "heat-stuck": _heats_unasked,
    "sensor-drift": _drifts,
    "sensor-noise": _is_noisy,
    "drive-runaway": _runs_away,
    "drive-slow": _is_slow,
    "link-late": _comes_late,
    "late-ticks": _lives_thrice,
    "clock": _from_the_future,
}


@pytest.mark.parametrize("kind", faults.FAULT_KINDS)
def test_every_fault_shows_its_sign_and_only_then(kind):
    """Each alarm is tested by raising its fault: a fault without a sign would test nothing."""
    healthy = pull_to(beds_of(seed=19, noise_n=0.5), 150.0)
    assert not SIGNS[kind](healthy)
    faulty = pull_to(beds_of(seed=19, noise_n=0.5), 150.0)
    faulty.faults[:] = 1 << faults.FAULT_KINDS.index(kind)
    assert SIGNS[kind](faulty)


@pytest.mark.parametrize("kind", faults.WILL_KINDS)
def test_a_person_who_is_told_to_does_so_while_it_stands_and_then_no_more(kind):
    """The demo shows a cough when somebody looks, not once in twenty minutes."""
    told = pull_to(beds_of(seed=20), 250.0)
    still = pull_to(beds_of(seed=20), 250.0)
    told.faults[:] = faults.BITS[kind]
    counter = [told.plant[p.X_COUNTER, 0] for _ in range(round(1.0 / PERIOD_S)) if told.step() is None]
    assert max(counter) > 8.0
    told.faults[:] = 0
    run(told, 12.0)
    assert told.plant[p.X_COUNTER, 0] == 0.0
    run(still, 13.0)
    assert still.plant[p.X_COUNTER, 0] == 0.0
