"""What the simulated person does of their own accord: breath, sighs, contractions, coughs.

Stages run over rows of beds; what is rare (a new breath, a contraction) is drawn bed by bed in plant.py.
"""

import math

from services.controller.kernel.compiled import scalar, stage

FAR = 1e18  # a time that never comes: nothing is scheduled
TURN = 6.283185307179586
COUGH_S, COUGH_EVERY_S = 0.25, 0.45
LOADED_N, UNLOADED_N = 20.0, 2.0  # tension under which muscles tire of answering, and recover
FIRM_N = 20.0  # least pull that a muscle answers


@stage
def inhale(period, breath_s, rate, phase, over):
    """Advance every breath; `over` marks the beds whose breath has come to its end."""
    for bed in range(period.shape[0]):
        here = phase[bed] + TURN * period[bed] * rate[bed] / breath_s[bed]
        phase[bed] = here
        over[bed] = 1.0 if here >= TURN else 0.0


@stage
def heave(steps, breath_n, depth, phase, breath, breath_step):
    """The breath's way in a sub-step, from where it was to where its phase (0 to 2 pi) puts it now (N).

    depth sin p (1 + 0.3 cos p), by the half of the angle from pi and Taylor's series: exact to 1e-9.
    """
    share = 1.0 / steps
    for bed in range(phase.shape[0]):
        a = 0.5 * (phase[bed] - 0.5 * TURN)
        q = a * a
        sine = a * (1.0 + q * (-1 / 6 + q * (1 / 120 + q * (-1 / 5040 + q * (
            1 / 362880 + q * (-1 / 39916800 + q / 6227020800))))))  # fmt: skip
        cosine = 1.0 + q * (-1 / 2 + q * (1 / 24 + q * (-1 / 720 + q * (
            1 / 40320 + q * (-1 / 3628800 + q * (1 / 479001600 - q / 87178291200))))))  # fmt: skip
        wave = -2.0 * sine * cosine
        across = 2.0 * sine * sine - 1.0
        wanted = breath_n[bed] * depth[bed] * wave * (1.0 + 0.3 * across)
        breath_step[bed] = (wanted - breath[bed]) * share


@stage
def tire(period, tension, loaded_s):
    """Time under tension (s), forgotten five times as fast at rest."""
    for bed in range(period.shape[0]):
        pull = tension[bed]
        dt = period[bed]
        change = -5.0 * dt if pull < UNLOADED_N else 0.0
        change = dt if pull > LOADED_N else change
        worn = loaded_s[bed] + change
        loaded_s[bed] = max(0.0, worn)


@stage
def ask(tension, burst_at, cough_at, early_hz, late_hz, cough_hz, may_contract, may_cough):
    """Who may begin a contraction in this period, and who a fit of coughs."""
    for bed in range(tension.shape[0]):
        rates = early_hz[bed] + late_hz[bed]
        firm = 1.0 if tension[bed] > FIRM_N else 0.0
        firm = firm if rates > 0.0 else 0.0
        may_contract[bed] = firm if burst_at[bed] >= FAR else 0.0
        able = 1.0 if cough_hz[bed] > 0.0 else 0.0
        may_cough[bed] = able if cough_at[bed] >= FAR else 0.0


@stage
def mark(period, early_hz, late_hz, cough_hz, stretch_mm_s, pelvis_mm_s, may_contract, chance, may_cough,
         cough_chance, burst_at, cough_at, active, over, pending):  # fmt: skip
    """Mark the beds in which something begins, goes on or ends; where nothing does, no muscle pulls.

    A contraction's chance here is the greatest it can be; begin_contraction weighs it again.
    """
    for bed in range(period.shape[0]):
        most = (early_hz[bed] + late_hz[bed]) * period[bed]
        likely = may_contract[bed] if chance[bed] < most else 0.0
        likely = may_contract[bed] if pelvis_mm_s[bed] > stretch_mm_s[bed] else likely
        coughing = may_cough[bed] if cough_chance[bed] < cough_hz[bed] * period[bed] else 0.0
        given = 1.0 if (burst_at[bed] < FAR) | (cough_at[bed] < FAR) else active[bed]
        pending[bed] = likely + coughing + given + over[bed]


@scalar
def contraction(time_s, at_s, amplitude_n, sample_hz, library, first, length):
    """Counter-tension (N) of a recorded contraction that began at at_s, linear between its samples."""
    place = (time_s - at_s) * sample_hz
    index = int(place)
    if place < 0.0 or index + 1 >= length:
        return 0.0
    before = library[first + index]
    return amplitude_n * (before + (place - index) * (library[first + index + 1] - before))


@scalar
def cough(time_s, at_s, amplitude_n, coughs):
    """Counter-tension (N) of a fit of coughs, each a short parabola."""
    since = time_s - at_s
    if since < 0.0 or since >= coughs * COUGH_EVERY_S:
        return 0.0
    part = (since % COUGH_EVERY_S) / COUGH_S
    return 4.0 * amplitude_n * part * (1.0 - part) if part < 1.0 else 0.0


@scalar
def hazard_hz(early_hz, late_hz, settle_s, loaded_s):
    """Contractions a second: many in the first minutes under tension, few later."""
    return early_hz * math.exp(-loaded_s / settle_s) + late_hz
