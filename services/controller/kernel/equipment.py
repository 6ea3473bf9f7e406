"""What stands at a simulated bed: drive electronics, link, load cell, pad, support and switch, over rows.

Every fault of faults.py shows here, but LATE_TICKS, which is the loop's and stands in plant.py.
"""

import numpy as np

from services.controller.kernel import layout
from services.controller.kernel.compiled import stage
from services.controller.kernel.faults import (
    CLOCK,
    DRIVE_RUNAWAY,
    DRIVE_SLOW,
    DRIVE_STUCK,
    HEAT_STUCK,
    LINK_LATE,
    LINK_LOST,
    MAINS_LOST,
    SENSOR_DRIFT,
    SENSOR_LOST,
    SENSOR_NOISE,
    SENSOR_STUCK,
    STRAP_SLIP,
    SWITCH_PRESSED,
    SWITCH_UNPLUGGED,
)

WATCHDOG_S = 0.1  # the bed's own: no command for this long is a controlled release
LATE_LINK_S = 0.06  # between two exchanges under LINK_LATE
CLOCK_STEP_MS = 3_600_000
SLIP_MM_S = 250.0
SLOW_SHARE = 0.2
DRIFT_N_S, DRIFT_N = 0.5, 30.0
NOISY = 10.0
PRESS_AFTER_S, PRESS_FOR_S, PRESS_AGAIN_S = 0.8, 0.5, 6.0
TILT_DEG_S = 4.0
POWER, HEAT, LAMP, FREE = (
    layout.OUTPUT_POWER, layout.OUTPUT_HEAT, layout.OUTPUT_SWITCH_TEST, layout.OUTPUT_FREE)  # fmt: skip
READY, MAINS, VALID = layout.STATUS_DRIVE_READY, layout.STATUS_MAINS, layout.STATUS_FORCE_VALID
CONNECTED, PRESSED = layout.STATUS_SWITCH_CONNECTED, layout.STATUS_SWITCH_PRESSED


@stage
def obey(fault, velocity_ums, outputs, step_s, steps, drive_mm_s, tension, period_s, age, held_mm_s, held,
         wanted, limit, free, blocked, slipping, silent):  # fmt: skip
    """Take the command where there is an exchange: the watchdog's, none without power, or the set-point."""
    for bed in range(age.shape[0]):
        bits = fault[bed]
        dt = step_s[bed] * steps[bed]
        period_s[bed] = dt
        older = age[bed] + dt
        quiet = 1.0 if older < LATE_LINK_S - 1e-9 else 0.0
        quiet = quiet if bits & LINK_LATE else 0.0
        quiet = 1.0 if bits & LINK_LOST else quiet
        silent[bed] = quiet
        older = older if quiet > 0.0 else 0.0
        age[bed] = older
        speed = held_mm_s[bed] if quiet > 0.0 else 0.001 * velocity_ums[bed]
        held_mm_s[bed] = speed
        bits_out = held[bed] if quiet > 0.0 else outputs[bed] * 1.0
        held[bed] = bits_out
        told = np.int64(bits_out)
        stuck = 1.0 if bits & DRIVE_STUCK else 0.0
        most = drive_mm_s[bed]
        most = most * SLOW_SHARE if bits & DRIVE_SLOW else most
        speed = most if bits & DRIVE_RUNAWAY else speed
        speed = 0.0 if (stuck > 0.0) | (told & POWER == 0) else speed
        release = -most if tension[bed] > 2.0 else 0.0
        wanted[bed] = release if older > WATCHDOG_S else speed
        limit[bed] = most
        free[bed] = 1.0 if told & FREE else 0.0
        blocked[bed] = stuck
        slipping[bed] = SLIP_MM_S if bits & STRAP_SLIP else 0.0


@stage
def surround(fault, period_s, held, wanted_tilt_deg, ambient_c, heat_rise_c, heat_gain, heat_c, tilt_deg,
             lamp_s, tick):  # fmt: skip
    """Advance heat pad, tilt and the patient's answer to the switch-test lamp by one period."""
    for bed in range(tick.shape[0]):
        told = np.int64(held[bed])
        rise = heat_rise_c[bed] if told & HEAT else 0.0
        rise = heat_rise_c[bed] if fault[bed] & HEAT_STUCK else rise
        heat_c[bed] = heat_c[bed] + heat_gain[bed] * (ambient_c[bed] + rise - heat_c[bed])
        most = TILT_DEG_S * period_s[bed]
        away = wanted_tilt_deg[bed] - tilt_deg[bed]
        away = min(most, away)
        away = max(-most, away)
        tilt_deg[bed] = tilt_deg[bed] + away
        lamp = lamp_s[bed] + period_s[bed] if told & LAMP else 0.0
        lamp_s[bed] = lamp if lamp < PRESS_AGAIN_S else 0.0
        tick[bed] = tick[bed] + 1.0


@stage
def read_force(fault, noise, noise_n, period_s, tension, drift, last, silent, force_dn):
    """What the load cell says (0.1 N), where there is an exchange."""
    for bed in range(last.shape[0]):
        bits = fault[bed]
        kept = drift[bed] + DRIFT_N_S * period_s[bed]
        kept = min(DRIFT_N, kept)
        kept = kept if bits & SENSOR_DRIFT else 0.0
        drift[bed] = kept
        sigma = noise_n[bed]
        sigma = sigma * NOISY if bits & SENSOR_NOISE else sigma
        force = np.rint(10.0 * (tension[bed] - kept + sigma * noise[bed]))
        force = last[bed] if bits & SENSOR_STUCK else force
        force = 0.0 if bits & SENSOR_LOST else force
        force = last[bed] if silent[bed] > 0.0 else force
        last[bed] = force
        force_dn[bed] = np.int32(force)


@stage
def read_rest(
    fault, silent, age, drive, tilt, heat, lamp_s, position_cmm, tilt_ddeg, heat_dc, age_ms, status
):
    """Position 0.01 mm, tilt and heat 0.1 degrees, age in ms, status; without an exchange the age."""
    for bed in range(age.shape[0]):
        bits = fault[bed]
        quiet = silent[bed] > 0.0
        asked = (lamp_s[bed] >= PRESS_AFTER_S) & (lamp_s[bed] < PRESS_AFTER_S + PRESS_FOR_S)
        held = (bits & SWITCH_PRESSED != 0) | asked
        switch = CONNECTED + PRESSED if held else CONNECTED
        seen = READY + (0 if bits & MAINS_LOST else MAINS) + (0 if bits & SENSOR_LOST else VALID)
        seen = seen + (0 if bits & SWITCH_UNPLUGGED else switch)
        old = np.int32(np.rint(1000.0 * age[bed]))
        age_ms[bed] = old - CLOCK_STEP_MS if bits & CLOCK else old
        position_cmm[bed] = position_cmm[bed] if quiet else np.int32(np.rint(100.0 * drive[bed]))
        tilt_ddeg[bed] = tilt_ddeg[bed] if quiet else np.int32(np.rint(10.0 * tilt[bed]))
        heat_dc[bed] = heat_dc[bed] if quiet else np.int32(np.rint(10.0 * heat[bed]))
        status[bed] = status[bed] if quiet else np.int32(seen)
