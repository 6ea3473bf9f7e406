"""What a bed does on entering each phase: its move, its mode, its clock. Cold path, one bed at a time."""

from services.controller.kernel import coughs, law, layout, phases, tuning
from services.controller.kernel import state as at
from services.controller.kernel.compiled import scalar

QUINTIC_PEAK = 1.875  # the quintic's greatest rate is this times span / duration
SHORTEST_MOVE_S = 0.5
SLACK_LIMIT_S = 90.0  # no tension by then: nothing is attached, or the load cell lies
RELEASE_S = 4.5  # a stop's ramp to zero: done before the power is cut
POWER_CUT_S = 5.0  # after a patient stop, on a second channel
RELEASED_N = 8.0
GIVE_UP_S = 30.0  # a release that does not get there is ended by the mechanical one
NEVER = 1e18
SETTLE_S = 2.0  # after the slack the observer needs this long to know the tension's slope
KEEP_FRACTION = 0.9  # of base, kept by easing once the contraction is over
PATIENCE_S = 30.0  # guarding that never ends: no rebuilding, cooldown
TO_PEAK, TO_BASE, TO_PRECONDITION, TO_RAMP = 0.0, 1.0, 2.0, 3.0
IN_SLACK, IN_PRECONDITION, IN_CYCLES = 0.0, 1.0, 2.0
FREE_AT_ONCE = layout.ACTUATOR_STUCK | layout.DRIVE_NOT_READY
BY_POSITION = (
    layout.LINK_LOST | layout.LOAD_CELL_LOST | layout.LOAD_CELL_FROZEN | layout.LOAD_CELL_IMPLAUSIBLE
)


@scalar
def begin_move(state, bed, goal, rate_n_s, least_s):
    """Start a quintic from the target to goal (N), at most rate_n_s at its steepest; returns its seconds."""
    origin = state[at.TARGET, bed]
    span = goal - origin
    duration = max(QUINTIC_PEAK * abs(span) / max(rate_n_s, 1.0), least_s, SHORTEST_MOVE_S)
    place_move(state, bed, origin, span, duration)
    return duration


@scalar
def place_move(state, bed, origin, span, duration):
    """Set a bed's move: origin and span in N, duration in s."""
    state[at.ORIGIN, bed] = origin
    state[at.SPAN, bed] = span
    state[at.CLOCK, bed] = 0.0
    state[at.INVERSE, bed] = 1.0 / duration


@scalar
def hold_at(state, bed, level):
    """Keep the target where it is told (N)."""
    state[at.TARGET, bed] = level
    place_move(state, bed, level, 0.0, 1.0)


@scalar
def take_force(state, bed):
    """Let the target begin at the measured tension, never above what it was.

    Only after a release that followed no target (by position, or given up) it is the tension itself.
    """
    measured = max(state[at.TENSION, bed], 0.0)
    by_position = (state[at.MODE, bed] == at.FIXED) & (state[at.FIXED_VELOCITY, bed] < 0.0)
    let_go = by_position | (state[at.RELEASED, bed] == 1.0)
    state[at.TARGET, bed] = measured if let_go else min(state[at.TARGET, bed], measured)


@scalar
def halfway(params, bed):
    """The level of the precondition cycles: half way from base to the first peak (N)."""
    return params[layout.P_BASE, bed] + 0.5 * (params[layout.P_FIRST_PEAK, bed] - params[layout.P_BASE, bed])


@scalar
def precondition_moves(params, bed):
    """Moves of the precondition phase: a slow rise and fall, then the cycles; or just to base."""
    if params[layout.P_PRECONDITION_S, bed] <= 0.0:
        return 1.0
    return 2.0 + 2.0 * params[layout.P_PRECONDITION_CYCLES, bed]


@scalar
def precondition_move(params, state, bed):
    """Begin the precondition's next move."""
    step = state[at.STEP, bed]
    last = step + 1.0 >= precondition_moves(params, bed)
    if step % 2.0 == 0.0 and not last:
        least_s = params[layout.P_PRECONDITION_S, bed] if step == 0.0 else 0.0
        seconds = begin_move(state, bed, halfway(params, bed), params[layout.P_RISE, bed], least_s)
    else:
        rising = state[at.TARGET, bed] < params[layout.P_BASE, bed]
        rate = params[layout.P_RISE, bed] if rising else params[layout.P_FALL, bed]
        seconds = begin_move(state, bed, params[layout.P_BASE, bed], rate, 0.0)
    state[at.LEFT, bed] = seconds


@scalar
def cycle_peak(params, state, bed):
    """This cycle's peak (N): grown by a step a cycle, lowered by repeated guarding, never below base."""
    grown = params[layout.P_FIRST_PEAK, bed] + (state[at.CYCLE, bed] - 1.0) * params[layout.P_PEAK_STEP, bed]
    peak = min(grown, params[layout.P_PEAK, bed]) * state[at.PEAK_FACTOR, bed]
    return max(min(peak, params[layout.P_CEILING, bed]), params[layout.P_BASE, bed])


@scalar
def enter_slack(params, state, bed):
    """Take up the slack at a fixed speed until the first tension; before it the drive has no power."""
    state[at.POWER, bed] = 1.0
    state[at.MODE, bed] = at.FIXED
    state[at.FIXED_VELOCITY, bed] = params[layout.P_SLACK_SPEED, bed]
    state[at.REACH, bed] = params[layout.P_SLACK, bed]
    state[at.LEFT, bed] = SLACK_LIMIT_S
    hold_at(state, bed, 0.0)


@scalar
def enter_ramp(params, state, bed):
    """Rise to the peak of this cycle; a pause inside a cycle does not begin another."""
    if state[at.CYCLE_OPEN, bed] == 0.0:
        state[at.CYCLE, bed] += 1.0
        state[at.CYCLE_OPEN, bed] = 1.0
        state[at.CYCLE_GUARDINGS, bed] = 0.0
        state[at.HOLD_LEFT, bed] = params[layout.P_HOLD_S, bed]
    state[at.BASED, bed] = 1.0
    state[at.PEAK, bed] = cycle_peak(params, state, bed)
    state[at.LEFT, bed] = begin_move(state, bed, state[at.PEAK, bed], params[layout.P_RISE, bed], 0.0)


@scalar
def enter_hold(params, state, bed):
    """Stay at the peak, or come down to it when it was changed meanwhile."""
    state[at.PEAK, bed] = min(state[at.PEAK, bed], cycle_peak(params, state, bed))
    begin_move(state, bed, min(state[at.TARGET, bed], state[at.PEAK, bed]), params[layout.P_FALL, bed], 0.0)
    state[at.LEFT, bed] = state[at.HOLD_LEFT, bed]


@scalar
def enter_release(params, state, bed):
    """Come down to base; up to it, where it was raised meanwhile, no faster than any rise."""
    rising = state[at.TARGET, bed] < params[layout.P_BASE, bed]
    rate = params[layout.P_RISE, bed] if rising else params[layout.P_FALL, bed]
    state[at.LEFT, bed] = begin_move(state, bed, params[layout.P_BASE, bed], rate, 0.0)


@scalar
def enter_rest(params, state, bed, previous):
    """Stay at base; coming down from a peak completes its cycle."""
    if previous == layout.RELEASE:
        state[at.REST_LEFT, bed] = params[layout.P_REST_S, bed]
    if state[at.CYCLE_OPEN, bed] == 1.0:
        state[at.CYCLE_OPEN, bed] = 0.0
        state[at.EVENTS, bed] += float(layout.EVENT_CYCLE_COMPLETED)
    rate = min(params[layout.P_RISE, bed], params[layout.P_FALL, bed])
    begin_move(state, bed, params[layout.P_BASE, bed], rate, 0.0)
    state[at.LEFT, bed] = state[at.REST_LEFT, bed]


@scalar
def enter_guarded(params, state, bed, previous):
    """Stop at once and ease to a lower level, keeping nine tenths of base for after the contraction."""
    if previous == layout.RAMP:
        state[at.RETURN_TO, bed] = TO_RAMP
    elif previous == layout.HOLD:
        state[at.RETURN_TO, bed] = TO_PEAK
    elif previous == layout.PRECONDITION:
        state[at.RETURN_TO, bed] = TO_PRECONDITION
    elif previous != layout.REBUILD:
        state[at.RETURN_TO, bed] = TO_BASE
    if previous == layout.RELEASE:
        state[at.REST_LEFT, bed] = params[layout.P_REST_S, bed]
    level = state[at.TARGET, bed]
    base = min(params[layout.P_BASE, bed], level)
    yielded = max(params[layout.P_EASE_MIN, bed], params[layout.P_EASE_FRACTION, bed] * level)
    without = state[at.FORCE, bed]  # the tension once it is over; without a contraction, what there is
    if state[at.RESIDUAL, bed] > 0.0:
        without = min(level, without - state[at.RESIDUAL, bed])
    room = max(without - KEEP_FRACTION * base, 0.0)
    stiffness = max(state[at.STIFFNESS, bed], law.STIFFNESS_PRIOR)  # a breath misleads what is learnt
    state[at.POSITION_FLOOR, bed] = state[at.POSITION, bed] - room / stiffness
    hold_at(state, bed, max(base, level - yielded))
    state[at.INTEGRAL, bed] = 0.0
    state[at.MODE, bed] = at.EASE
    state[at.FREEZE, bed] = 8.0
    state[at.DISTURBED_AT, bed] = 0.0
    state[at.STRUCK_AGAIN, bed] = 1.0 if previous == layout.REBUILD else 0.0
    state[at.STRUCK, bed] = level
    state[at.LEFT, bed] = params[layout.P_QUIET_S, bed]
    count_guarding(params, state, bed)


@scalar
def count_guarding(params, state, bed):
    """Count a stop; repeated in one cycle, the peak comes down."""
    state[at.GUARDINGS, bed] += 1.0
    state[at.CYCLE_GUARDINGS, bed] += 1.0
    state[at.EVENTS, bed] += float(layout.EVENT_GUARDING_DETECTED)
    if state[at.CYCLE_GUARDINGS, bed] >= params[layout.P_GUARDINGS_PER_CYCLE, bed]:
        state[at.CYCLE_GUARDINGS, bed] = 0.0
        state[at.PEAK_FACTOR, bed] *= params[layout.P_GUARDING_PEAK_FACTOR, bed]
        state[at.PEAK, bed] = min(state[at.PEAK, bed], cycle_peak(params, state, bed))


@scalar
def enter_rebuild(params, state, bed):
    """Go back slowly to the peak, base or step that guarding struck, fast when it was a cough.

    What struck a ramp, if a cough, is rebuilt to where it struck; the ramp goes on from there. Downwards,
    from a release, the tension falls as it would have.
    """
    base = min(params[layout.P_BASE, bed], state[at.TARGET, bed])
    state[at.TARGET, bed] = max(base, min(state[at.TENSION, bed], state[at.TARGET, bed]))
    cough = coughs.was_cough(state, bed)
    rate = params[layout.P_REBUILD, bed]
    if cough:
        rate = max(rate, min(params[layout.P_REBUILD_FAST, bed], params[layout.P_RISE, bed]))
    elif state[at.RETURN_TO, bed] == TO_RAMP:
        state[at.RETURN_TO, bed] = TO_PEAK
    goal = state[at.TARGET, bed]
    if state[at.RETURN_TO, bed] in (TO_PEAK, TO_RAMP):
        state[at.PEAK, bed] = min(state[at.PEAK, bed], cycle_peak(params, state, bed))
        goal = state[at.PEAK, bed]
    if state[at.RETURN_TO, bed] == TO_RAMP:
        goal = min(goal, state[at.STRUCK, bed])
    elif state[at.RETURN_TO, bed] == TO_BASE:
        goal = params[layout.P_BASE, bed]
    if goal < state[at.TARGET, bed]:
        rate = params[layout.P_FALL, bed]
    state[at.EVENTS, bed] += float(layout.EVENT_GUARDING_RELEASED)
    state[at.LEFT, bed] = begin_move(state, bed, goal, rate, 0.0)


@scalar
def enter_paused(params, state, bed, previous):
    """Hold base tension, or stand still in the slack; remember where to go on."""
    state[at.LEFT, bed] = params[layout.P_CLOSE_AFTER_S, bed]
    if previous == layout.PAUSED:
        return
    if previous == layout.SLACK:
        state[at.PAUSED_IN, bed] = IN_SLACK
        state[at.MODE, bed] = at.FIXED
        state[at.FIXED_VELOCITY, bed] = 0.0
        return
    state[at.PAUSED_IN, bed] = IN_CYCLES if state[at.BASED, bed] == 1.0 else IN_PRECONDITION
    goal = min(state[at.TARGET, bed], params[layout.P_BASE, bed])
    begin_move(state, bed, goal, params[layout.P_FALL, bed], 0.0)


@scalar
def enter_cooldown(params, state, bed):
    """Let the tension out to nothing, gently, from the measured tension downwards, and never pull."""
    take_force(state, bed)
    state[at.MODE, bed] = at.LET_OUT
    seconds = begin_move(state, bed, 0.0, params[layout.P_FALL, bed], params[layout.P_COOLDOWN_S, bed])
    state[at.LEFT, bed] = seconds


@scalar
def begin_release(state, bed):
    """Ramp the tension to zero within 4.5 s by force, without ever pulling."""
    take_force(state, bed)
    state[at.MODE, bed] = at.LET_OUT
    place_move(state, bed, state[at.TARGET, bed], -state[at.TARGET, bed], RELEASE_S)
    state[at.LEFT, bed] = RELEASE_S


@scalar
def enter_stopped(state, bed, trigger):
    """Release; after a patient stop the drive's power will be cut."""
    begin_release(state, bed)
    state[at.RELEASED, bed] = 0.0
    state[at.PATIENT_STOP, bed] = 1.0 if trigger == phases.ON_PATIENT_STOP else 0.0


@scalar
def enter_fault(state, bed):
    """Release by what can still be trusted: force, else position, else the mechanical release."""
    state[at.PATIENT_STOP, bed] = 0.0
    live = int(state[at.LIVE, bed])
    if live & FREE_AT_ONCE:
        state[at.MODE, bed] = at.OFF
        state[at.POWER, bed] = 0.0
        state[at.FREE, bed] = 1.0
        state[at.LEFT, bed] = POWER_CUT_S
        hold_at(state, bed, 0.0)
    elif live & BY_POSITION:
        state[at.MODE, bed] = at.FIXED
        state[at.FIXED_VELOCITY, bed] = -3.0
        state[at.POSITION_FLOOR, bed] = state[at.OWN_HOME, bed]
        state[at.LEFT, bed] = 0.0
        hold_at(state, bed, 0.0)
    else:
        begin_release(state, bed)
    state[at.RELEASED, bed] = 0.0


@scalar
def end_release(params, state, bed):
    """The release is over, or has been given time enough: cut the power, wait for somebody."""
    state[at.RELEASED, bed] = 1.0
    state[at.ARMED, bed] = 0.0
    state[at.POWER, bed] = 0.0  # nobody watches a drive that is not armed: it must not be able to run away
    state[at.MODE, bed] = at.OFF
    state[at.LEFT, bed] = params[layout.P_CLOSE_AFTER_S, bed]
    hold_at(state, bed, 0.0)


@scalar
def enter_idle(state, bed):
    """The session is over: no power, no heat, no number."""
    state[at.SESSION, bed] = 0.0
    state[at.POWER, bed] = 0.0
    state[at.FREE, bed] = 0.0
    state[at.HEAT_WANTED, bed] = 0.0
    state[at.MODE, bed] = at.OFF
    state[at.LEFT, bed] = NEVER
    state[at.TRACTION, bed] = 0.0
    hold_at(state, bed, 0.0)


@scalar
def apply_change(params, state, bed):
    """A changed prescription acts now; the session keeps its number.

    A lower ceiling waits for the next boundary while the target is above the new peak: it comes down at the
    prescribed rate, and a ceiling that fell below it at once would be an over-force that nobody caused.
    """
    ceiling = params[layout.P_CEILING, bed]
    for row in range(tuning.PARAMETER_COUNT):
        if row != layout.P_SESSION:
            params[row, bed] = state[at.CHANGED + row, bed]
    state[at.CHANGE_PENDING, bed] = 0.0
    if state[at.TARGET, bed] > params[layout.P_PEAK, bed]:
        params[layout.P_CEILING, bed] = max(ceiling, params[layout.P_CEILING, bed])
        state[at.CHANGE_PENDING, bed] = 1.0


@scalar
def set_marks(state, bed, phase):
    """What a phase is: watched, counted, armed, heated; as rows for the stages."""
    state[at.PHASE, bed] = phase
    state[at.PHASE_CLOCK, bed] = 0.0
    state[at.REACH, bed] = NEVER
    state[at.WATCHING, bed] = phases.IS_WATCHING[phase]
    state[at.COUNTING, bed] = phases.IS_COUNTING[phase]
    state[at.ARMED, bed] = phases.IS_ARMED[phase]
    state[at.ATTENDED, bed] = phases.IS_ATTENDED[phase]
    state[at.UNDERWAY, bed] = phases.IS_UNDERWAY[phase]
    state[at.HEATED, bed] = phases.IS_HEATED[phase]
    state[at.BEARING, bed] = phases.BEARS[phase]
    state[at.FOLLOWING, bed] = phases.FOLLOWS[phase]


@scalar
def enter(params, state, bed, phase, trigger):
    """Enter a phase: its marks, then its move. A changed prescription is taken first."""
    previous = int(state[at.PHASE, bed])
    if previous == layout.HOLD:
        state[at.HOLD_LEFT, bed] = max(state[at.LEFT, bed], 0.0)
    if previous == layout.REST:
        state[at.REST_LEFT, bed] = max(state[at.LEFT, bed], 0.0)
    if state[at.CHANGE_PENDING, bed] == 1.0:
        apply_change(params, state, bed)
    set_marks(state, bed, phase)
    if phases.IS_WATCHING[phase] == 1.0 or phase == layout.PAUSED:
        state[at.MODE, bed] = at.TRACK
    if phase == layout.IDLE:
        enter_idle(state, bed)
    elif phase == layout.SLACK:
        enter_slack(params, state, bed)
    elif phase == layout.PRECONDITION:
        if previous == layout.SLACK:
            state[at.TARGET, bed] = min(max(state[at.TENSION, bed], 0.0), params[layout.P_BASE, bed])
            state[at.STEP, bed] = 0.0
            state[at.BLANK, bed] = SETTLE_S
        precondition_move(params, state, bed)
    elif phase == layout.RAMP:
        enter_ramp(params, state, bed)
    elif phase == layout.HOLD:
        enter_hold(params, state, bed)
    elif phase == layout.RELEASE:
        enter_release(params, state, bed)
    elif phase == layout.REST:
        enter_rest(params, state, bed, previous)
    elif phase == layout.GUARDED:
        enter_guarded(params, state, bed, previous)
    elif phase == layout.REBUILD:
        enter_rebuild(params, state, bed)
    elif phase == layout.PAUSED:
        enter_paused(params, state, bed, previous)
    elif phase == layout.COOLDOWN:
        enter_cooldown(params, state, bed)
    elif phase == layout.STOPPED:
        enter_stopped(state, bed, trigger)
    elif phase == layout.FAULT:
        enter_fault(state, bed)
    elif phase == layout.DONE:
        end_release(params, state, bed)
