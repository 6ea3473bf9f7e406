"""What a bed decides when something is pending: safety, then the operator, then the clock. Cold path."""

from services.controller.kernel import entering, guarding, layout, phases, tuning
from services.controller.kernel import state as at
from services.controller.kernel.compiled import scalar

FAULTS = (
    layout.OVER_FORCE | layout.LOAD_CELL_LOST | layout.LOAD_CELL_FROZEN | layout.LOAD_CELL_IMPLAUSIBLE
    | layout.ACTUATOR_STUCK | layout.SUDDEN_DROP | layout.LINK_LOST | layout.DRIVE_NOT_READY
    | layout.OTHER_MASTER
)  # fmt: skip
FAULTS_ANEW = FAULTS & ~layout.OTHER_MASTER  # it changes nothing about how the tension is let out
LATCHING = (
    layout.OVER_FORCE | layout.PATIENT_SWITCH | layout.LOAD_CELL_LOST | layout.LOAD_CELL_FROZEN
    | layout.LOAD_CELL_IMPLAUSIBLE | layout.ACTUATOR_STUCK | layout.SUDDEN_DROP | layout.LINK_LOST
    | layout.MISSED_DEADLINE | layout.REPEATED_GUARDING | layout.HEAT_OVER_TEMPERATURE
    | layout.DRIVE_NOT_READY | layout.SWITCH_UNPLUGGED | layout.OTHER_MASTER
)  # fmt: skip
PATIENT = layout.PATIENT_SWITCH | layout.SWITCH_UNPLUGGED
FORBIDS_START = FAULTS | layout.MAINS_LOST | layout.PATIENT_SWITCH | layout.HEAT_OVER_TEMPERATURE
SLACK_SHARE = 0.5
CONNECTED, PRESSED = layout.STATUS_SWITCH_CONNECTED, layout.STATUS_SWITCH_PRESSED


@scalar
def reason_for(trigger, remote, reason):
    """Why the session ends or pauses on this trigger; otherwise the reason it already has."""
    if trigger == phases.ON_STOP:
        return layout.REASON_REMOTE_STOP if remote else layout.REASON_OPERATOR_STOP
    if trigger == phases.ON_PAUSE:
        return layout.REASON_REMOTE_PAUSE if remote else layout.REASON_OPERATOR_PAUSE
    if trigger == phases.ON_PATIENT_STOP:
        return layout.REASON_PATIENT_SWITCH
    if trigger == phases.ON_FAULT:
        return layout.REASON_FAULT
    if trigger == phases.ON_MAINS_LOST:
        return layout.REASON_MAINS_LOST
    if trigger == phases.ON_EXHAUSTED:
        return layout.REASON_REPEATED_GUARDING
    if trigger == phases.ON_TIME_UP:
        return layout.REASON_COMPLETED
    if phases.ON_RESUME_SLACK <= trigger <= phases.ON_RESUME:
        return layout.REASON_NONE
    return reason


@scalar
def go(params, state, bed, trigger, remote):
    """Offer a trigger to the table; True when it has a row for it."""
    phase = int(state[at.PHASE, bed])
    following = phases.next_phase(phase, trigger)
    if following < 0:
        return False
    if following == phase and trigger == phases.ON_STOP:
        return True
    reason = reason_for(trigger, remote, int(state[at.REASON, bed]))
    if trigger == phases.ON_EXPIRED and (phase in (layout.READY, layout.PAUSED)):
        reason = layout.REASON_ABANDONED
    if trigger == phases.ON_EXHAUSTED:
        state[at.LATCHED, bed] = float(int(state[at.LATCHED, bed]) | layout.REPEATED_GUARDING)
    state[at.REASON, bed] = float(reason)
    entering.enter(params, state, bed, following, trigger)
    return True


@scalar
def guard(params, state, bed):
    """A contraction: stop and ease, or end the session when it has happened too often."""
    if state[at.GUARDINGS, bed] + 1.0 >= params[layout.P_GUARDINGS_PER_SESSION, bed]:
        state[at.GUARDINGS, bed] += 1.0
        state[at.EVENTS, bed] += float(layout.EVENT_GUARDING_DETECTED)
        return go(params, state, bed, phases.ON_EXHAUSTED, False)
    return go(params, state, bed, phases.ON_GUARDING, False)


@scalar
def heed_safety(params, state, bed):
    """Faults, the patient's switch, mains, guarding, in this order; True when the phase was left."""
    live = int(state[at.LIVE, bed])
    new = live & ~int(state[at.LIVE_SEEN, bed])
    phase = int(state[at.PHASE, bed])
    if state[at.UNDERWAY, bed] == 1.0:
        state[at.LATCHED, bed] = float(int(state[at.LATCHED, bed]) | (live & LATCHING))
    again = phase == layout.FAULT or (phase == layout.STOPPED and state[at.RELEASED, bed] == 1.0)
    faults = new & FAULTS_ANEW if again else live & FAULTS
    if faults != 0 and go(params, state, bed, phases.ON_FAULT, False):
        return True
    if live & PATIENT and go(params, state, bed, phases.ON_PATIENT_STOP, False):
        return True
    if live & layout.MAINS_LOST and go(params, state, bed, phases.ON_MAINS_LOST, False):
        return True
    return state[at.DETECTED, bed] == 1.0 and guard(params, state, bed)


@scalar
def watch_switch_test(state, bed, status):
    """The test is passed by a press and a release while the lamp is on; pulling the plug undoes it."""
    if not status & CONNECTED:
        state[at.SWITCH_TESTED, bed] = 0.0
        state[at.TESTING, bed] = 0.0
        return
    if state[at.TESTING, bed] == 0.0:
        return
    if status & PRESSED:
        state[at.TEST_PRESSED, bed] = 1.0
    elif state[at.TEST_PRESSED, bed] == 1.0:
        state[at.TESTING, bed] = 0.0
        state[at.SWITCH_TESTED, bed] = 1.0
        state[at.EVENTS, bed] += float(layout.EVENT_SWITCH_TESTED)


@scalar
def load(params, staged, state, reading, bed):
    """Take the staged parameters and begin a session with all control state of the bed anew."""
    ring_row = state[at.RING_ROW, bed]
    for row in range(tuning.PARAMETER_COUNT):
        params[row, bed] = staged[row, bed]
    for row in range(at.RESPONSE):
        state[row, bed] = 0.0
    for row in range(at.RING, at.STATE):
        state[row, bed] = 0.0
    state[at.RING_ROW, bed] = ring_row
    guarding.fill_response(state, params, bed)
    force = reading[layout.R_FORCE, bed] * 0.1
    position = reading[layout.R_POSITION, bed] * 0.01
    state[at.FORCE, bed] = force
    state[at.OWN_FORCE, bed] = force
    state[at.TENSION, bed] = force
    state[at.NEAR_TENSION, bed] = force
    state[at.POSITION, bed] = position
    state[at.OWN_POSITION, bed] = position
    state[at.OWN_HOME, bed] = position
    state[at.STATUS, bed] = float(reading[layout.R_STATUS, bed])
    state[at.EFFORT, bed] = min(max(reading[layout.R_EFFORT, bed] * 0.1, 0.0), guarding.EFFORT_MAX_UV)
    state[at.EFFORT_MEAN, bed] = state[at.EFFORT, bed]
    rest_state(state, bed)
    state[at.SESSION, bed] = params[layout.P_SESSION, bed]
    state[at.LEFT, bed] = params[layout.P_CLOSE_AFTER_S, bed]
    entering.set_marks(state, bed, layout.READY)
    entering.hold_at(state, bed, 0.0)


@scalar
def rest_state(state, bed):
    """The values of a bed at rest that are not zero."""
    state[at.STIFFNESS, bed] = 18.0
    for window in range(tuning.BANK):
        state[at.BANK_REST + window, bed] = guarding.REST_START
        state[at.BANK_MOTION + window, bed] = guarding.MOTION_FLOOR
    state[at.EFFORT_VARIANCE, bed] = 1.0
    state[at.ERROR_VARIANCE, bed] = 0.25
    state[at.PEAK_FACTOR, bed] = 1.0
    state[at.LEFT, bed] = entering.NEVER
    state[at.REACH, bed] = entering.NEVER
    state[at.INVERSE, bed] = 1.0


@scalar
def refuse_start(state, bed, status):
    """Why a start is refused now, or none."""
    live = int(state[at.LIVE, bed])
    if not status & CONNECTED:
        return layout.REFUSAL_SWITCH_UNPLUGGED
    if state[at.SWITCH_TESTED, bed] == 0.0:
        return layout.REFUSAL_SWITCH_UNTESTED
    if live & layout.TILT_MISMATCH:
        return layout.REFUSAL_TILT
    if live & FORBIDS_START or status & PRESSED:
        return layout.REFUSAL_CONDITION
    return layout.REFUSAL_NONE


@scalar
def offer(params, state, bed, trigger, remote):
    """Offer an operator's trigger; the refusal says whether there is no session or it is the wrong phase."""
    if go(params, state, bed, trigger, remote):
        return layout.REFUSAL_NONE
    return layout.REFUSAL_NO_SESSION if state[at.SESSION, bed] == 0.0 else layout.REFUSAL_PHASE


@scalar
def order_start(params, state, reading, bed):
    """Start treatment: switch tested and plugged, tilt right, nothing wrong."""
    if int(state[at.PHASE, bed]) == layout.READY:
        refusal = refuse_start(state, bed, reading[layout.R_STATUS, bed])
        if refusal != layout.REFUSAL_NONE:
            return refusal
        state[at.OWN_HOME, bed] = state[at.OWN_POSITION, bed]
        state[at.TESTING, bed] = 0.0
    return offer(params, state, bed, phases.ON_START, False)


@scalar
def order_test(state, reading, bed):
    """Light the lamp and wait for the patient's press and release."""
    if int(state[at.PHASE, bed]) != layout.READY:
        return layout.REFUSAL_NO_SESSION if state[at.SESSION, bed] == 0.0 else layout.REFUSAL_PHASE
    if not reading[layout.R_STATUS, bed] & CONNECTED:
        return layout.REFUSAL_SWITCH_UNPLUGGED
    state[at.TESTING, bed] = 1.0
    state[at.TEST_PRESSED, bed] = 0.0
    state[at.SWITCH_TESTED, bed] = 0.0
    return layout.REFUSAL_NONE


@scalar
def order_resume(params, state, bed):
    """Go on where it was paused, with a fresh ramp."""
    if int(state[at.PHASE, bed]) == layout.PAUSED and int(state[at.LIVE, bed]) & FORBIDS_START:
        return layout.REFUSAL_CONDITION
    trigger = phases.ON_RESUME
    if state[at.PAUSED_IN, bed] == entering.IN_SLACK:
        trigger = phases.ON_RESUME_SLACK
    elif state[at.PAUSED_IN, bed] == entering.IN_PRECONDITION:
        trigger = phases.ON_RESUME_PRECONDITION
    return offer(params, state, bed, trigger, False)


@scalar
def order_reset(state, bed):
    """Clear the latched conditions whose cause is gone; never with the drive in use or a frozen cell."""
    if phases.IS_HEATED[int(state[at.PHASE, bed])] == 1.0:
        return layout.REFUSAL_PHASE
    if int(state[at.LIVE, bed]) & layout.LOAD_CELL_FROZEN:
        return layout.REFUSAL_CONDITION
    state[at.LATCHED, bed] = float(int(state[at.LATCHED, bed]) & int(state[at.LIVE, bed]))
    return layout.REFUSAL_NONE


@scalar
def order_close(params, state, bed):
    """End the session; a stopped bed must have released its tension first."""
    phase = int(state[at.PHASE, bed])
    if (phase in (layout.STOPPED, layout.FAULT)) and state[at.RELEASED, bed] == 0.0:
        return layout.REFUSAL_CONDITION
    return offer(params, state, bed, phases.ON_CLOSE, False)


@scalar
def order_change(params, staged, state, bed):
    """Keep the staged parameters for the next phase boundary; before the start they act at once."""
    phase = int(state[at.PHASE, bed])
    if state[at.SESSION, bed] == 0.0:
        return layout.REFUSAL_NO_SESSION
    if phase in (layout.COOLDOWN, layout.DONE) or phase >= layout.STOPPED:
        return layout.REFUSAL_PHASE
    for row in range(tuning.PARAMETER_COUNT):
        state[at.CHANGED + row, bed] = staged[row, bed]
    state[at.CHANGE_PENDING, bed] = 1.0
    if phase == layout.READY:
        entering.apply_change(params, state, bed)
    return layout.REFUSAL_NONE


@scalar
def order_heat(params, state, bed, wanted):
    """Heat on or off; on only where it is prescribed."""
    if wanted and state[at.SESSION, bed] == 0.0:
        return layout.REFUSAL_NO_SESSION
    if wanted and params[layout.P_HEAT_ALLOWED, bed] <= 0.0:
        return layout.REFUSAL_HEAT
    state[at.HEAT_WANTED, bed] = 1.0 if wanted else 0.0
    return layout.REFUSAL_NONE


@scalar
def order(params, staged, state, reading, bed, kind):
    """Carry out one operator action; returns its refusal."""
    if kind == layout.ACTION_LOAD:
        if int(state[at.PHASE, bed]) != layout.IDLE:
            return layout.REFUSAL_PHASE
        if state[at.LATCHED, bed] != 0.0 or int(state[at.LIVE, bed]) & layout.LOAD_CELL_FROZEN:
            return layout.REFUSAL_CONDITION
        load(params, staged, state, reading, bed)
        return layout.REFUSAL_NONE
    if kind == layout.ACTION_TEST_SWITCH:
        return order_test(state, reading, bed)
    if kind == layout.ACTION_START:
        return order_start(params, state, reading, bed)
    if kind in (layout.ACTION_PAUSE, layout.ACTION_REMOTE_PAUSE):
        return offer(params, state, bed, phases.ON_PAUSE, kind == layout.ACTION_REMOTE_PAUSE)
    if kind == layout.ACTION_RESUME:
        return order_resume(params, state, bed)
    if kind in (layout.ACTION_STOP, layout.ACTION_REMOTE_STOP):
        return offer(params, state, bed, phases.ON_STOP, kind == layout.ACTION_REMOTE_STOP)
    if kind == layout.ACTION_RESET:
        return order_reset(state, bed)
    if kind == layout.ACTION_CLOSE:
        return order_close(params, state, bed)
    if kind == layout.ACTION_CHANGE:
        return order_change(params, staged, state, bed)
    if kind in (layout.ACTION_HEAT_ON, layout.ACTION_HEAT_OFF):
        return order_heat(params, state, bed, kind == layout.ACTION_HEAT_ON)
    return layout.REFUSAL_PHASE


@scalar
def mind_release(params, state, bed):
    """A stopped or faulty bed: release until the tension is gone or its time is, then wait to be closed."""
    if state[at.RELEASED, bed] == 1.0:
        go(params, state, bed, phases.ON_EXPIRED, False)
        return
    clock = state[at.PHASE_CLOCK, bed]
    slack = state[at.TENSION, bed] < entering.RELEASED_N
    home = state[at.POSITION, bed] <= state[at.OWN_HOME, bed]
    fixed = state[at.MODE, bed] == at.FIXED
    if state[at.PATIENT_STOP, bed] == 1.0:
        over = clock >= entering.POWER_CUT_S
    elif fixed:
        over = home or clock >= entering.GIVE_UP_S
    else:
        over = slack or state[at.FREE, bed] == 1.0 or clock >= entering.GIVE_UP_S
    state[at.LEFT, bed] = 0.0
    if not over:
        return
    if state[at.PATIENT_STOP, bed] == 1.0:
        state[at.POWER, bed] = 0.0
    if not (home if fixed else slack):
        state[at.POWER, bed] = 0.0
        state[at.FREE, bed] = 1.0
    entering.end_release(params, state, bed)


@scalar
def taken_up(state, bed):
    """Whether the slack is out: the observer's tension is there, and the load cell does not deny it."""
    reach = state[at.REACH, bed]
    return state[at.TENSION, bed] >= reach and state[at.FORCE, bed] >= SLACK_SHARE * reach


@scalar
def mind_clock(params, state, bed):
    """The phase's own time is up, or what it waited for has come."""
    phase = int(state[at.PHASE, bed])
    used_up = state[at.COUNTING, bed] == 1.0 and state[at.TRACTION, bed] >= params[layout.P_TRACTION_S, bed]
    if used_up and go(params, state, bed, phases.ON_TIME_UP, False):
        return
    if phase == layout.SLACK:
        if taken_up(state, bed):
            go(params, state, bed, phases.ON_REACHED, False)
        elif state[at.LEFT, bed] <= 0.0:
            fault = layout.LOAD_CELL_IMPLAUSIBLE
            state[at.LATCHED, bed] = float(int(state[at.LATCHED, bed]) | fault)
            state[at.LIVE, bed] = float(int(state[at.LIVE, bed]) | fault)
            go(params, state, bed, phases.ON_FAULT, False)
        return
    if phase == layout.GUARDED and state[at.PHASE_CLOCK, bed] > entering.PATIENCE_S:
        go(params, state, bed, phases.ON_EXHAUSTED, False)
        return
    if state[at.LEFT, bed] > 0.0:
        return
    if phase in (layout.STOPPED, layout.FAULT):
        mind_release(params, state, bed)
    elif phase == layout.PRECONDITION and state[at.STEP, bed] + 1.0 < entering.precondition_moves(
        params, bed
    ):
        if state[at.CHANGE_PENDING, bed] == 1.0:
            entering.apply_change(params, state, bed)
        state[at.STEP, bed] += 1.0
        entering.precondition_move(params, state, bed)
    elif phase == layout.REBUILD and state[at.RETURN_TO, bed] == entering.TO_BASE:
        go(params, state, bed, phases.ON_REACHED_REST, False)
    elif phase == layout.REBUILD and state[at.RETURN_TO, bed] == entering.TO_PRECONDITION:
        go(params, state, bed, phases.ON_REACHED_PRECONDITION, False)
    elif phase == layout.REBUILD and state[at.RETURN_TO, bed] == entering.TO_RAMP:
        go(params, state, bed, phases.ON_REACHED_RAMP, False)
    elif phase == layout.COOLDOWN:
        if state[at.TENSION, bed] < entering.RELEASED_N or state[at.LEFT, bed] < -10.0:
            go(params, state, bed, phases.ON_REACHED, False)
    elif phase in (layout.READY, layout.PAUSED, layout.DONE):
        go(params, state, bed, phases.ON_EXPIRED, False)
    else:
        go(params, state, bed, phases.ON_REACHED, False)


@scalar
def decide(params, staged, state, reading, action, bed):
    """Everything that is not plain control, for one bed with something pending."""
    left = heed_safety(params, state, bed)
    code = int(action[bed])
    if code != layout.ACTION_NONE:
        before = state[at.PHASE, bed]
        refusal = order(params, staged, state, reading, bed, code)
        state[at.TAKEN, bed] = float(code)
        state[at.REFUSAL, bed] = float(refusal)
        left = left or before != state[at.PHASE, bed]
    watch_switch_test(state, bed, reading[layout.R_STATUS, bed])
    if not left:
        mind_clock(params, state, bed)
    state[at.LIVE_SEEN, bed] = state[at.LIVE, bed]
    state[at.STATUS, bed] = float(reading[layout.R_STATUS, bed])
