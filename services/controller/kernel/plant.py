"""The simulated bed: patient, harness, table, drive and sensors, advanced in sub-steps.

One column a bed, plain floats: newtons, millimetres, seconds (a mass is N s^2/mm, thousandths of a kilogram).
A counter-tension is given as it would stand at the load cell with the drive blocked and no friction. The
spine being stiffer than the harness, the muscle's own force is that times (spine + harness) / harness.
The numbers, with their sources, are in beds/simulated.py. All beds of a call run at one period.
"""

import math

import numpy as np
from numpy.typing import NDArray

from services.controller.kernel import chance, equipment, layout, mechanics, patient
from services.controller.kernel.compiled import scalar
from services.controller.kernel.faults import CONTRACTS, COUGHS, LATE_TICKS
from services.controller.kernel.patient import FAR

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
    "drift_n",                                          # what the cell keeps back under SENSOR_DRIFT
    "active",                                           # a contraction or cough goes on, or has just ended
)  # fmt: skip
(X_TICK, X_DRIVE, X_DRIVE_SPEED, X_PELVIS, X_PELVIS_SPEED, X_CREEP_FAST, X_CREEP_SLOW, X_SLIP, X_TENSION,
 X_COUNTER, X_BREATH, X_BREATH_PHASE, X_BREATH_DEPTH, X_BREATH_RATE, X_LOADED, X_BURST_AT, X_BURST, X_BURST_N,
 X_BURST_HZ, X_COUGH_AT, X_COUGH_N, X_COUGHS, X_LAMP, X_TILT, X_HEAT, X_AGE, X_HELD_SPEED,
 X_HELD_OUTPUTS, X_FORCE, X_DRIFT, X_ACTIVE) = range(len(PLANT))  # fmt: skip

# --- what one period works with, behind the rows above: nothing of it outlives a call ----------------------
SUB_STEPS_MAX = 8
WORK = (
    "period_s", "wanted_mm_s", "limit_mm_s", "free", "blocked", "slipping_mm_s", "silent", "over", "pending",
    "may_contract", "chance", "may_cough", "cough_chance", "breath_step_n",
    "per_release", "muscle", "step_per_mass", "damped", "loss_mm_s", "most_change_mm_s",
    "noise",
)  # fmt: skip
(W_PERIOD, W_WANTED, W_LIMIT, W_FREE, W_BLOCKED, W_SLIPPING, W_SILENT, W_OVER, W_PENDING,
 W_MAY_CONTRACT, W_CHANCE, W_MAY_COUGH, W_COUGH_CHANCE, W_BREATH_STEP,
 W_PER_RELEASE, W_MUSCLE, W_STEP_PER_MASS, W_DAMPED, W_LOSS, W_MOST_CHANGE,
 W_NOISE) = range(len(PLANT), len(PLANT) + len(WORK))  # fmt: skip
W_COUNTERS = len(PLANT) + len(WORK)  # counter-tension in every sub-step

STREAMS = 4  # of random numbers a bed: each cause its own, so that a finer period meets the same breaths
NOISE, BREATH, WILL, ELECTRODE = range(STREAMS)
LATE_PERIODS = 3  # between two ticks of a late loop
HEART_S = 0.08  # a beat in the EMG's envelope: the QRS complex
EFFORT_MAX_UV = 3000.0  # the amplifier's


def new_plant(beds: int) -> NDArray[np.float64]:
    """Beds at rest, strap slack, pad at 22 degrees, nothing scheduled: float64[PLANT and work, beds]."""
    plant = np.zeros((W_COUNTERS + SUB_STEPS_MAX, beds))
    plant[X_BURST_AT] = FAR
    plant[X_COUGH_AT] = FAR
    plant[X_HEAT] = 22.0
    plant[X_BREATH_DEPTH] = 1.0
    plant[X_BREATH_RATE] = 1.0
    return plant


@scalar
def _new_breath(plant, constants, random, bed):
    """Every breath its own depth and length, now and then a sigh."""
    plant[X_BREATH_PHASE, bed] -= patient.TURN
    sigh = chance.uniform(random, BREATH, bed) < constants[K_SIGH, bed]
    plant[X_BREATH_DEPTH, bed] = 2.2 if sigh else 0.85 + 0.3 * chance.uniform(random, BREATH, bed)
    plant[X_BREATH_RATE, bed] = 0.6 if sigh else 0.85 + 0.3 * chance.uniform(random, BREATH, bed)


@scalar
def _answer(plant, constants, bed):
    """Share of their full strength with which muscles answer the pull there is."""
    return min(1.0, plant[X_TENSION, bed] / constants[K_FULL_PULL, bed])


@scalar
def _begin_contraction(plant, constants, random, bed, time_s, entries):
    """Schedule a recorded contraction one latency from now, with its own rise or one of 50-150 ms.

    10-80 N under a full pull, in proportion under a smaller one.
    """
    index = int(chance.uniform(random, WILL, bed) * entries.shape[0])
    native_rise_s = entries[index, 2]
    quickened = chance.uniform(random, WILL, bed) < 0.5
    rise_s = 0.05 + 0.1 * chance.uniform(random, WILL, bed) if quickened else native_rise_s
    plant[X_BURST, bed] = index
    plant[X_BURST_N, bed] = _answer(plant, constants, bed) * 10.0 * math.exp(
        2.0794415416798357 * chance.uniform(random, WILL, bed))  # fmt: skip
    plant[X_BURST_HZ, bed] = entries[index, 3] * native_rise_s / rise_s
    plant[X_BURST_AT, bed] = time_s + constants[K_REFLEX_S, bed]


@scalar
def _forget(plant, bed, time_s, entries):
    """Drop a contraction and a fit of coughs that are over."""
    if plant[X_BURST_AT, bed] < FAR:
        length = entries[int(plant[X_BURST, bed]), 1]
        if (time_s - plant[X_BURST_AT, bed]) * plant[X_BURST_HZ, bed] >= length:
            plant[X_BURST_AT, bed] = FAR
    if plant[X_COUGH_AT, bed] < FAR and time_s - plant[X_COUGH_AT, bed] > 3.0 * patient.COUGH_EVERY_S:
        plant[X_COUGH_AT, bed] = FAR


@scalar
def _schedule(plant, constants, random, bed, time_s, entries):
    """Decide whether a contraction or a fit of coughs begins in this period; forget those that are over."""
    _forget(plant, bed, time_s, entries)
    if plant[W_MAY_CONTRACT, bed] > 0.0:
        hazard = patient.hazard_hz(
            constants[K_GUARD_EARLY, bed], constants[K_GUARD_LATE, bed], constants[K_GUARD_SETTLE, bed],
            plant[X_LOADED, bed])  # fmt: skip
        startled = plant[X_PELVIS_SPEED, bed] > constants[K_REFLEX_STRETCH, bed]
        if startled or plant[W_CHANCE, bed] < hazard * plant[W_PERIOD, bed]:
            _begin_contraction(plant, constants, random, bed, time_s, entries)
    if (
        plant[W_MAY_COUGH, bed] > 0.0
        and plant[W_COUGH_CHANCE, bed] < constants[K_COUGH, bed] * plant[W_PERIOD, bed]
    ):
        plant[X_COUGH_AT, bed] = time_s
        strength = 10.0 + 30.0 * chance.uniform(random, WILL, bed)
        plant[X_COUGH_N, bed] = _answer(plant, constants, bed) * strength
        plant[X_COUGHS, bed] = 1.0 + int(3.0 * chance.uniform(random, WILL, bed))


@scalar
def _contract(plant, constants, library, entries, bed, steps, time_s):
    """Counter-tension of every sub-step of a bed whose person contracts, coughs, or has just ceased to."""
    burst_at, cough_at = plant[X_BURST_AT, bed], plant[X_COUGH_AT, bed]
    index = int(plant[X_BURST, bed])
    first, length = int(entries[index, 0]), int(entries[index, 1])
    for step in range(steps):
        now = time_s + (step + 1) * constants[K_STEP, bed]
        counter = 0.0
        if burst_at < FAR:
            counter = patient.contraction(
                now, burst_at, plant[X_BURST_N, bed], plant[X_BURST_HZ, bed], library, first, length
            )
        if cough_at < FAR:
            counter += patient.cough(now, cough_at, plant[X_COUGH_N, bed], plant[X_COUGHS, bed])
        plant[W_COUNTERS + step, bed] = counter
    plant[X_COUNTER, bed] = plant[W_COUNTERS + steps - 1, bed]
    plant[X_ACTIVE, bed] = 1.0 if burst_at < FAR or cough_at < FAR else 0.0


@scalar
def _live(plant, constants, random, library, entries, steps):
    """Breath and will of every person for one period; what is rare goes bed by bed."""
    patient.inhale(plant[W_PERIOD], constants[K_BREATH_S], plant[X_BREATH_RATE], plant[X_BREATH_PHASE],
                   plant[W_OVER])  # fmt: skip
    patient.tire(plant[W_PERIOD], plant[X_TENSION], plant[X_LOADED])
    patient.ask(
        plant[X_TENSION], plant[X_BURST_AT], plant[X_COUGH_AT], constants[K_GUARD_EARLY],
        constants[K_GUARD_LATE], constants[K_COUGH], plant[W_MAY_CONTRACT], plant[W_MAY_COUGH],
    )  # fmt: skip
    chance.turn(random[WILL], plant[W_MAY_CONTRACT], plant[W_CHANCE])
    chance.turn(random[WILL], plant[W_MAY_COUGH], plant[W_COUGH_CHANCE])
    patient.mark(
        plant[W_PERIOD], constants[K_GUARD_EARLY], constants[K_GUARD_LATE], constants[K_COUGH],
        constants[K_REFLEX_STRETCH], plant[X_PELVIS_SPEED], plant[W_MAY_CONTRACT], plant[W_CHANCE],
        plant[W_MAY_COUGH], plant[W_COUGH_CHANCE], plant[X_BURST_AT], plant[X_COUGH_AT], plant[X_ACTIVE],
        plant[W_OVER], plant[W_PENDING],
    )  # fmt: skip
    for bed in range(plant.shape[1]):
        if plant[W_PENDING, bed] > 0.0:
            if plant[W_OVER, bed] > 0.0:
                _new_breath(plant, constants, random, bed)
            time_s = plant[X_TICK, bed] * plant[W_PERIOD, bed]
            _schedule(plant, constants, random, bed, time_s, entries)
            _contract(plant, constants, library, entries, bed, steps, time_s)
    patient.heave(steps, constants[K_BREATH], plant[X_BREATH_DEPTH], plant[X_BREATH_PHASE], plant[X_BREATH],
                  plant[W_BREATH_STEP])  # fmt: skip


@scalar
def _move(plant, constants, steps):
    """Drive, harness, pelvis and spine of every bed through one period."""
    mechanics.advance(
        steps, constants[K_STEP], plant[W_FREE], plant[W_BLOCKED], plant[W_WANTED], plant[W_LIMIT],
        plant[W_SLIPPING], constants[K_SLACK], constants[K_HARNESS], constants[K_TOE],
        constants[K_HARNESS_DAMPING], constants[K_SPINE], constants[K_CREEP_FAST], constants[K_CREEP_SLOW],
        constants[K_CREEP_FAST_GAIN], constants[K_CREEP_SLOW_GAIN], constants[K_STICK],
        constants[K_DRIVE_GAIN], plant[W_PER_RELEASE], plant[W_MUSCLE], plant[W_STEP_PER_MASS],
        plant[W_DAMPED], plant[W_LOSS],
        plant[W_MOST_CHANGE], plant[W_BREATH_STEP], plant[W_COUNTERS:], plant[X_BREATH], plant[X_DRIVE],
        plant[X_DRIVE_SPEED], plant[X_PELVIS], plant[X_PELVIS_SPEED], plant[X_CREEP_FAST],
        plant[X_CREEP_SLOW], plant[X_SLIP], plant[X_TENSION],
    )  # fmt: skip
    mechanics.fasten(plant[X_DRIVE], plant[X_PELVIS], constants[K_SLACK], plant[W_SLIPPING],
                     plant[X_TENSION], plant[X_SLIP])  # fmt: skip


@scalar
def _effort(plant, constants, random, library, entries, bed, time_s):
    """Surface EMG envelope (uV) of this period: the muscle's, ahead of its force, in what electrodes add.

    Sources that do not know of each other add by their squares; the mean of a period scatters around that.
    """
    ahead = time_s + constants[K_EMG_LEAD, bed]
    counter, index = 0.0, int(plant[X_BURST, bed])
    if plant[X_BURST_AT, bed] < FAR:
        counter = patient.contraction(
            ahead, plant[X_BURST_AT, bed], plant[X_BURST_N, bed], plant[X_BURST_HZ, bed], library,
            int(entries[index, 0]), int(entries[index, 1]))  # fmt: skip
    if plant[X_COUGH_AT, bed] < FAR:
        counter += patient.cough(ahead, plant[X_COUGH_AT, bed], plant[X_COUGH_N, bed], plant[X_COUGHS, bed])
    beat_s = (time_s * constants[K_EMG_HEART_HZ, bed]) % 1.0 / constants[K_EMG_HEART_HZ, bed]
    heart = constants[K_EMG_HEART, bed] * math.sin(math.pi * beat_s / HEART_S) if beat_s < HEART_S else 0.0
    muscle, floor = constants[K_EMG, bed] * counter, constants[K_EMG_FLOOR, bed]
    motion = constants[K_EMG_MOTION, bed] * plant[X_PELVIS_SPEED, bed]
    whole = math.sqrt(muscle * muscle + floor * floor + heart * heart + motion * motion)
    scattered = whole * (1.0 + constants[K_EMG_SPREAD, bed] * chance.normal(random, ELECTRODE, bed))
    return min(max(scattered, 0.0), EFFORT_MAX_UV)


@scalar
def _feel(plant, constants, random, library, entries, reading):
    """What electrodes say of the period that is over, on the beds that have them and an exchange."""
    for bed in range(plant.shape[1]):
        if plant[W_SILENT, bed] > 0.0:
            continue
        reading[layout.R_EFFORT, bed] = layout.NO_EFFORT
        if constants[K_EMG, bed] > 0.0:
            time_s = plant[X_TICK, bed] * plant[W_PERIOD, bed]
            effort = _effort(plant, constants, random, library, entries, bed, time_s)
            reading[layout.R_EFFORT, bed] = round(10.0 * effort)


@scalar
def _period(plant, constants, random, library, entries, faults, tilt_deg, command, reading):
    """One period of every bed."""
    steps = int(constants[K_STEPS, 0])
    equipment.obey(
        faults, command[layout.C_VELOCITY], command[layout.C_OUTPUTS], constants[K_STEP], constants[K_STEPS],
        constants[K_DRIVE_SPEED], plant[X_TENSION], plant[W_PERIOD], plant[X_AGE], plant[X_HELD_SPEED],
        plant[X_HELD_OUTPUTS], plant[W_WANTED], plant[W_LIMIT], plant[W_FREE], plant[W_BLOCKED],
        plant[W_SLIPPING], plant[W_SILENT],
    )  # fmt: skip
    mechanics.prepare(
        constants[K_STEP], constants[K_HARNESS], constants[K_SPINE], constants[K_MASS],
        constants[K_SPINE_DAMPING], constants[K_SLIDE], constants[K_DRIVE_ACC], plant[W_PER_RELEASE],
        plant[W_MUSCLE], plant[W_STEP_PER_MASS], plant[W_DAMPED], plant[W_LOSS], plant[W_MOST_CHANGE],
    )  # fmt: skip
    _live(plant, constants, random, library, entries, steps)
    _move(plant, constants, steps)
    equipment.surround(
        faults, plant[W_PERIOD], plant[X_HELD_OUTPUTS], tilt_deg, constants[K_AMBIENT],
        constants[K_HEAT_RISE], constants[K_HEAT_GAIN], plant[X_HEAT], plant[X_TILT], plant[X_LAMP],
        plant[X_TICK],
    )  # fmt: skip
    for bed in range(plant.shape[1]):
        plant[W_NOISE, bed] = chance.normal(random, NOISE, bed)
    equipment.read_force(
        faults, plant[W_NOISE], constants[K_NOISE], plant[W_PERIOD], plant[X_TENSION], plant[X_DRIFT],
        plant[X_FORCE], plant[W_SILENT], reading[layout.R_FORCE],
    )  # fmt: skip
    equipment.read_rest(
        faults, plant[W_SILENT], plant[X_AGE], plant[X_DRIVE], plant[X_TILT], plant[X_HEAT], plant[X_LAMP],
        reading[layout.R_POSITION], reading[layout.R_TILT], reading[layout.R_HEAT], reading[layout.R_AGE],
        reading[layout.R_STATUS],
    )  # fmt: skip
    _feel(plant, constants, random, library, entries, reading)


@scalar
def _tell(plant, constants, random, entries, faults):
    """Let the people cough or contract who are told to, when they do not already."""
    for bed in range(plant.shape[1]):
        if faults[bed] < COUGHS:
            continue
        time_s = plant[X_TICK, bed] * constants[K_STEP, bed] * constants[K_STEPS, bed]
        if faults[bed] & COUGHS and plant[X_COUGH_AT, bed] >= FAR:
            plant[X_COUGH_AT, bed] = time_s
            plant[X_COUGH_N, bed] = 35.0 * _answer(plant, constants, bed)
            plant[X_COUGHS, bed] = 2.0
        if faults[bed] & CONTRACTS and plant[X_BURST_AT, bed] >= FAR:
            _begin_contraction(plant, constants, random, bed, time_s, entries)


@scalar
def _again(plant, constants, random, library, entries, faults, tilt_deg, command, reading, bed):
    """The further periods of one late bed: on columns of its own, or all of `_period` is compiled twice."""
    one = slice(bed, bed + 1)
    alive, drawn, seen = plant[:, one].copy(), random[:, one].copy(), reading[:, one].copy()
    given, told = constants[:, one].copy(), command[:, one].copy()
    for _ in range(LATE_PERIODS - 1):
        _period(alive, given, drawn, library, entries, faults[one], tilt_deg[one], told, seen)
    plant[:, one], random[:, one], reading[:, one] = alive, drawn, seen


@scalar
def plant_step(plant, constants, random, library, entries, faults, tilt_deg, command, reading):
    """Let every bed obey its command for one period and say what it then reads.

    plant float64[PLANT and work, beds] and random uint64[STREAMS, beds] are advanced, reading
    int32[READINGS, beds] is written. constants float64[CONSTANTS, beds]; library float64[n] and entries
    float64[m, 4] (first, length, rise_s, sample_hz of each recorded contraction, peak 1) from
    beds/simulated.py; faults int64[beds], bits of faults and of what people are told to do; tilt_deg
    float64[beds] is where someone at the bed sets the pelvic support; command int32[COMMANDS, beds].
    While LINK_LOST stands the command does not arrive and the reading only grows older; under LATE_TICKS a
    bed lives through LATE_PERIODS.
    """
    _tell(plant, constants, random, entries, faults)
    _period(plant, constants, random, library, entries, faults, tilt_deg, command, reading)
    for bed in range(plant.shape[1]):
        if faults[bed] & LATE_TICKS:
            _again(plant, constants, random, library, entries, faults, tilt_deg, command, reading, bed)
