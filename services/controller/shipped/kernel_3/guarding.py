"""The counter-tension detector: an observer, a bank of matched windows over its innovations, an error limit.

It reacts within a tick or two of the first trace of a contraction; it cannot foresee one. Guarding only ever
raises tension, artefacts go both ways: recent negative excursions scale the threshold. Numbers measured
on a simulated population, see docs/control.md.
"""

import math

from . import state as at
from . import tuning
from .compiled import scalar, stage
from .layout import P_PERIOD

BANK = tuning.BANK
P_WINDOW, P_THRESHOLD = tuning.P_WINDOW, tuning.P_THRESHOLD
VARIANCE_FLOOR = 0.6  # of normalised innovations
VARIANCE_CLIP = 9.0  # one sample counts at most as three sigmas
ERROR_LIMIT_N = 4.84
ERROR_SIGMAS_SQUARED = 25.0  # 5 sigma
ERROR_CLIP_N2 = 9.0
NEGATIVE_GAIN = 1.1
TAUT_FRACTION = 0.9  # of base: below it the harness is soft, travel tells nothing about tension


@stage
def observe(period, alpha, beta_per_s, scale, residual_keep, base, armed, bearing, target, force, moved,
            fresh, stiffness, tension, slope, innovation, residual):  # fmt: skip
    """Alpha-beta observer: what the drive's own travel does not explain is the innovation (in sigmas).

    The residual is the counter-tension estimate: tension less stiffness times travel, washed out over 2 s.
    It takes in nothing while the strap is loose or soft (target below nine tenths of base, or not bearing at
    all) and fades; with the drive at rest it is zero.
    """
    for bed in range(period.shape[0]):
        pulled = stiffness[bed] * moved[bed]
        before = tension[bed]
        ahead = before + slope[bed] * period[bed] + pulled
        nu = fresh[bed] * (force[bed] - ahead)
        now = ahead + alpha[bed] * nu
        tension[bed] = now
        slope[bed] = slope[bed] + beta_per_s[bed] * nu
        innovation[bed] = nu * scale[bed]
        taut = bearing[bed] if target[bed] >= TAUT_FRACTION * base[bed] else 0.0
        unexplained = taut * (now - before - pulled)
        residual[bed] = armed[bed] * residual_keep[bed] * (residual[bed] + unexplained)


@stage
def remember(innovation, row):
    """Write this tick's innovations into the ring's row."""
    for bed in range(innovation.shape[0]):
        row[bed] = innovation[bed]


@stage
def clear(high, low):
    """Begin a tick's bank: no excursion yet."""
    for bed in range(high.shape[0]):
        high[bed] = 0.0
        low[bed] = 0.0


@stage
def correlate_four(total, first, second, third, fourth, w1, w2, w3, w4, keep):
    """Total = keep total + four weighted rows of innovations."""
    for bed in range(total.shape[0]):
        total[bed] = (
            keep * total[bed] + w1 * first[bed] + w2 * second[bed] + w3 * third[bed] + w4 * fourth[bed]
        )


@stage
def correlate_one(total, row, weight, keep):
    """Total = keep total + one weighted row of innovations."""
    for bed in range(total.shape[0]):
        total[bed] = keep * total[bed] + weight * row[bed]


@stage
def take_extremes(total, gain, high, low):
    """Fold one window's normalised correlation (in thresholds) into the bank's extremes."""
    for bed in range(total.shape[0]):
        value = total[bed] * gain
        high[bed] = max(high[bed], value)
        low[bed] = min(low[bed], value)


@stage
def detect(period, variance_gain, negative_keep, watching, innovation, high, low, force, target,
           variance, error_variance, negative, freeze, blank, detected):  # fmt: skip
    """Mark a bed whose tension rises as only a contraction makes it rise, and keep the running statistics."""
    for bed in range(period.shape[0]):
        v = variance[bed]
        looking = 0.0 if blank[bed] > 0.0 else watching[bed]
        blank[bed] = blank[bed] - period[bed]
        scale = 1.0 / (max(v, VARIANCE_FLOOR)) ** 0.5
        above = high[bed] * scale
        below = -low[bed] * scale * NEGATIVE_GAIN
        artefact = negative[bed]
        limit = max(artefact, 1.0)
        error = force[bed] - target[bed]
        spread = ERROR_SIGMAS_SQUARED * error_variance[bed]
        floor = ERROR_LIMIT_N * ERROR_LIMIT_N
        spread = max(spread, floor)
        beyond = 1.0 if error * error > spread else 0.0
        beyond = beyond if error > 0.0 else 0.0
        found = 1.0 if above > limit else beyond
        detected[bed] = found * looking

        frozen = freeze[bed]
        gain = variance_gain[bed] * looking
        gain = 0.0 if frozen > 0.0 else gain
        z2 = innovation[bed] * innovation[bed]
        z2 = min(z2, VARIANCE_CLIP)
        e2 = error * error
        e2 = min(e2, ERROR_CLIP_N2)
        variance[bed] = v + gain * (z2 - v)
        error_variance[bed] = error_variance[bed] + gain * (e2 - error_variance[bed])
        faded = artefact * negative_keep[bed]
        grown = max(faded, below)
        grown = grown if looking > 0.0 else faded
        negative[bed] = artefact if frozen > 0.0 else grown
        freeze[bed] = frozen - period[bed]


@scalar
def fill_response(state, params, bed):
    """The observer's innovations after a unit ramp sets in: the shape the bank looks for (column 0)."""
    alpha = params[tuning.P_ALPHA, bed]
    beta = params[tuning.P_BETA, bed] * params[P_PERIOD, bed]
    tension = 0.0
    slope = 0.0
    for index in range(int(params[tuning.P_BANK_SAMPLES, bed])):
        ahead = tension + slope
        nu = (index + 1.0) - ahead
        tension = ahead + alpha * nu
        slope = slope + beta * nu
        state[at.RESPONSE + index, 0] = nu
    for window in range(BANK):
        energy = 0.0
        for index in range(int(params[P_WINDOW + window, bed])):
            energy += state[at.RESPONSE + index, 0] * state[at.RESPONSE + index, 0]
        state[at.BANK_GAIN + window, 0] = 1.0 / (params[P_THRESHOLD + window, bed] * math.sqrt(energy))


@scalar
def ring_at(row, lag, samples):
    """Row of the state that holds the innovations of `lag` ticks ago."""
    place = row - lag
    return at.RING + (place + samples if place < 0 else place)


@scalar
def run_bank(params, state, row):
    """Correlate the last innovations with the ramp response over every window; row is the newest in the ring.

    Weights and windows are the gateway's, from column 0: all its beds run at one period.
    """
    samples = int(params[tuning.P_BANK_SAMPLES, 0])
    total = state[at.SCRATCH]
    high = state[at.BANK_HIGH]
    low = state[at.BANK_LOW]
    clear(high, low)
    for window in range(BANK):
        length = int(params[P_WINDOW + window, 0])
        keep = 0.0
        lag = 0
        while lag + 4 <= length:
            first = at.RESPONSE + length - 1 - lag
            correlate_four(
                total,
                state[ring_at(row, lag, samples)],
                state[ring_at(row, lag + 1, samples)],
                state[ring_at(row, lag + 2, samples)],
                state[ring_at(row, lag + 3, samples)],
                state[first, 0], state[first - 1, 0], state[first - 2, 0], state[first - 3, 0], keep,
            )  # fmt: skip
            keep = 1.0
            lag += 4
        while lag < length:
            weight = state[at.RESPONSE + length - 1 - lag, 0]
            correlate_one(total, state[ring_at(row, lag, samples)], weight, keep)
            keep = 1.0
            lag += 1
        take_extremes(total, state[at.BANK_GAIN + window, 0], high, low)
