"""The counter-tension detector: an observer, a bank of matched windows over its innovations, an error limit.

It reacts within a tick or two of the first trace of a contraction; it cannot foresee one. Guarding only ever
raises tension, artefacts go both ways: recent negative excursions scale the threshold. Numbers measured
on a simulated population, see docs/control.md.
"""

import math

from services.controller.kernel import state as at
from services.controller.kernel import tuning
from services.controller.kernel.compiled import scalar, stage
from services.controller.kernel.layout import P_PERIOD

BANK = tuning.BANK
P_WINDOW, P_THRESHOLD = tuning.P_WINDOW, tuning.P_THRESHOLD
MOVING_N_S = 1.0  # target's rate from which artefacts are those of motion
REST_FLOOR, MOTION_FLOOR = 0.4, 1.0  # least variance of a window's correlation (1: the load cell's noise)
REST_START = 0.85  # ... before anything is known of this patient
VARIANCE_CLIP = 9.0  # one sample counts at most as three sigmas
ERROR_SIGMAS_SQUARED = 25.0  # 5 sigma
ERROR_CLIP_N2 = 9.0
NEGATIVE_SHARE = 1.2  # of the greatest fall of late, squared: what a rise in motion must beat
FALLEN_SHARE = 0.5  # ... what any rise must, right after it
TAUT_FRACTION = 0.9  # of base: below it the harness is soft, travel tells nothing about tension
EFFORT_MAX_UV = 3000.0  # what says more is no muscle
EFFORT_VARIANCE_UV2 = 0.04  # least of a smoothed envelope
EFFORT_MOST = 16.0  # four sigmas: electrodes alone never stop the pull
EFFORT_WEIGHT = 1.0 / 30.0  # squared sigmas to squared thresholds
EFFORT_COST = 0.056  # squared thresholds more where there are electrodes: two chances to be wrong


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
def attend(period, variance_gain, watching, rate, blank, freeze, looking, learning, moving):
    """Whether a bed is looked at now, what that counts for its statistics, and whether it is moved."""
    for bed in range(period.shape[0]):
        seen = 0.0 if blank[bed] > 0.0 else watching[bed]
        gain = variance_gain[bed] * seen
        learning[bed] = 0.0 if freeze[bed] > 0.0 else gain
        looking[bed] = seen
        speed = rate[bed] if rate[bed] > 0.0 else -rate[bed]
        moving[bed] = 1.0 if speed > MOVING_N_S else 0.0
        blank[bed] = blank[bed] - period[bed]
        freeze[bed] = freeze[bed] - period[bed]


@stage
def hear(effort_duv, effort_gain, learning, effort, effort_mean, effort_variance, heard):
    """Surface EMG, smoothed, against its own rest: squared sigmas above it (at most 16), or -1 without it."""
    for bed in range(learning.shape[0]):
        there = 1.0 if effort_duv[bed] >= 0 else 0.0
        now = effort_duv[bed] * 0.1
        now = min(now, EFFORT_MAX_UV)
        smooth = effort[bed] + there * effort_gain[bed] * (now - effort[bed])
        variance = max(effort_variance[bed], EFFORT_VARIANCE_UV2)
        above = smooth - effort_mean[bed]
        squared = above * above
        most = VARIANCE_CLIP * variance
        usual = above if squared < most else 0.0
        effort_mean[bed] = effort_mean[bed] + there * learning[bed] * usual
        effort_variance[bed] = variance + there * learning[bed] * (min(squared, most) - variance)
        effort[bed] = smooth
        sigmas = squared if above > 0.0 else 0.0
        sigmas = min(sigmas, EFFORT_MOST * variance) / variance
        heard[bed] = sigmas if there > 0.0 else -1.0


@stage
def clear(excess, deepest):
    """Begin a tick's bank: nothing beyond its limit yet, and no fall."""
    for bed in range(excess.shape[0]):
        excess[bed] = -1.0
        deepest[bed] = 0.0


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
def judge(total, gain, per_threshold, learning, moving, negative_keep, fallen, at_rest, in_motion, negative,
          deepest, excess):  # fmt: skip
    """Hold one window's correlation against its limit, in squared thresholds; keep the greatest excess.

    Each window has its own variances on this patient: at rest they are what breath does to it, in motion what
    friction and a stiffness not quite known do. Artefacts of motion have both signs, guarding one: the
    greatest fall of late is the least that a rise must beat while the target moves, and, whatever it does,
    for a second or two (`fallen`): what fell comes back.
    """
    for bed in range(total.shape[0]):
        value = total[bed] * gain
        squared = value * value
        moved = moving[bed]
        still = max(at_rest[bed], REST_FLOOR)
        shaken = max(in_motion[bed], MOTION_FLOOR)
        usual = shaken if moved > 0.0 else still
        clipped = min(squared, VARIANCE_CLIP * usual)
        step = learning[bed] * (clipped - usual)
        at_rest[bed] = still if moved > 0.0 else still + step
        in_motion[bed] = shaken + step if moved > 0.0 else shaken
        part = squared * per_threshold / usual
        rise = part if value > 0.0 else 0.0
        fall = part if value < 0.0 else 0.0
        artefact = negative[bed]
        limit = max(fallen[bed], 1.0)
        limit = max(limit, artefact * moved)
        beyond = rise - limit
        excess[bed] = max(excess[bed], beyond)
        deepest[bed] = max(deepest[bed], fall)
        grown = max(artefact * negative_keep[bed], NEGATIVE_SHARE * fall)
        negative[bed] = grown if learning[bed] * moved > 0.0 else artefact


@stage
def detect(error_limit_n, fallen_keep, looking, learning, heard, excess, deepest, force, target,
           error_variance, fallen, detected):  # fmt: skip
    """Mark a bed whose tension rises as only a contraction makes it rise, or stands above its target.

    Independent evidence adds in squares: what the electrodes hear lowers what the load cell has to show.
    """
    for bed in range(looking.shape[0]):
        needed = EFFORT_COST - heard[bed] * EFFORT_WEIGHT
        needed = needed if heard[bed] >= 0.0 else 0.0
        error = force[bed] - target[bed]
        squared = error * error
        spread = ERROR_SIGMAS_SQUARED * error_variance[bed]
        floor = error_limit_n[bed] * error_limit_n[bed]
        spread = max(spread, floor)
        above = 1.0 if squared > spread else 0.0
        above = above if error > 0.0 else 0.0
        found = 1.0 if excess[bed] > needed else above
        detected[bed] = found * looking[bed]
        fallen[bed] = max(fallen[bed] * fallen_keep[bed], FALLEN_SHARE * deepest[bed])
        clipped = min(squared, ERROR_CLIP_N2)
        error_variance[bed] = error_variance[bed] + learning[bed] * (clipped - error_variance[bed])


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
        state[at.BANK_GAIN + window, 0] = 1.0 / math.sqrt(energy)


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
    excess = state[at.EXCESS]
    deepest = state[at.DEEPEST]
    clear(excess, deepest)
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
        threshold = params[P_THRESHOLD + window, 0]
        judge(
            total, state[at.BANK_GAIN + window, 0], 1.0 / (threshold * threshold), state[at.LEARNING],
            state[at.MOVING], params[tuning.P_NEGATIVE_KEEP], state[at.FALLEN], state[at.BANK_REST + window],
            state[at.BANK_MOTION + window], state[at.BANK_NEGATIVE + window], deepest, excess,
        )  # fmt: skip
