"""Surface EMG as an optional reading of the bed: `effort_duv`."""

import numpy as np
from plant_rig import PERIOD_S, beds_of, one_contraction, pull_to

from services.controller.beds import simulated
from services.controller.kernel import layout
from services.controller.kernel import plant as p


def wired(seed=4, beds=8):
    """Beds whose people wear electrodes, and what those read over a second of a 40 N contraction."""
    bundle = beds_of(seed=seed, beds=beds)
    simulated.with_electrodes(bundle.constants, seed)
    return bundle


def test_a_bed_without_electrodes_says_so():
    """Zero would be a muscle at rest: none must be told from it."""
    bundle = beds_of(beds=2)
    bundle.step()
    assert (bundle.reading[layout.R_EFFORT] == layout.NO_EFFORT).all()


def test_the_muscle_is_heard_before_its_force():
    """What the second channel can buy at most is the electromechanical delay, 30-50 ms."""
    bundle = pull_to(wired(), 200.0)
    bundle.constants[p.K_EMG_SPREAD] = bundle.constants[p.K_EMG_HEART] = bundle.constants[p.K_EMG_MOTION] = 0
    begun_s = bundle.plant[p.X_TICK, 0] * PERIOD_S + 0.5
    one_contraction(bundle, np.minimum(np.arange(400) / 100.0, 1.0), 40.0, begun_s)
    effort, counter = [], []
    for _ in range(50):
        bundle.step()
        effort.append(bundle.reading[layout.R_EFFORT].copy())
        counter.append(bundle.plant[p.X_COUNTER].copy())
    heard, felt = np.array(effort) / 10.0, np.array(counter)
    muscle = np.sqrt(np.maximum(heard**2 - bundle.constants[p.K_EMG_FLOOR] ** 2, 0.0))
    lead_s = PERIOD_S * (
        np.argmax(felt > 20.0, axis=0) - np.argmax(muscle > 0.5 * muscle.max(axis=0), axis=0)
    )
    assert (np.abs(lead_s - bundle.constants[p.K_EMG_LEAD]) <= PERIOD_S).all()
    assert (lead_s > 0.0).all()


def test_electrodes_are_noisy_and_never_below_nothing():
    """A clean envelope would flatter a detector; a negative one would mean that there are no electrodes."""
    bundle = wired(beds=4)
    read = []
    for _ in range(2000):
        bundle.step()
        read.append(bundle.reading[layout.R_EFFORT].copy())
    heard = np.array(read) / 10.0
    assert heard.min() >= 0.0
    assert (np.median(heard, axis=0) / bundle.constants[p.K_EMG_FLOOR] < 1.5).all()
    assert (np.quantile(heard, 0.99, axis=0) > 1.5 * bundle.constants[p.K_EMG_FLOOR]).all()
