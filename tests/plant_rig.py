"""Simulated beds with a drive that a test moves: what tests of the plant share."""

import numpy as np

from services.controller.beds import simulated
from services.controller.kernel import layout
from services.controller.kernel import plant as p

PERIOD_S = 0.02


def beds_of(seed=1, beds=1, period_s=PERIOD_S, *, calm=True, **constants):
    """Beds with power on, breathing and friction as asked (none unless given)."""
    bundle = simulated.simulated_beds(seed, beds, period_s)
    if calm:
        simulated.calm(bundle.constants)
    quiet = {"breath_n": 0.0, "stick_n": 0.0, "slide_n": 0.0, "noise_n": 0.0} if calm else {}
    for name, value in {**quiet, **constants}.items():
        bundle.constants[p.CONSTANTS.index(name)] = value
    bundle.command[layout.C_OUTPUTS] = layout.OUTPUT_POWER
    return bundle


def run(bundle, seconds, speed_mm_s=None):
    """Step for a time, optionally at a drive speed; tension after every period."""
    if speed_mm_s is not None:
        bundle.command[layout.C_VELOCITY] = round(1000 * speed_mm_s)
    tensions = []
    for _ in range(round(seconds / PERIOD_S)):
        bundle.step()
        tensions.append(bundle.plant[p.X_TENSION].copy())
    return np.array(tensions)


def pull_to(bundle, tension_n):
    """Pull every bed to about a tension and hold the drive there."""
    for _ in range(4000):
        below = bundle.plant[p.X_TENSION] < tension_n
        bundle.command[layout.C_VELOCITY] = np.where(below, 6000, 0)
        bundle.step()
        if not below.any():
            break
    run(bundle, 0.5, 0.0)
    return bundle


def one_contraction(bundle, shape, amplitude_n, at_s, sample_hz=1000.0):
    """Give every bed one contraction of this shape (peak 1) at a time of the plant's clock."""
    bundle.library = simulated.library([np.asarray(shape, dtype=float)], sample_hz)
    bundle.plant[p.X_BURST] = 0
    bundle.plant[p.X_BURST_N] = amplitude_n
    bundle.plant[p.X_BURST_HZ] = sample_hz
    bundle.plant[p.X_BURST_AT] = at_s
