"""The simulated bed: patient, harness, table, drive and sensors, advanced in sub-steps.

One column a bed, plain floats: newtons, millimetres, seconds (a mass is N s^2/mm, thousandths of a kilogram).
A counter-tension is given as it would stand at the load cell with the drive blocked and no friction. The
spine being stiffer than the harness, the muscle's own force is that times (spine + harness) / harness.
The numbers, with their sources, are in beds/simulated.py.
"""

import math

import numpy as np
from numpy.typing import NDArray

from services.controller.kernel import layout
from services.controller.kernel.compiled import scalar
from services.controller.kernel.faults import (  # noqa: F401  (the plant's own names for them)
    DRIVE_STUCK,
    FAULT_KINDS,
    HEAT_STUCK,
    LINK_LOST,
    MAINS_LOST,
    SENSOR_LOST,
    SENSOR_STUCK,
    STRAP_SLIP,
    SWITCH_PRESSED,
    SWITCH_UNPLUGGED,
)

# --- what a bed and its patient are, float64[CONSTANTS, beds] ----------------------------------------------
CONSTANTS = (
    "step_s", "steps",                                  # sub-step, and how many make one control period
    "harness_n_mm", "toe_mm", "harness_damping",        # stiffness beyond the toe, the toe's length, N s/mm
    "slack_mm",                                         # free strap before the harness bears
    "spine_n_mm", "spine_damping", "mass",              # prompt stiffness, N s/mm, N s^2/mm
    "creep_fast", "creep_slow",                         # compliances, mm/N
    "creep_fast_gain", "creep_slow_gain",               # 1 - exp(-step / time constant)
    "stick_n", "slide_n",                               # static and sliding friction of the table
    "breath_n", "breath_s", "sigh_chance",              # half amplitude at the load cell, period, per breath
    "cough_hz", "guard_early_hz", "guard_late_hz", "guard_settle_s",    # mean rates; early decays into late
    "reflex_s", "reflex_mm_s",                          # latency; a faster stretch is answered at once
    "full_pull_n",                                      # tension from which contractions are at full strength
    "drive_gain", "drive_mm_s", "drive_mm_s2",          # 1 - exp(-step / lag); most speed, acceleration
    "noise_n", "ambient_c", "heat_rise_c", "heat_gain", # steady rise of the pad, 1 - exp(-period / lag)
    "emg_uv_n", "emg_lead_s",                           # surface EMG a newton of counter-tension, 0: no
    "emg_floor_uv", "emg_heart_uv", "emg_heart_hz",     # electrodes; ahead of the force by; noise; ECG in it
    "emg_motion_uv_s",                                  # microvolts a mm/s that the skin moves
    "emg_spread",                                       # of one period's mean, as a share of itself
)  # fmt: skip
(K_STEP, K_STEPS, K_HARNESS, K_TOE, K_HARNESS_DAMPING, K_SLACK, K_SPINE, K_SPINE_DAMPING, K_MASS,
 K_CREEP_FAST, K_CREEP_SLOW, K_CREEP_FAST_GAIN, K_CREEP_SLOW_GAIN, K_STICK, K_SLIDE, K_BREATH, K_BREATH_S,
 K_SIGH, K_COUGH, K_GUARD_EARLY, K_GUARD_LATE, K_GUARD_SETTLE, K_REFLEX_S, K_REFLEX_STRETCH,
 K_FULL_PULL, K_DRIVE_GAIN,
 K_DRIVE_SPEED, K_DRIVE_ACC, K_NOISE, K_AMBIENT, K_HEAT_RISE,
 K_HEAT_GAIN, K_EMG, K_EMG_LEAD, K_EMG_FLOOR, K_EMG_HEART, K_EMG_HEART_HZ, K_EMG_MOTION,
 K_EMG_SPREAD) = range(len(CONSTANTS))  # fmt: skip

# --- where a bed stands, float64[PLANT, beds] --------------------------------------------------------------
PLANT = (
    "tick",                                             # periods since the start
    "drive_mm", "drive_speed_mm_s", "pelvis_mm", "pelvis_mm_s", "creep_fast_mm", "creep_slow_mm", "slip_mm",
    "tension_n",                                        # true tension at the load cell, no noise
    "counter_n",                                        # counter-tension now, as at a blocked drive
    "breath_n_now", "breath_phase", "breath_depth", "breath_rate",
    "loaded_s",                                         # time under tension since the last rest
    "burst_at_s", "burst_index", "burst_n", "burst_hz",  # next or running contraction, see FAR
    "cough_at_s", "cough_n", "coughs",
    "lamp_s", "tilt_deg", "heat_c", "age_s", "held_mm_s", "held_outputs",
    "force_dn",                                         # last force the cell gave, for SENSOR_STUCK
)  # fmt: skip
(X_TICK, X_DRIVE, X_DRIVE_SPEED, X_PELVIS, X_PELVIS_SPEED, X_CREEP_FAST, X_CREEP_SLOW, X_SLIP, X_TENSION,
 X_COUNTER, X_BREATH, X_BREATH_PHASE, X_BREATH_DEPTH, X_BREATH_RATE, X_LOADED, X_BURST_AT, X_BURST, X_BURST_N,
 X_BURST_HZ, X_COUGH_AT, X_COUGH_N, X_COUGHS, X_LAMP, X_TILT, X_HEAT, X_AGE, X_HELD_SPEED,
 X_HELD_OUTPUTS, X_FORCE) = range(len(PLANT))  # fmt: skip

STREAMS = 4  # of random numbers a bed: each cause its own, so that a finer period meets the same breaths
NOISE, BREATH, WILL, ELECTRODE = range(STREAMS)
FAR = 1e18  # a time that never comes: nothing is scheduled
WATCHDOG_S = 0.1  # the bed's own: no command for this long is a controlled release
RELEASE_S = 0.4  # mechanical release: time constant of the tension let out
RELEASE_MM_S = 60.0  # ... and its fastest
SLIP_MM, SLIP_MM_S = 25.0, 250.0
PRESS_AFTER_S, PRESS_FOR_S, PRESS_AGAIN_S = 0.8, 0.5, 6.0
COUGH_S, COUGH_EVERY_S = 0.25, 0.45
TILT_DEG_S = 4.0
HEART_S = 0.08  # a beat in the envelope: the QRS complex
EFFORT_MAX_UV = 3000.0  # the amplifier's
STROKE_MM = (-20.0, 400.0)

_SHIFT_A, _SHIFT_B, _SHIFT_C, _TOP = np.uint64(13), np.uint64(7), np.uint64(17), np.uint64(11)


def new_plant(beds: int) -> NDArray[np.float64]:
    """Beds at rest, strap slack, pad at 22 degrees, nothing scheduled: float64[PLANT, beds]."""
    plant = np.zeros((len(PLANT), beds))
    plant[X_BURST_AT] = FAR
    plant[X_COUGH_AT] = FAR
    plant[X_HEAT] = 22.0
    plant[X_BREATH_DEPTH] = 1.0
    plant[X_BREATH_RATE] = 1.0
    return plant


@scalar
def uniform(random, stream, bed):
    """The next number of a bed's stream in [0, 1): xorshift64 (Marsaglia 2003), its upper 53 bits."""
    x = random[stream, bed]
    x ^= x << _SHIFT_A
    x ^= x >> _SHIFT_B
    x ^= x << _SHIFT_C
    random[stream, bed] = x
    return float(x >> _TOP) * 1.1102230246251565e-16


@scalar
def normal(random, stream, bed):
    """The next standard normal number of a bed's stream (Box and Muller)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(random, stream, bed)))
    return radius * math.cos(6.283185307179586 * uniform(random, stream, bed))


@scalar
def harness_tension(stretch_mm, stiffness_n_mm, toe_mm):
    """Tension (N) of a webbing harness: a quadratic toe, then a line with the same slope at the join."""
    if stretch_mm <= 0.0:
        return 0.0
    if stretch_mm < toe_mm:
        return 0.5 * stiffness_n_mm * stretch_mm * stretch_mm / toe_mm
    return stiffness_n_mm * (stretch_mm - 0.5 * toe_mm)


@scalar
def drive_speed(speed_mm_s, wanted_mm_s, gain, limit_mm_s, most_change_mm_s):
    """Speed (mm/s) one sub-step on: first-order lag towards the set-point, speed and acceleration limited."""
    wanted = min(max(wanted_mm_s, -limit_mm_s), limit_mm_s)
    change = gain * (wanted - speed_mm_s)
    return speed_mm_s + min(max(change, -most_change_mm_s), most_change_mm_s)


@scalar
def slide(speed_mm_s, force_n, step_per_mass, damped, stick_n, loss):
    """Speed (mm/s) of the sliding mass one sub-step on, Coulomb friction at velocity level: it truly sticks.

    At rest the static friction must be overcome; sliding, the kinetic one takes speed off but never turns it.
    step_per_mass is step / mass, damped 1 / (1 + step damping / mass), loss the speed that sliding costs.
    """
    if speed_mm_s == 0.0 and abs(force_n) <= stick_n:
        return 0.0
    free = (speed_mm_s + step_per_mass * force_n) * damped
    if abs(free) <= loss:
        return 0.0
    return free - loss if free > 0.0 else free + loss


@scalar
def _contraction(time_s, at_s, amplitude_n, sample_hz, library, first, length):
    """Counter-tension (N) of a recorded contraction that began at at_s, linear between its samples."""
    place = (time_s - at_s) * sample_hz
    index = int(place)
    if place < 0.0 or index + 1 >= length:
        return 0.0
    before = library[first + index]
    return amplitude_n * (before + (place - index) * (library[first + index + 1] - before))


@scalar
def _cough(time_s, at_s, amplitude_n, coughs):
    """Counter-tension (N) of a fit of coughs, each a short parabola."""
    since = time_s - at_s
    if since < 0.0 or since >= coughs * COUGH_EVERY_S:
        return 0.0
    part = (since % COUGH_EVERY_S) / COUGH_S
    return 4.0 * amplitude_n * part * (1.0 - part) if part < 1.0 else 0.0


@scalar
def _breathe(plant, constants, random, bed, period_s):
    """Breathing's share of the tension (N): every breath its own depth and length, now and then a sigh."""
    phase = plant[X_BREATH_PHASE, bed]
    phase += 6.283185307179586 * period_s * plant[X_BREATH_RATE, bed] / constants[K_BREATH_S, bed]
    if phase >= 6.283185307179586:
        phase -= 6.283185307179586
        sigh = uniform(random, BREATH, bed) < constants[K_SIGH, bed]
        plant[X_BREATH_DEPTH, bed] = 2.2 if sigh else 0.85 + 0.3 * uniform(random, BREATH, bed)
        plant[X_BREATH_RATE, bed] = 0.6 if sigh else 0.85 + 0.3 * uniform(random, BREATH, bed)
    plant[X_BREATH_PHASE, bed] = phase
    depth = plant[X_BREATH_DEPTH, bed]
    wave = math.sin(phase)
    return constants[K_BREATH, bed] * depth * wave * (1.0 + 0.3 * math.cos(phase))


@scalar
def _answer(plant, constants, bed):
    """Share of their full strength with which muscles answer the pull there is."""
    return min(1.0, plant[X_TENSION, bed] / constants[K_FULL_PULL, bed])


@scalar
def _begin_contraction(plant, constants, random, bed, time_s, entries):
    """Schedule a recorded contraction one latency from now, with its own rise or one of 50-150 ms.

    10-80 N under a full pull, in proportion under a smaller one.
    """
    index = int(uniform(random, WILL, bed) * entries.shape[0])
    native_rise_s = entries[index, 2]
    quickened = uniform(random, WILL, bed) < 0.5
    rise_s = 0.05 + 0.1 * uniform(random, WILL, bed) if quickened else native_rise_s
    plant[X_BURST, bed] = index
    plant[X_BURST_N, bed] = _answer(plant, constants, bed) * 10.0 * math.exp(
        2.0794415416798357 * uniform(random, WILL, bed))  # fmt: skip
    plant[X_BURST_HZ, bed] = entries[index, 3] * native_rise_s / rise_s
    plant[X_BURST_AT, bed] = time_s + constants[K_REFLEX_S, bed]


@scalar
def _schedule(plant, constants, random, bed, time_s, period_s, entries):
    """Decide whether a contraction or a fit of coughs begins in this period; forget those that are over."""
    tension = plant[X_TENSION, bed]
    if tension > 20.0:
        plant[X_LOADED, bed] += period_s
    elif tension < 2.0:
        plant[X_LOADED, bed] = max(0.0, plant[X_LOADED, bed] - 5.0 * period_s)
    if plant[X_BURST_AT, bed] < FAR:
        length = entries[int(plant[X_BURST, bed]), 1]
        if (time_s - plant[X_BURST_AT, bed]) * plant[X_BURST_HZ, bed] >= length:
            plant[X_BURST_AT, bed] = FAR
    elif tension > 20.0 and constants[K_GUARD_EARLY, bed] + constants[K_GUARD_LATE, bed] > 0.0:
        settled = math.exp(-plant[X_LOADED, bed] / constants[K_GUARD_SETTLE, bed])
        hazard = constants[K_GUARD_EARLY, bed] * settled + constants[K_GUARD_LATE, bed]
        startled = plant[X_PELVIS_SPEED, bed] > constants[K_REFLEX_STRETCH, bed]
        if startled or (uniform(random, WILL, bed) < hazard * period_s):
            _begin_contraction(plant, constants, random, bed, time_s, entries)
    if plant[X_COUGH_AT, bed] < FAR:
        if time_s - plant[X_COUGH_AT, bed] > 3.0 * COUGH_EVERY_S:
            plant[X_COUGH_AT, bed] = FAR
    elif constants[K_COUGH, bed] > 0.0 and uniform(random, WILL, bed) < constants[K_COUGH, bed] * period_s:
        plant[X_COUGH_AT, bed] = time_s
        plant[X_COUGH_N, bed] = _answer(plant, constants, bed) * (10.0 + 30.0 * uniform(random, WILL, bed))
        plant[X_COUGHS, bed] = 1.0 + int(3.0 * uniform(random, WILL, bed))


@scalar
def _wanted_speed(plant, constants, bed, fault, outputs):
    """Speed (mm/s) the drive is asked for: the watchdog's, none without power, else the set-point."""
    tension = plant[X_TENSION, bed]
    if plant[X_AGE, bed] > WATCHDOG_S:
        return -constants[K_DRIVE_SPEED, bed] if tension > 2.0 else 0.0
    if outputs & layout.OUTPUT_POWER == 0 or fault & DRIVE_STUCK:
        return 0.0
    return plant[X_HELD_SPEED, bed]


@scalar
def _mechanics(plant, constants, library, entries, bed, fault, outputs, wanted_mm_s, breath_before_n, time_s):
    """Advance drive, harness, pelvis and spine of one bed by one period."""
    step_s = constants[K_STEP, bed]
    harness, toe, harness_damping = (
        constants[K_HARNESS, bed], constants[K_TOE, bed], constants[K_HARNESS_DAMPING, bed])  # fmt: skip
    spine = constants[K_SPINE, bed]
    drive, speed = plant[X_DRIVE, bed], plant[X_DRIVE_SPEED, bed]
    pelvis, pelvis_speed = plant[X_PELVIS, bed], plant[X_PELVIS_SPEED, bed]
    fast, slow, slip = plant[X_CREEP_FAST, bed], plant[X_CREEP_SLOW, bed], plant[X_SLIP, bed]
    tension, counter = plant[X_TENSION, bed], 0.0
    at, cough_at = plant[X_BURST_AT, bed], plant[X_COUGH_AT, bed]
    index = int(plant[X_BURST, bed])
    first, length = int(entries[index, 0]), int(entries[index, 1])
    muscle_per_counter = (spine + harness) / harness
    step_per_mass = step_s / constants[K_MASS, bed]
    damped = 1.0 / (1.0 + step_per_mass * constants[K_SPINE_DAMPING, bed])
    stick, loss = constants[K_STICK, bed], step_per_mass * constants[K_SLIDE, bed]
    drive_gain, most_mm_s = constants[K_DRIVE_GAIN, bed], constants[K_DRIVE_SPEED, bed]
    most_change = constants[K_DRIVE_ACC, bed] * step_s
    steps = int(constants[K_STEPS, bed])
    breath, breath_rise = breath_before_n, (plant[X_BREATH, bed] - breath_before_n) / steps
    free = outputs & layout.OUTPUT_FREE != 0
    for step in range(steps):
        now = time_s + (step + 1) * step_s
        breath += breath_rise
        counter = 0.0
        if at < FAR:
            counter = _contraction(
                now, at, plant[X_BURST_N, bed], plant[X_BURST_HZ, bed], library, first, length)  # fmt: skip
        if cough_at < FAR:
            counter += _cough(now, cough_at, plant[X_COUGH_N, bed], plant[X_COUGHS, bed])
        if free:
            speed = -min(RELEASE_MM_S, tension / (harness * RELEASE_S))
        else:
            speed = drive_speed(speed, wanted_mm_s, drive_gain, most_mm_s, most_change)
        if fault & DRIVE_STUCK and not free:
            speed = 0.0
        drive = min(max(drive + step_s * speed, STROKE_MM[0]), STROKE_MM[1])
        if fault & STRAP_SLIP:
            slip = min(SLIP_MM, slip + SLIP_MM_S * step_s)
        stretch = drive - pelvis - slip - constants[K_SLACK, bed]
        tension = harness_tension(stretch, harness, toe)
        pull = tension
        if stretch > 0.0:
            pull = max(0.0, tension + harness_damping * (speed - pelvis_speed))
        resistance = spine * (pelvis - fast - slow)
        net = pull - resistance - muscle_per_counter * (counter + breath)
        pelvis_speed = slide(pelvis_speed, net, step_per_mass, damped, stick, loss)
        pelvis += step_s * pelvis_speed
        fast += constants[K_CREEP_FAST_GAIN, bed] * (constants[K_CREEP_FAST, bed] * resistance - fast)
        slow += constants[K_CREEP_SLOW_GAIN, bed] * (constants[K_CREEP_SLOW, bed] * resistance - slow)
        tension = pull
    if not fault & STRAP_SLIP and tension <= 0.0:  # fastened again: snug, never tight
        slip = min(slip, max(0.0, drive - pelvis - constants[K_SLACK, bed]))
    plant[X_DRIVE, bed], plant[X_DRIVE_SPEED, bed] = drive, speed
    plant[X_PELVIS, bed], plant[X_PELVIS_SPEED, bed] = pelvis, pelvis_speed
    plant[X_CREEP_FAST, bed], plant[X_CREEP_SLOW, bed], plant[X_SLIP, bed] = fast, slow, slip
    plant[X_TENSION, bed], plant[X_COUNTER, bed] = tension, counter


@scalar
def _surroundings(plant, constants, bed, fault, outputs, wanted_tilt_deg, period_s):
    """Advance heat pad, tilt and the patient's answer to the switch-test lamp by one period."""
    on = outputs & layout.OUTPUT_HEAT != 0 or fault & HEAT_STUCK != 0
    settled = constants[K_AMBIENT, bed] + (constants[K_HEAT_RISE, bed] if on else 0.0)
    plant[X_HEAT, bed] += constants[K_HEAT_GAIN, bed] * (settled - plant[X_HEAT, bed])
    away = wanted_tilt_deg - plant[X_TILT, bed]
    most = TILT_DEG_S * period_s
    plant[X_TILT, bed] += min(max(away, -most), most)
    lamp = plant[X_LAMP, bed] + period_s if outputs & layout.OUTPUT_SWITCH_TEST else 0.0
    plant[X_LAMP, bed] = lamp if lamp < PRESS_AGAIN_S else 0.0


@scalar
def _effort(plant, constants, random, library, entries, bed, time_s):
    """Surface EMG envelope (uV) of this period: the muscle's, ahead of its force, in what electrodes add.

    Sources that do not know of each other add by their squares; the mean of a period scatters around that.
    """
    ahead = time_s + constants[K_EMG_LEAD, bed]
    counter, index = 0.0, int(plant[X_BURST, bed])
    if plant[X_BURST_AT, bed] < FAR:
        counter = _contraction(
            ahead, plant[X_BURST_AT, bed], plant[X_BURST_N, bed], plant[X_BURST_HZ, bed], library,
            int(entries[index, 0]), int(entries[index, 1]))  # fmt: skip
    if plant[X_COUGH_AT, bed] < FAR:
        counter += _cough(ahead, plant[X_COUGH_AT, bed], plant[X_COUGH_N, bed], plant[X_COUGHS, bed])
    beat_s = (time_s * constants[K_EMG_HEART_HZ, bed]) % 1.0 / constants[K_EMG_HEART_HZ, bed]
    heart = constants[K_EMG_HEART, bed] * math.sin(math.pi * beat_s / HEART_S) if beat_s < HEART_S else 0.0
    muscle, floor = constants[K_EMG, bed] * counter, constants[K_EMG_FLOOR, bed]
    motion = constants[K_EMG_MOTION, bed] * plant[X_PELVIS_SPEED, bed]
    whole = math.sqrt(muscle * muscle + floor * floor + heart * heart + motion * motion)
    scattered = whole * (1.0 + constants[K_EMG_SPREAD, bed] * normal(random, ELECTRODE, bed))
    return min(max(scattered, 0.0), EFFORT_MAX_UV)


@scalar
def _status(plant, bed, fault):
    """Status bits the bed reports."""
    status = layout.STATUS_DRIVE_READY
    if not fault & MAINS_LOST:
        status |= layout.STATUS_MAINS
    if not fault & SENSOR_LOST:
        status |= layout.STATUS_FORCE_VALID
    if not fault & SWITCH_UNPLUGGED:
        status |= layout.STATUS_SWITCH_CONNECTED
        if fault & SWITCH_PRESSED or PRESS_AFTER_S <= plant[X_LAMP, bed] < PRESS_AFTER_S + PRESS_FOR_S:
            status |= layout.STATUS_SWITCH_PRESSED
    return status


@scalar
def _read(plant, constants, random, bed, fault, reading):
    """Write the bed's quantised reading: force 0.1 N, position 0.01 mm, tilt and heat 0.1 degrees."""
    force = round(10.0 * (plant[X_TENSION, bed] + constants[K_NOISE, bed] * normal(random, NOISE, bed)))
    if fault & SENSOR_LOST:
        force = 0.0
    elif fault & SENSOR_STUCK:
        force = plant[X_FORCE, bed]
    plant[X_FORCE, bed] = force
    reading[layout.R_FORCE, bed] = int(force)
    reading[layout.R_POSITION, bed] = round(100.0 * plant[X_DRIVE, bed])
    reading[layout.R_TILT, bed] = round(10.0 * plant[X_TILT, bed])
    reading[layout.R_HEAT, bed] = round(10.0 * plant[X_HEAT, bed])
    reading[layout.R_AGE, bed] = 0
    reading[layout.R_STATUS, bed] = _status(plant, bed, fault)
    reading[layout.R_EFFORT, bed] = layout.NO_EFFORT


@scalar
def plant_step(plant, constants, random, library, entries, faults, tilt_deg, command, reading):
    """Let every bed obey its command for one period and say what it then reads.

    plant float64[PLANT, beds] and random uint64[STREAMS, beds] are advanced, reading int32[READINGS, beds] is
    written. constants float64[CONSTANTS, beds]; library float64[n] and entries float64[m, 4] (first, length,
    rise_s, sample_hz of each recorded contraction, peak 1) from beds/simulated.py; faults int64[beds], FAULT
    bits; tilt_deg float64[beds] is where someone at the bed sets the pelvic support; command
    int32[COMMANDS, beds].
    While LINK_LOST stands the command does not arrive and the reading only grows older.
    """
    for bed in range(plant.shape[1]):
        fault = faults[bed]
        period_s = constants[K_STEP, bed] * constants[K_STEPS, bed]
        time_s = plant[X_TICK, bed] * period_s
        if fault & LINK_LOST:
            plant[X_AGE, bed] += period_s
        else:
            plant[X_AGE, bed] = 0.0
            plant[X_HELD_SPEED, bed] = 0.001 * command[layout.C_VELOCITY, bed]
            plant[X_HELD_OUTPUTS, bed] = command[layout.C_OUTPUTS, bed]
        outputs = int(plant[X_HELD_OUTPUTS, bed])
        breath_before = plant[X_BREATH, bed]
        plant[X_BREATH, bed] = _breathe(plant, constants, random, bed, period_s)
        _schedule(plant, constants, random, bed, time_s, period_s, entries)
        wanted = _wanted_speed(plant, constants, bed, fault, outputs)
        _mechanics(plant, constants, library, entries, bed, fault, outputs, wanted, breath_before, time_s)
        _surroundings(plant, constants, bed, fault, outputs, tilt_deg[bed], period_s)
        plant[X_TICK, bed] += 1.0
        if fault & LINK_LOST:
            reading[layout.R_AGE, bed] = round(1000.0 * plant[X_AGE, bed])
        else:
            _read(plant, constants, random, bed, fault, reading)
            if constants[K_EMG, bed] > 0.0:
                effort = _effort(plant, constants, random, library, entries, bed, time_s + period_s)
                reading[layout.R_EFFORT, bed] = round(10.0 * effort)
