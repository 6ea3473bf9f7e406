"""The force law: target and reading -> drive velocity, adapting to the spine it pulls.

Stages run along a row of beds without branches, so that they become vector code. Units: N, mm, s.
Every number was measured on a simulated population, see docs/control.md.
"""

from services.controller.kernel.compiled import stage

STIFFNESS_PRIOR, STIFFNESS_MIN, STIFFNESS_MAX = 18.0, 6.0, 45.0  # N/mm
PRIOR_WEIGHT = 0.004  # mm^2
LEARN_RATE_N_S, LEARN_FORCE_N = 4.0, 30.0
LEAD_S = 0.06  # the drive's lag, answered ahead
CAREFUL_PROPORTIONAL, CAREFUL_INTEGRAL = 8.0, 24.0  # 1/s, 1/s^2: while the stiffness is assumed
KNOWN_MM2 = 0.02  # power of the travel that was learnt from, at which the stiffness is half trusted
SLOPE_SHARE = 0.62  # of the slope that travel does not explain, answered at once: all of it would swing
INTEGRAL_LIMIT_N_S = 30.0
EASE_GAIN, EASE_LEAD_S = 12.0, 0.04
ARRIVE_PER_S = 16.0  # the drive lags: towards the least position it slows down, not to run past it
SURGE_N, SURGE_N_S = 6.0, 10.0  # so far above the target and rising: no breath does that to a law that yields
RANGE_N = 2000.0  # the load cell's: what it says beyond must not spoil the observer for seconds
OFF, TRACK, EASE, FIXED, LET_OUT = 0.0, 1.0, 2.0, 3.0, 4.0  # as in state.py: who commands the velocity


@stage
def sense(
    force_dn, position_cmm, age_ms, force, position, moved, fresh, washed_position, washed_force, washout
):
    """Counts of the bed's edge -> N and mm, and their changes washed out at 2 rad/s."""
    for bed in range(force.shape[0]):
        y = force_dn[bed] * 0.1
        y = min(y, RANGE_N)
        y = max(y, -RANGE_N)
        x = position_cmm[bed] * 0.01
        dx = x - position[bed]
        washed_position[bed] = washout[bed] * (washed_position[bed] + dx)
        washed_force[bed] = washout[bed] * (washed_force[bed] + (y - force[bed]))
        force[bed] = y
        position[bed] = x
        moved[bed] = dx
        fresh[bed] = 1.0 if age_ms[bed] == 0 else 0.0


@stage
def learn_stiffness(
    force, rate, fresh, washed_position, washed_force, forget, position_power, cross_power, stiffness
):
    """Ridge recursive least squares of force on position (N/mm), only while the target moves under load."""
    for bed in range(force.shape[0]):
        rate_now = rate[bed]
        speed = rate_now if rate_now > 0.0 else -rate_now
        moving = 1.0 if speed > LEARN_RATE_N_S else 0.0
        loaded = 1.0 if force[bed] > LEARN_FORCE_N else 0.0
        gain = (1.0 - forget[bed]) * moving * loaded * fresh[bed]
        x = washed_position[bed]
        power = position_power[bed] + gain * (x * x - position_power[bed])
        cross = cross_power[bed] + gain * (x * washed_force[bed] - cross_power[bed])
        k = (cross + PRIOR_WEIGHT * STIFFNESS_PRIOR) / (power + PRIOR_WEIGHT)
        k = max(k, STIFFNESS_MIN)
        position_power[bed] = power
        cross_power[bed] = cross
        stiffness[bed] = min(k, STIFFNESS_MAX)


@stage
def advance_target(period, origin, span, inverse, clock, target, rate, curvature):
    """Quintic from origin over span: 10 u^3 - 15 u^4 + 6 u^5, and two derivatives (N, N/s, N/s^2)."""
    for bed in range(period.shape[0]):
        t = clock[bed] + period[bed]
        clock[bed] = t
        per_s = inverse[bed]
        u = t * per_s
        u = min(u, 1.0)
        rest = 1.0 - u
        target[bed] = origin[bed] + span[bed] * (u * u * u * (10.0 + u * (6.0 * u - 15.0)))
        rate[bed] = span[bed] * per_s * (30.0 * u * u * rest * rest)
        curvature[bed] = span[bed] * per_s * per_s * (60.0 * u * rest * (1.0 - 2.0 * u))


@stage
def foresee(period, alpha, beta_per_s, owed_keep, sent, force, moved, fresh, stiffness, tension, slope, owed):
    """The law's own observer (N, N/s), and the travel (mm) that was commanded and is still to come.

    An alpha-beta observer as guarding.observe, quicker. Travel that is under way is measured, not modelled:
    whatever delays the drive, it is known by what has not arrived; it is forgotten where it never does.
    """
    for bed in range(period.shape[0]):
        dx = moved[bed]
        ahead = tension[bed] + slope[bed] * period[bed] + stiffness[bed] * dx
        nu = fresh[bed] * (force[bed] - ahead)
        tension[bed] = ahead + alpha[bed] * nu
        slope[bed] = slope[bed] + beta_per_s[bed] * nu
        owed[bed] = owed_keep[bed] * (owed[bed] + sent[bed] * period[bed] - dx)


@stage
def drive_velocity(
    period, drive_mm_s, answered, proportional, integral_gain, watching, target, rate, curvature, force,
    slope, near_tension, near_slope, owed, position, position_power, stiffness, mode, fixed_velocity,
    position_floor, integral, velocity,
):  # fmt: skip
    """Wanted drive velocity (mm/s) of each bed by its mode: track, ease, let out, a fixed speed, or none.

    Tracking: v = (r' + 0.06 r'' + Kp e + I - 0.62 s) / k with e = r - (T + k owed), I the integral of Ki e:
    T and s are the tension and the slope that the patient gives it, k owed what is still coming by the drive.
    Until the stiffness is learnt, and always where the slope is not answered, e is r - F, Kp and Ki are
    careful and s is left out: with a k that is wrong the drive's own giving way looks like a contraction, the
    quicker the more. So it is in a pause: there nobody watches for a load cell that has become noisy.
    Easing only ever pays out, and not beyond the position that would cost the base tension. Letting out
    follows the target downwards and never pulls, whatever the tension has fallen to; nobody watches for
    guarding then, so what surges is yielded to with all the drive's speed.
    """
    for bed in range(period.shape[0]):
        error = target[bed] - force[bed]
        softness = 1.0 / stiffness[bed]
        known = answered[bed] * watching[bed] * position_power[bed] / (position_power[bed] + KNOWN_MM2)
        to_come = near_tension[bed] + stiffness[bed] * owed[bed] - force[bed]
        ahead = error - known * to_come
        per_s = CAREFUL_PROPORTIONAL + known * (proportional[bed] - CAREFUL_PROPORTIONAL)
        per_s2 = CAREFUL_INTEGRAL + known * (integral_gain[bed] - CAREFUL_INTEGRAL)
        tracking = 1.0 if mode[bed] == TRACK else 0.0
        summed = tracking * (integral[bed] + per_s2 * period[bed] * ahead)
        summed = max(summed, -INTEGRAL_LIMIT_N_S)
        summed = min(summed, INTEGRAL_LIMIT_N_S)
        integral[bed] = summed
        answer = per_s * ahead - SLOPE_SHARE * known * near_slope[bed]
        track = (rate[bed] + LEAD_S * curvature[bed] + answer + summed) * softness
        ease = EASE_GAIN * (error - EASE_LEAD_S * slope[bed]) * softness
        left = position[bed] - position_floor[bed]
        left = max(left, 0.0)
        ease = max(ease, -ARRIVE_PER_S * left)
        ease = min(ease, 0.0)
        fixed = fixed_velocity[bed]
        above = 1.0 if left > 0.0 else 0.0
        fixed = fixed if fixed > 0.0 else fixed * above
        limit = drive_mm_s[bed]
        surges = (error < -SURGE_N) & (slope[bed] > SURGE_N_S)
        let_out = -limit if surges else min(track, 0.0)
        v = track if mode[bed] == TRACK else 0.0
        v = ease if mode[bed] == EASE else v
        v = let_out if mode[bed] == LET_OUT else v
        v = fixed if mode[bed] == FIXED else v
        v = max(v, -limit)
        velocity[bed] = min(v, limit)
