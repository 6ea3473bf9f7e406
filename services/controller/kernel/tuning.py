"""Gains, windows and thresholds, all derived from the loop's period (1 to 20 ms).

The numbers were measured on a simulated population at 20 ms, see docs/control.md; here they are carried to
other periods by the formulas given with each function. Plain Python and numpy, no compiled code.
"""

import math

import numpy as np

from services.controller.kernel.layout import PARAMETERS

PERIOD_MIN_S, PERIOD_MAX_S = 0.001, 0.020
FORCE_SIGMA_N = 0.5  # load cell noise
ALPHA_20MS = 0.2561  # the observer's measured best at 20 ms; fixes its process noise
WINDOWS_S = (0.02, 0.04, 0.06, 0.10, 0.16, 0.24)
# In standard deviations of what each window says of this patient at rest, at 20 ms: so that each alone stops
# falsely as seldom as the others, see docs/control.md.
THRESHOLDS = (5.30, 5.30, 5.30, 5.60, 5.70, 6.00)
ERROR_LIMIT_N = 4.84
NEAR_ALPHA_20MS = 0.55  # the force law's own observer: quicker, its noise costs the drive no more than before
DRIVE_LAG_S = 0.015  # middle of the drives' 10 to 20 ms
DELAY_TICKS, DELAY_LEAST_S = 3.0, 0.03  # that commands may be late by; a link is as late at any period
BANDWIDTH = 0.44  # of the loop, times the delay it is made for
ANSWERED_FROM_S = 0.005  # shorter periods: the law without the slope, see docs/control.md
EFFORT_S = 0.30  # smoothing of the surface EMG: longer than a heart beat in it
BANK = len(WINDOWS_S)
RESPONSE_MAX = 240  # samples of the longest window at the shortest period

TUNING = (
    "alpha",
    "beta_per_s",
    "innovation_scale",  # observer: T += alpha nu, s += beta_per_s nu
    "washout",
    "forget",
    "residual_keep",  # 2 rad/s washout, 3 s stiffness memory, 2 s residual
    "variance_gain",
    "fallen_keep",  # 1.5 s memory of a fall
    "negative_keep",  # 80 s variance memory, 100 s of motion memory of its artefacts
    "same_limit",  # identical readings that mean a frozen load cell
    "slope_gain",  # envelope's own slope filter, 0.1 s
    "travel_keep",  # envelope's travel mismatch, 2 s
    "counter_keep",  # envelope's memory of a counter-tension, 30 s: how long guarding may last
    "lost_keep",  # ... and of lost tension, 2 s
    "bank_samples",  # samples in the longest window
    "error_limit_n",  # least tension above the target that is an alarm by itself
    "effort_gain",  # smoothing of the surface EMG, 0.3 s
    "near_alpha",
    "near_beta_per_s",  # the force law's observer
    "proportional",
    "integral_gain",
    "owed_keep",  # the force law's gains, 1/s and 1/s^2, and how long it counts on travel that is under way
    "slope_answered",  # 1 where the law answers the slope once it has learnt the stiffness, else 0
    *(f"window_{index}" for index in range(BANK)),
    *(f"threshold_{index}" for index in range(BANK)),
)
PARAMETER_NAMES = PARAMETERS + TUNING
PARAMETER_COUNT = len(PARAMETER_NAMES)
(
    P_ALPHA,
    P_BETA,
    P_INNOVATION_SCALE,
    P_WASHOUT,
    P_FORGET,
    P_RESIDUAL_KEEP,
    P_VARIANCE_GAIN,
    P_FALLEN_KEEP,
    P_NEGATIVE_KEEP,
    P_SAME_LIMIT,
    P_SLOPE_GAIN,
    P_TRAVEL_KEEP,
    P_COUNTER_KEEP,
    P_LOST_KEEP,
    P_BANK_SAMPLES,
    P_ERROR_LIMIT,
    P_EFFORT_GAIN,
    P_NEAR_ALPHA,
    P_NEAR_BETA,
    P_PROPORTIONAL,
    P_INTEGRAL,
    P_OWED_KEEP,
    P_SLOPE_ANSWERED,
    P_WINDOW,
) = range(len(PARAMETERS), len(PARAMETERS) + 24)
P_THRESHOLD = P_WINDOW + BANK


def tracking_gains(period_s: float, alpha_20ms: float = ALPHA_20MS) -> tuple[float, float]:
    """Alpha and beta of the steady-state tracking filter for a period in seconds.

    Kalata's relations: L = q Ts^1.5 / sigma, r = (4 + L - sqrt(8 L + L^2)) / 4, alpha = 1 - r^2,
    beta = 2 (2 - alpha) - 4 sqrt(1 - alpha); q is chosen so that 20 ms gives alpha_20ms.
    """
    root = math.sqrt(1.0 - alpha_20ms)
    index_20ms = (2.0 * (2.0 - alpha_20ms) - 4.0 * root) / root
    index = index_20ms * (period_s / 0.020) ** 1.5
    r = (4.0 + index - math.sqrt(8.0 * index + index * index)) / 4.0
    alpha = 1.0 - r * r
    return alpha, 2.0 * (2.0 - alpha) - 4.0 * math.sqrt(1.0 - alpha)


def law_gains(period_s: float) -> tuple[float, float, float]:
    """Proportional (1/s) and integral gain (1/s^2) of the force law, and its memory of travel under way (s).

    Model: tension = stiffness x travel + what the patient does; travel follows the command after
    D = drive's lag + half a period (a command is held for one) + the delay to be tolerated (three periods, at
    least 30 ms). With travel under way counted as done, what is left is an integrator: s^2 + Kp s + Ki with
    Kp = sqrt(2) w, Ki = w^2 settles without swinging. What was counted on is measured within about D and may
    be wrong by the stiffness: w = 0.44 / D keeps the loop calm at D with a stiffness learnt 40 % too low;
    counting on it fades over 2 D. Measured beside other gains in docs/control.md.
    """
    late_s = max(DELAY_TICKS * period_s, DELAY_LEAST_S)
    delay_s = DRIVE_LAG_S + 0.5 * period_s + late_s
    bandwidth = BANDWIDTH / delay_s
    return math.sqrt(2.0) * bandwidth, bandwidth * bandwidth, 2.0 * delay_s


def thresholds(period_s: float) -> list[float]:
    """Bank thresholds in standard deviations: more looks a second need a higher one for the same false stops.

    A Gaussian tail exp(-t^2/2) times 20 ms/Ts looks stays equal when t^2 grows by 2 ln(20 ms/Ts). Friction
    and breath are not Gaussian: a twentieth more for every halving of the period, measured over 40 hours each
    (at 5 ms 0.22 false stops an hour without it, none with it, and 10 N still found 25 ms sooner than at 20).
    """
    octaves = math.log2(0.020 / period_s)
    more_looks = 2.0 * math.log(2.0) * octaves
    return [(1.0 + 0.05 * octaves) * math.sqrt(t * t + more_looks) for t in THRESHOLDS]


def identical_limit(period_s: float) -> float:
    """Identical readings in a row that mean a frozen load cell: 8 at 20 ms, more when looked at oftener.

    With 0.5 N noise on a 0.1 N grid a reading repeats with probability 0.056, so every further one buys a
    factor of 18 against chance.
    """
    return 8.0 + math.ceil(math.log(0.020 / period_s) / 2.9)


def tune(period_s: float) -> np.ndarray:
    """Everything that depends on the period in seconds: float64[len(TUNING)], in the order of TUNING.

    Raises ValueError outside 1 to 20 ms.
    """
    if not PERIOD_MIN_S <= period_s <= PERIOD_MAX_S:
        raise ValueError(f"period is {period_s * 1000:g} ms: the loop runs at 1 to 20 ms (kernel/tuning.py)")
    alpha, beta = tracking_gains(period_s)
    near_alpha, near_beta = tracking_gains(period_s, NEAR_ALPHA_20MS)
    proportional, integral, owed_s = law_gains(period_s)
    windows = [float(max(1, round(window_s / period_s))) for window_s in WINDOWS_S]
    return np.array(
        [
            alpha,
            beta / period_s,
            math.sqrt(1.0 - alpha) / FORCE_SIGMA_N,
            1.0 / (1.0 + 2.0 * period_s),
            1.0 - period_s / 3.0,
            1.0 - period_s / 2.0,
            period_s / 80.0,
            1.0 - period_s / 1.5,
            1.0 - period_s / 100.0,
            identical_limit(period_s),
            period_s / 0.1,
            1.0 - period_s / 2.0,
            1.0 - period_s / 30.0,
            1.0 - period_s / 2.0,
            windows[-1],
            ERROR_LIMIT_N,
            1.0 - math.exp(-period_s / EFFORT_S),
            near_alpha,
            near_beta / period_s,
            proportional,
            integral,
            1.0 - period_s / owed_s,
            1.0 if period_s >= ANSWERED_FROM_S else 0.0,
            *windows,
            *thresholds(period_s),
        ]
    )
