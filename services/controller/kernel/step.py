"""One tick of every bed: sense, detect, watch, decide, follow, limit, write; each stage over all beds.

Arrays are [rows, beds] as layout.py, tuning.py and state.py name them. Stages run along rows and hold no
branch, so that they become vector code; what is rare (actions, alarms, phase changes) is decided bed by bed.
"""

import numpy as np

from services.controller.kernel import coughs, deciding, envelope, guarding, law, layout, tuning
from services.controller.kernel import state as at
from services.controller.kernel.compiled import scalar, stage
from services.controller.kernel.entering import PATIENCE_S

CONNECTED, PRESSED = layout.STATUS_SWITCH_CONNECTED, layout.STATUS_SWITCH_PRESSED
SWITCH_UNPLUGGED, PATIENT_SWITCH = float(layout.SWITCH_UNPLUGGED), float(layout.PATIENT_SWITCH)
TILT_MISMATCH, HEAT_OVER = float(layout.TILT_MISMATCH), float(layout.HEAT_OVER_TEMPERATURE)
HEAT_MARGIN_C = 2.0  # above its ceiling: the pad does not obey
HEAT_HYSTERESIS_C = 1.0
HEAT_LEAST_C = 5.0  # colder no pad is in a clinic: its thermometer is broken
LEAST_N, LARGEST_N = -8000.0, 2e6  # what a row of millinewtons can tell
UNQUIET_N, UNQUIET_N_S = 10.0, 20.0  # above the eased level by more than breath, or moving: still guarding
STANDS_S = 10.0  # above it for so long: what was thought to push does not, or will not end
STANDS_LEAK = 0.25  # of the time below it is taken off: the trough of a breath does not begin anew
NEAR_N, NEAR_S = 10.0, 3.0  # to the ceiling: there the floor gives way sooner, and at once
AGAIN_S, RISE_AHEAD_S = 0.3, 0.15  # a rise so late is another one; where it will be so soon
SINK_PER_S, SINK_MOST_N_S = 0.5, 20.0  # so fast does the floor sink then: over 2 s, as the residual fades
OUTPUT_POWER, OUTPUT_HEAT = float(layout.OUTPUT_POWER), float(layout.OUTPUT_HEAT)
OUTPUT_SWITCH_TEST, OUTPUT_FREE = float(layout.OUTPUT_SWITCH_TEST), float(layout.OUTPUT_FREE)


def new_parameters(beds: int, period_s: float = 0.02) -> np.ndarray:
    """Parameters of beds that have no session yet: float64[PARAMETER_COUNT, beds], tuned, no force."""
    params = np.zeros((tuning.PARAMETER_COUNT, beds))
    params[layout.P_PERIOD] = period_s
    params[len(layout.PARAMETERS) :] = tuning.tune(period_s)[:, None]
    return params


def new_state(beds: int) -> np.ndarray:
    """Memory of beds at rest: float64[STATE, beds]."""
    state = np.zeros((at.STATE, beds))
    for bed in range(beds):
        deciding.rest_state(state, bed)
    return state


@stage
def watch_patient(
    status, tilt_ddeg, heat_dc, attended, underway, tilt_deg, tolerance_deg, heat_ceiling_c, live
):
    """Conditions of the patient switch, the tilt and the heat pad, added to `live`."""
    for bed in range(attended.shape[0]):
        unplugged = 0.0 if status[bed] & CONNECTED else SWITCH_UNPLUGGED
        pressed = PATIENT_SWITCH if status[bed] & PRESSED else 0.0
        away = tilt_ddeg[bed] * 0.1 - tilt_deg[bed]
        away = away if away > 0.0 else -away
        tilted = TILT_MISMATCH if away > tolerance_deg[bed] + 1e-9 else 0.0
        hot = HEAT_OVER if heat_dc[bed] * 0.1 > heat_ceiling_c[bed] + HEAT_MARGIN_C else 0.0
        hot = hot if heat_ceiling_c[bed] > 0.0 else 0.0
        live[bed] = live[bed] + (attended[bed] * (unplugged + tilted) + underway[bed] * pressed + hot)


@stage
def keep_time(
    period, mode, quiet_s, force, target, slope, counting, left, phase_clock, traction, disturbed_at
):
    """Advance each bed's clocks; while a contraction lasts, quiet has not begun."""
    for bed in range(period.shape[0]):
        dt = period[bed]
        clock = phase_clock[bed] + dt
        phase_clock[bed] = clock
        traction[bed] = traction[bed] + dt * counting[bed]
        speed = slope[bed] if slope[bed] > 0.0 else -slope[bed]
        pushing = 1.0 if force[bed] > target[bed] + UNQUIET_N else 0.0
        pushing = 1.0 if speed > UNQUIET_N_S else pushing
        pushing = pushing if mode[bed] == at.EASE else 0.0
        remaining = left[bed] - dt
        left[bed] = quiet_s[bed] if pushing > 0.0 else remaining
        disturbed_at[bed] = clock if pushing > 0.0 else disturbed_at[bed]


@stage
def lower_floor(period, mode, force, own_slope, target, ceiling, stiffness, position, stood_s,
                position_floor):  # fmt: skip
    """Let the floor of an easing table sink where the tension stands far above the eased level.

    The floor keeps the base for the time after a contraction, by what that seemed to add. Ten seconds on that
    was wrong, or will not end, and the next contraction needs the room below the ceiling; near that sooner,
    and at once before another rise that is about to go above it.
    """
    for bed in range(period.shape[0]):
        dt = period[bed]
        easing = 1.0 if mode[bed] == at.EASE else 0.0
        excess = force[bed] - target[bed]
        above = easing if excess > UNQUIET_N else 0.0
        stood = stood_s[bed] + dt if above > 0.0 else stood_s[bed] - STANDS_LEAK * dt
        stood = max(stood, 0.0) * easing
        stood = min(stood, STANDS_S)
        stood_s[bed] = stood
        fall = min(excess * SINK_PER_S, SINK_MOST_N_S)
        fall = fall if stood >= STANDS_S else 0.0
        floor = position_floor[bed] - above * fall * dt / stiffness[bed]
        coming = force[bed] + RISE_AHEAD_S * own_slope[bed] - ceiling[bed]
        coming = min(coming, NEAR_N) if (stood >= AGAIN_S) & (own_slope[bed] > 0.0) else 0.0
        near = force[bed] - (ceiling[bed] - NEAR_N) if stood >= NEAR_S else coming
        given_way = min(floor, position[bed] - near / stiffness[bed])
        position_floor[bed] = given_way if (near > 0.0) & (easing > 0.0) else floor


@stage
def mark_pending(action, status, status_seen, live, live_seen, detected, left, tension, reach, counting,
                 traction, traction_s, mode, phase_clock, events, refusal, taken, pending):  # fmt: skip
    """Mark the beds that have something to decide, and clear the last tick's one-tick marks."""
    for bed in range(pending.shape[0]):
        wanted = 1.0 if action[bed] != 0 else 0.0
        wanted = 1.0 if status_seen[bed] != status[bed] * 1.0 else wanted
        wanted = 1.0 if live[bed] != live_seen[bed] else wanted
        wanted = 1.0 if detected[bed] > 0.0 else wanted
        wanted = 1.0 if left[bed] <= 0.0 else wanted
        wanted = 1.0 if tension[bed] >= reach[bed] else wanted
        wanted = 1.0 if traction[bed] * counting[bed] > traction_s[bed] * counting[bed] else wanted
        endless = 1.0 if phase_clock[bed] > PATIENCE_S else 0.0
        wanted = endless if (mode[bed] == at.EASE) & (wanted == 0.0) else wanted
        events[bed] = 0.0
        refusal[bed] = 0.0
        taken[bed] = 0.0
        pending[bed] = wanted


@stage
def write_outputs(period, heat_dc, heat_ceiling_c, heat_allowed_s, heat_wanted, heated, power, free, testing,
                  heat_on, heat_s, velocity, sent, velocity_ums, outputs):  # fmt: skip
    """Velocity rounded down to micrometres a second, and the outputs' bits; heat within its limits."""
    for bed in range(period.shape[0]):
        v = velocity[bed] * power[bed]
        counts = np.int32(v * 1000.0 + 1048576.0) - 1048576
        velocity_ums[bed] = counts
        sent[bed] = counts * 0.001
        limit = heat_ceiling_c[bed] - (0.0 if heat_on[bed] > 0.0 else HEAT_HYSTERESIS_C)
        warm = heat_wanted[bed] * heated[bed]
        warm = warm if heat_dc[bed] * 0.1 < limit else 0.0
        warm = warm if heat_dc[bed] * 0.1 > HEAT_LEAST_C else 0.0
        warm = warm if heat_s[bed] < heat_allowed_s[bed] else 0.0
        heat_on[bed] = warm
        heat_s[bed] = heat_s[bed] + warm * period[bed]
        bits = power[bed] * OUTPUT_POWER + warm * OUTPUT_HEAT + testing[bed] * OUTPUT_SWITCH_TEST
        outputs[bed] = np.int32(bits + free[bed] * OUTPUT_FREE)


@stage
def copy_counts(source, destination):
    """Copy one row of counts."""
    for bed in range(source.shape[0]):
        destination[bed] = source[bed]


@stage
def write_whole(source, destination):
    """Write one row of whole numbers as counts."""
    for bed in range(source.shape[0]):
        destination[bed] = np.int32(source[bed])


@stage
def write_thousandths(source, destination):
    """Write one row of newtons as millinewtons, rounded to nearest, as far as they go."""
    for bed in range(source.shape[0]):
        value = source[bed]
        value = min(value, LARGEST_N)
        value = max(value, LEAST_N)
        destination[bed] = np.int32(value * 1000.0 + 8388608.5) - 8388608


@stage
def write_remaining(traction_s, traction, session, remaining_ms):
    """Traction time still to come, in ms; none without a session."""
    for bed in range(session.shape[0]):
        ms = (traction_s[bed] - traction[bed]) * 1000.0
        ms = max(ms, 0.0)
        remaining_ms[bed] = np.int32(ms if session[bed] > 0.0 else 0.0)


@stage
def write_conditions(live, latched, conditions):
    """Conditions that are on now or latched, as bits."""
    for bed in range(live.shape[0]):
        conditions[bed] = np.int32(live[bed]) | np.int32(latched[bed])


@scalar
def perceive(params, state, reading):
    """Readings to newtons and millimetres, stiffness, observer, detector."""
    law.sense(
        reading[layout.R_FORCE], reading[layout.R_POSITION], reading[layout.R_AGE],
        state[at.FORCE], state[at.POSITION], state[at.MOVED], state[at.FRESH],
        state[at.WASHED_POSITION], state[at.WASHED_FORCE], params[tuning.P_WASHOUT],
    )  # fmt: skip
    law.learn_stiffness(
        state[at.FORCE], state[at.RATE], state[at.FRESH], state[at.WASHED_POSITION], state[at.WASHED_FORCE],
        params[tuning.P_FORGET], state[at.POSITION_POWER], state[at.CROSS_POWER], state[at.STIFFNESS],
    )  # fmt: skip
    guarding.observe(
        params[layout.P_PERIOD], params[tuning.P_ALPHA], params[tuning.P_BETA],
        params[tuning.P_INNOVATION_SCALE], params[tuning.P_RESIDUAL_KEEP], params[layout.P_BASE],
        state[at.ARMED], state[at.BEARING], state[at.TARGET], state[at.FORCE], state[at.MOVED],
        state[at.FRESH], state[at.STIFFNESS], state[at.TENSION], state[at.SLOPE], state[at.INNOVATION],
        state[at.RESIDUAL],
    )  # fmt: skip
    row = int(state[at.RING_ROW, 0]) + 1
    if row >= int(params[tuning.P_BANK_SAMPLES, 0]):
        row = 0
    state[at.RING_ROW, 0] = float(row)
    guarding.remember(state[at.INNOVATION], state[at.RING + row])
    guarding.attend(
        params[layout.P_PERIOD], params[tuning.P_VARIANCE_GAIN], state[at.WATCHING], state[at.RATE],
        state[at.BLANK], state[at.FREEZE], state[at.LOOKING], state[at.LEARNING], state[at.MOVING],
    )  # fmt: skip
    guarding.hear(
        reading[layout.R_EFFORT], params[tuning.P_EFFORT_GAIN], state[at.LEARNING], state[at.EFFORT],
        state[at.EFFORT_MEAN], state[at.EFFORT_VARIANCE], state[at.HEARD],
    )  # fmt: skip
    guarding.run_bank(params, state, row)
    guarding.detect(
        params[tuning.P_ERROR_LIMIT], params[tuning.P_FALLEN_KEEP], state[at.LOOKING], state[at.LEARNING],
        state[at.HEARD], state[at.EXCESS], state[at.DEEPEST], state[at.FORCE], state[at.TARGET],
        state[at.ERROR_VARIANCE], state[at.FALLEN], state[at.DETECTED],
    )  # fmt: skip


@scalar
def watch(params, state, reading):
    """Every condition of this tick into `live`."""
    envelope.watch_load_cell(
        reading[layout.R_FORCE], reading[layout.R_AGE], reading[layout.R_STATUS], params[layout.P_PERIOD],
        state[at.ARMED], params[tuning.P_SAME_LIMIT], params[tuning.P_SLOPE_GAIN], params[layout.P_CEILING],
        state[at.OWN_FORCE], state[at.OWN_SLOPE], state[at.SAME], state[at.OVER_S], state[at.BLIND],
        state[at.LIVE],
    )  # fmt: skip
    envelope.watch_tension(
        reading[layout.R_POSITION], reading[layout.R_AGE], reading[layout.R_STATUS], params[layout.P_PERIOD],
        state[at.ARMED], state[at.STIFFNESS], params[layout.P_BASE], state[at.BEARING], state[at.FOLLOWING],
        state[at.MODE], params[tuning.P_COUNTER_KEEP], params[tuning.P_LOST_KEEP], state[at.OWN_FORCE],
        state[at.TARGET], state[at.OWN_POSITION], state[at.SEEN_FORCE], state[at.COUNTERED], state[at.LOST],
        state[at.TORN], state[at.PAID_MM], state[at.DROP_S], state[at.LIVE],
    )  # fmt: skip
    envelope.watch_drive(
        reading[layout.R_POSITION], reading[layout.R_AGE], reading[layout.R_STATUS], params[layout.P_PERIOD],
        state[at.ARMED], state[at.POWER], params[tuning.P_TRAVEL_KEEP], state[at.SENT],
        state[at.OWN_POSITION], state[at.TRAVEL_ERROR], state[at.LATE_S], state[at.LED], state[at.AHEAD],
        state[at.BLIND], state[at.LIVE],
    )  # fmt: skip
    watch_patient(
        reading[layout.R_STATUS], reading[layout.R_TILT], reading[layout.R_HEAT], state[at.ATTENDED],
        state[at.UNDERWAY], params[layout.P_TILT], params[layout.P_TILT_TOLERANCE],
        params[layout.P_HEAT_CEILING], state[at.LIVE],
    )  # fmt: skip


@scalar
def decide(params, staged, state, reading, action):
    """Clocks, then every bed that has something pending."""
    keep_time(
        params[layout.P_PERIOD], state[at.MODE], params[layout.P_QUIET_S], state[at.FORCE], state[at.TARGET],
        state[at.SLOPE], state[at.COUNTING], state[at.LEFT], state[at.PHASE_CLOCK], state[at.TRACTION],
        state[at.DISTURBED_AT],
    )  # fmt: skip
    coughs.weigh_pushes(
        params[layout.P_PERIOD], state[at.MODE], params[layout.P_QUIET_S], state[at.LEFT], state[at.RESIDUAL],
        state[at.GREATEST_PUSH], state[at.PUSH_S], state[at.LONGEST_PUSH_S],
    )  # fmt: skip
    lower_floor(
        params[layout.P_PERIOD], state[at.MODE], state[at.FORCE], state[at.OWN_SLOPE], state[at.TARGET],
        params[layout.P_CEILING], state[at.STIFFNESS], state[at.POSITION], state[at.STOOD_S],
        state[at.POSITION_FLOOR],
    )  # fmt: skip
    mark_pending(
        action, reading[layout.R_STATUS], state[at.STATUS], state[at.LIVE], state[at.LIVE_SEEN],
        state[at.DETECTED], state[at.LEFT], state[at.TENSION], state[at.REACH], state[at.COUNTING],
        state[at.TRACTION], params[layout.P_TRACTION_S], state[at.MODE], state[at.PHASE_CLOCK],
        state[at.EVENTS], state[at.REFUSAL], state[at.TAKEN], state[at.PENDING],
    )  # fmt: skip
    for bed in range(action.shape[0]):
        if state[at.PENDING, bed] > 0.0:
            deciding.decide(params, staged, state, reading, action, bed)


@scalar
def follow(params, state, reading, command):
    """Target, law, envelope, outputs."""
    law.advance_target(
        params[layout.P_PERIOD], state[at.ORIGIN], state[at.SPAN], state[at.INVERSE], state[at.CLOCK],
        state[at.TARGET], state[at.RATE], state[at.CURVATURE],
    )  # fmt: skip
    law.foresee(
        params[layout.P_PERIOD], params[tuning.P_NEAR_ALPHA], params[tuning.P_NEAR_BETA],
        params[tuning.P_OWED_KEEP], state[at.SENT], state[at.FORCE], state[at.MOVED], state[at.FRESH],
        state[at.STIFFNESS], state[at.NEAR_TENSION], state[at.NEAR_SLOPE], state[at.OWED],
    )  # fmt: skip
    law.drive_velocity(
        params[layout.P_PERIOD], params[layout.P_DRIVE_SPEED], params[tuning.P_SLOPE_ANSWERED],
        params[tuning.P_PROPORTIONAL], params[tuning.P_INTEGRAL], state[at.WATCHING], state[at.TARGET],
        state[at.RATE], state[at.CURVATURE], state[at.FORCE], state[at.SLOPE], state[at.NEAR_TENSION],
        state[at.NEAR_SLOPE], state[at.OWED], state[at.POSITION], state[at.POSITION_POWER],
        state[at.STIFFNESS], state[at.MODE], state[at.FIXED_VELOCITY], state[at.POSITION_FLOOR],
        state[at.INTEGRAL], state[at.WANTED],
    )  # fmt: skip
    envelope.limit_velocity(
        reading[layout.R_AGE], state[at.ARMED], params[layout.P_DRIVE_SPEED], params[layout.P_CEILING],
        state[at.OWN_FORCE], state[at.OWN_SLOPE], state[at.BLIND], state[at.OWN_HOME],
        state[at.OWN_POSITION], state[at.WANTED], state[at.VELOCITY],
    )  # fmt: skip
    write_outputs(
        params[layout.P_PERIOD], reading[layout.R_HEAT], params[layout.P_HEAT_CEILING],
        params[layout.P_HEAT_ALLOWED], state[at.HEAT_WANTED], state[at.HEATED], state[at.POWER],
        state[at.FREE], state[at.TESTING], state[at.HEAT_ON], state[at.HEAT_S], state[at.VELOCITY],
        state[at.SENT], command[layout.C_VELOCITY], command[layout.C_OUTPUTS],
    )  # fmt: skip


@scalar
def write_sample(params, state, reading, command, sample):
    """The tick as it is recorded: readings and command verbatim, then what the kernel made of them."""
    for row in range(len(layout.READINGS)):
        copy_counts(reading[row], sample[row])
    copy_counts(command[layout.C_VELOCITY], sample[layout.S_VELOCITY])
    copy_counts(command[layout.C_OUTPUTS], sample[layout.S_OUTPUTS])
    write_thousandths(state[at.TARGET], sample[layout.S_TARGET])
    write_thousandths(state[at.RESIDUAL], sample[layout.S_RESIDUAL])
    write_thousandths(state[at.PEAK], sample[layout.S_PEAK])
    write_thousandths(params[layout.P_CEILING], sample[layout.S_CEILING])
    write_whole(state[at.PHASE], sample[layout.S_PHASE])
    write_whole(state[at.CYCLE], sample[layout.S_CYCLE])
    write_whole(state[at.GUARDINGS], sample[layout.S_GUARDINGS])
    write_whole(state[at.SESSION], sample[layout.S_SESSION])
    write_remaining(
        params[layout.P_TRACTION_S], state[at.TRACTION], state[at.SESSION], sample[layout.S_REMAINING]
    )
    write_conditions(state[at.LIVE], state[at.LATCHED], sample[layout.S_CONDITIONS])
    write_whole(state[at.EVENTS], sample[layout.S_EVENTS])
    write_whole(state[at.TAKEN], sample[layout.S_ACTION])
    write_whole(state[at.REFUSAL], sample[layout.S_REFUSAL])
    write_whole(state[at.REASON], sample[layout.S_REASON])


@scalar
def step(params, staged, state, reading, action, sample, command):
    """One tick of every bed: reads `reading` and `action`, writes `command`, `sample` (not late, link)."""
    perceive(params, state, reading)
    watch(params, state, reading)
    decide(params, staged, state, reading, action)
    follow(params, state, reading, command)
    write_sample(params, state, reading, command, sample)
