/* The cold path of the C twin: entering phases (entering.py) and deciding (deciding.py), one bed at a time. */

#define AS_INT(name) ((int64_t)SB(name))
#define LEAST(a, b) ((b) < (a) ? (b) : (a))
#define MOST(a, b) ((b) > (a) ? (b) : (a))

static void place_move(long n, double *state, long b, double origin, double span, double duration)
{
    SB(ORIGIN) = origin;
    SB(SPAN) = span;
    SB(CLOCK) = 0.0;
    SB(INVERSE) = 1.0 / duration;
}

static double begin_move(long n, double *state, long b, double goal, double rate_n_s, double least_s)
{
    double origin = SB(TARGET), span = goal - origin;
    double duration = MOST(MOST(QUINTIC_PEAK * fabs(span) / MOST(rate_n_s, 1.0), least_s), SHORTEST_MOVE_S);
    place_move(n, state, b, origin, span, duration);
    return duration;
}

static void hold_at(long n, double *state, long b, double level)
{
    SB(TARGET) = level;
    place_move(n, state, b, level, 0.0, 1.0);
}

static void take_force(long n, double *state, long b)
{
    double measured = MOST(SB(TENSION), 0.0);
    int let_go = (SB(MODE) == FIXED && SB(FIXED_VELOCITY) < 0.0) || SB(RELEASED) == 1.0;
    SB(TARGET) = let_go ? measured : LEAST(SB(TARGET), measured);
}

static double precondition_moves(long n, const double *params, long b)
{
    return PB(P_PRECONDITION_S) <= 0.0 ? 1.0 : 2.0 + 2.0 * PB(P_PRECONDITION_CYCLES);
}

static void precondition_move(long n, const double *params, double *state, long b)
{
    double step = SB(STEP);
    int last = step + 1.0 >= precondition_moves(n, params, b);
    if (fmod(step, 2.0) == 0.0 && !last) {
        double halfway = PB(P_BASE) + 0.5 * (PB(P_FIRST_PEAK) - PB(P_BASE));
        SB(LEFT) = begin_move(n, state, b, halfway, PB(P_RISE), step == 0.0 ? PB(P_PRECONDITION_S) : 0.0);
    } else {
        double rate = SB(TARGET) < PB(P_BASE) ? PB(P_RISE) : PB(P_FALL);
        SB(LEFT) = begin_move(n, state, b, PB(P_BASE), rate, 0.0);
    }
}

static double cycle_peak(long n, const double *params, double *state, long b)
{
    double grown = PB(P_FIRST_PEAK) + (SB(CYCLE) - 1.0) * PB(P_PEAK_STEP);
    double peak = LEAST(grown, PB(P_PEAK)) * SB(PEAK_FACTOR);
    return MOST(LEAST(peak, PB(P_CEILING)), PB(P_BASE));
}

static void lower_peak(long n, const double *params, double *state, long b)
{
    double peak = cycle_peak(n, params, state, b);
    SB(PEAK) = LEAST(SB(PEAK), peak);
}

static void enter_ramp(long n, const double *params, double *state, long b)
{
    if (SB(CYCLE_OPEN) == 0.0) {
        SB(CYCLE) += 1.0;
        SB(CYCLE_OPEN) = 1.0;
        SB(CYCLE_GUARDINGS) = 0.0;
        SB(HOLD_LEFT) = PB(P_HOLD_S);
    }
    SB(BASED) = 1.0;
    SB(PEAK) = cycle_peak(n, params, state, b);
    SB(LEFT) = begin_move(n, state, b, SB(PEAK), PB(P_RISE), 0.0);
}

static void enter_rest(long n, const double *params, double *state, long b, long previous)
{
    if (previous == RELEASE)
        SB(REST_LEFT) = PB(P_REST_S);
    if (SB(CYCLE_OPEN) == 1.0) {
        SB(CYCLE_OPEN) = 0.0;
        SB(EVENTS) += EVENT_CYCLE_COMPLETED;
    }
    begin_move(n, state, b, PB(P_BASE), LEAST(PB(P_RISE), PB(P_FALL)), 0.0);
    SB(LEFT) = SB(REST_LEFT);
}

static void enter_guarded(long n, const double *params, double *state, long b, long previous)
{
    if (previous == RAMP)
        SB(RETURN_TO) = TO_RAMP;
    else if (previous == HOLD)
        SB(RETURN_TO) = TO_PEAK;
    else if (previous == PRECONDITION)
        SB(RETURN_TO) = TO_PRECONDITION;
    else if (previous != REBUILD)
        SB(RETURN_TO) = TO_BASE;
    if (previous == RELEASE)
        SB(REST_LEFT) = PB(P_REST_S);
    double level = SB(TARGET), base = LEAST(PB(P_BASE), level);
    double yielded = MOST(PB(P_EASE_MIN), PB(P_EASE_FRACTION) * level);
    double without = SB(FORCE);
    if (SB(RESIDUAL) > 0.0)
        without = LEAST(level, without - SB(RESIDUAL));
    double room = MOST(without - KEEP_FRACTION * base, 0.0);
    SB(POSITION_FLOOR) = SB(POSITION) - room / MOST(SB(STIFFNESS), 18.0);
    hold_at(n, state, b, MOST(base, level - yielded));
    SB(INTEGRAL) = 0.0;
    SB(MODE) = EASE;
    SB(FREEZE) = 8.0;
    SB(DISTURBED_AT) = 0.0;
    SB(STRUCK_AGAIN) = previous == REBUILD ? 1.0 : 0.0;
    SB(STRUCK) = level;
    SB(LEFT) = PB(P_QUIET_S);
    SB(GUARDINGS) += 1.0;
    SB(CYCLE_GUARDINGS) += 1.0;
    SB(EVENTS) += EVENT_GUARDING_DETECTED;
    if (SB(CYCLE_GUARDINGS) >= PB(P_GUARDINGS_PER_CYCLE)) {
        SB(CYCLE_GUARDINGS) = 0.0;
        SB(PEAK_FACTOR) *= PB(P_GUARDING_PEAK_FACTOR);
        lower_peak(n, params, state, b);
    }
}

static int was_cough(long n, const double *state, long b)
{
    if (SB(STRUCK_AGAIN) == 1.0 || SB(LONGEST_PUSH_S) > PUSH_MOST_S)
        return 0;
    return SB(DISTURBED_AT) <= COUGH_S || (SB(LONGEST_PUSH_S) > 0.0 && SB(DISTURBED_AT) <= FIT_S);
}

static void enter_rebuild(long n, const double *params, double *state, long b)
{
    double base = LEAST(PB(P_BASE), SB(TARGET)), from = LEAST(SB(TENSION), SB(TARGET));
    SB(TARGET) = MOST(base, from);
    double fast = LEAST(PB(P_REBUILD_FAST), PB(P_RISE)), rate = PB(P_REBUILD), goal = SB(TARGET);
    if (was_cough(n, state, b))
        rate = MOST(rate, fast);
    else if (SB(RETURN_TO) == TO_RAMP)
        SB(RETURN_TO) = TO_PEAK;
    if (SB(RETURN_TO) == TO_PEAK || SB(RETURN_TO) == TO_RAMP) {
        lower_peak(n, params, state, b);
        goal = SB(PEAK);
    }
    if (SB(RETURN_TO) == TO_RAMP)
        goal = LEAST(goal, SB(STRUCK));
    else if (SB(RETURN_TO) == TO_BASE)
        goal = PB(P_BASE);
    if (goal < SB(TARGET))
        rate = PB(P_FALL);
    SB(EVENTS) += EVENT_GUARDING_RELEASED;
    SB(LEFT) = begin_move(n, state, b, goal, rate, 0.0);
}

static void enter_paused(long n, const double *params, double *state, long b, long previous)
{
    SB(LEFT) = PB(P_CLOSE_AFTER_S);
    if (previous == PAUSED)
        return;
    if (previous == SLACK) {
        SB(PAUSED_IN) = IN_SLACK;
        SB(MODE) = FIXED;
        SB(FIXED_VELOCITY) = 0.0;
        return;
    }
    SB(PAUSED_IN) = SB(BASED) == 1.0 ? IN_CYCLES : IN_PRECONDITION;
    begin_move(n, state, b, LEAST(SB(TARGET), PB(P_BASE)), PB(P_FALL), 0.0);
}

static void begin_release(long n, double *state, long b)
{
    take_force(n, state, b);
    SB(MODE) = LET_OUT;
    place_move(n, state, b, SB(TARGET), -SB(TARGET), RELEASE_S);
    SB(LEFT) = RELEASE_S;
}

static void enter_fault(long n, double *state, long b)
{
    SB(PATIENT_STOP) = 0.0;
    if (AS_INT(LIVE) & FREE_AT_ONCE) {
        SB(MODE) = OFF;
        SB(POWER) = 0.0;
        SB(FREE) = 1.0;
        SB(LEFT) = POWER_CUT_S;
        hold_at(n, state, b, 0.0);
    } else if (AS_INT(LIVE) & BY_POSITION) {
        SB(MODE) = FIXED;
        SB(FIXED_VELOCITY) = -3.0;
        SB(POSITION_FLOOR) = SB(OWN_HOME);
        SB(LEFT) = 0.0;
        hold_at(n, state, b, 0.0);
    } else {
        begin_release(n, state, b);
    }
    SB(RELEASED) = 0.0;
}

static void end_release(long n, const double *params, double *state, long b)
{
    SB(RELEASED) = 1.0;
    SB(POWER) = 0.0;
    SB(ARMED) = 0.0;
    SB(MODE) = OFF;
    SB(LEFT) = PB(P_CLOSE_AFTER_S);
    hold_at(n, state, b, 0.0);
}

static void enter_idle(long n, double *state, long b)
{
    SB(SESSION) = 0.0;
    SB(POWER) = 0.0;
    SB(FREE) = 0.0;
    SB(HEAT_WANTED) = 0.0;
    SB(MODE) = OFF;
    SB(LEFT) = NEVER;
    SB(TRACTION) = 0.0;
    hold_at(n, state, b, 0.0);
}

static void apply_change(long n, double *params, double *state, long b)
{
    double ceiling = PB(P_CEILING);
    for (long index = 0; index < PARAMETER_COUNT; index++)
        if (index != P_SESSION)
            PB(index) = SB(CHANGED + index);
    SB(CHANGE_PENDING) = 0.0;
    if (SB(TARGET) > PB(P_PEAK)) {
        PB(P_CEILING) = ceiling > PB(P_CEILING) ? ceiling : PB(P_CEILING);
        SB(CHANGE_PENDING) = 1.0;
    }
}

static void set_marks(long n, double *state, long b, long phase)
{
    SB(PHASE) = phase;
    SB(PHASE_CLOCK) = 0.0;
    SB(REACH) = NEVER;
    SB(WATCHING) = IS_WATCHING[phase];
    SB(COUNTING) = IS_COUNTING[phase];
    SB(ARMED) = IS_ARMED[phase];
    SB(ATTENDED) = IS_ATTENDED[phase];
    SB(UNDERWAY) = IS_UNDERWAY[phase];
    SB(HEATED) = IS_HEATED[phase];
    SB(BEARING) = BEARS[phase];
    SB(FOLLOWING) = FOLLOWS[phase];
}

static void enter(long n, double *params, double *state, long b, long phase, long trigger)
{
    long previous = AS_INT(PHASE);
    if (previous == HOLD)
        SB(HOLD_LEFT) = MOST(SB(LEFT), 0.0);
    if (previous == REST)
        SB(REST_LEFT) = MOST(SB(LEFT), 0.0);
    if (SB(CHANGE_PENDING) == 1.0)
        apply_change(n, params, state, b);
    set_marks(n, state, b, phase);
    if (IS_WATCHING[phase] == 1.0 || phase == PAUSED)
        SB(MODE) = TRACK;
    switch (phase) {
    case IDLE:
        enter_idle(n, state, b);
        break;
    case SLACK:
        SB(MODE) = FIXED;
        SB(FIXED_VELOCITY) = PB(P_SLACK_SPEED);
        SB(POWER) = 1.0;
        SB(REACH) = PB(P_SLACK);
        SB(LEFT) = SLACK_LIMIT_S;
        hold_at(n, state, b, 0.0);
        break;
    case PRECONDITION:
        if (previous == SLACK) {
            SB(TARGET) = LEAST(MOST(SB(TENSION), 0.0), PB(P_BASE));
            SB(STEP) = 0.0;
            SB(BLANK) = SETTLE_S;
        }
        precondition_move(n, params, state, b);
        break;
    case RAMP:
        enter_ramp(n, params, state, b);
        break;
    case HOLD:
        lower_peak(n, params, state, b);
        begin_move(n, state, b, LEAST(SB(TARGET), SB(PEAK)), PB(P_FALL), 0.0);
        SB(LEFT) = SB(HOLD_LEFT);
        break;
    case RELEASE:
        SB(LEFT) = begin_move(n, state, b, PB(P_BASE), SB(TARGET) < PB(P_BASE) ? PB(P_RISE) : PB(P_FALL), 0.0);
        break;
    case REST:
        enter_rest(n, params, state, b, previous);
        break;
    case GUARDED:
        enter_guarded(n, params, state, b, previous);
        break;
    case REBUILD:
        enter_rebuild(n, params, state, b);
        break;
    case PAUSED:
        enter_paused(n, params, state, b, previous);
        break;
    case COOLDOWN:
        take_force(n, state, b);
        SB(MODE) = LET_OUT;
        SB(LEFT) = begin_move(n, state, b, 0.0, PB(P_FALL), PB(P_COOLDOWN_S));
        break;
    case STOPPED:
        begin_release(n, state, b);
        SB(RELEASED) = 0.0;
        SB(PATIENT_STOP) = trigger == ON_PATIENT_STOP ? 1.0 : 0.0;
        break;
    case FAULT:
        enter_fault(n, state, b);
        break;
    case DONE:
        end_release(n, params, state, b);
        break;
    default:
        break;
    }
}

/* --- deciding ------------------------------------------------------------------------------------------- */

static int64_t reason_for(long trigger, int remote, int64_t reason)
{
    switch (trigger) {
    case ON_STOP: return remote ? REASON_REMOTE_STOP : REASON_OPERATOR_STOP;
    case ON_PAUSE: return remote ? REASON_REMOTE_PAUSE : REASON_OPERATOR_PAUSE;
    case ON_PATIENT_STOP: return REASON_PATIENT_SWITCH;
    case ON_FAULT: return REASON_FAULT;
    case ON_MAINS_LOST: return REASON_MAINS_LOST;
    case ON_EXHAUSTED: return REASON_REPEATED_GUARDING;
    case ON_TIME_UP: return REASON_COMPLETED;
    case ON_RESUME_SLACK: case ON_RESUME_PRECONDITION: case ON_RESUME: return REASON_NONE;
    default: return reason;
    }
}

static int go(long n, double *params, double *state, long b, long trigger, int remote)
{
    long phase = AS_INT(PHASE), following = TRANSITIONS[phase][trigger];
    if (following < 0)
        return 0;
    if (following == phase && trigger == ON_STOP)
        return 1;
    int64_t reason = reason_for(trigger, remote, AS_INT(REASON));
    if (trigger == ON_EXPIRED && (phase == READY || phase == PAUSED))
        reason = REASON_ABANDONED;
    if (trigger == ON_EXHAUSTED)
        SB(LATCHED) = (double)(AS_INT(LATCHED) | REPEATED_GUARDING);
    SB(REASON) = (double)reason;
    enter(n, params, state, b, following, trigger);
    return 1;
}

static int guard(long n, double *params, double *state, long b)
{
    if (SB(GUARDINGS) + 1.0 >= PB(P_GUARDINGS_PER_SESSION)) {
        SB(GUARDINGS) += 1.0;
        SB(EVENTS) += EVENT_GUARDING_DETECTED;
        return go(n, params, state, b, ON_EXHAUSTED, 0);
    }
    return go(n, params, state, b, ON_GUARDING, 0);
}

static int heed_safety(long n, double *params, double *state, long b)
{
    int64_t live = AS_INT(LIVE), fresh = live & ~AS_INT(LIVE_SEEN);
    long phase = AS_INT(PHASE);
    if (SB(UNDERWAY) == 1.0)
        SB(LATCHED) = (double)(AS_INT(LATCHED) | (live & LATCHING));
    int again = phase == FAULT || (phase == STOPPED && SB(RELEASED) == 1.0);
    int64_t faults = again ? fresh & FAULTS_ANEW : live & FAULTS;
    if (faults != 0 && go(n, params, state, b, ON_FAULT, 0))
        return 1;
    if ((live & PATIENT) && go(n, params, state, b, ON_PATIENT_STOP, 0))
        return 1;
    if ((live & MAINS_LOST) && go(n, params, state, b, ON_MAINS_LOST, 0))
        return 1;
    return SB(DETECTED) == 1.0 && guard(n, params, state, b);
}

static void watch_switch_test(long n, double *state, long b, int32_t status)
{
    if (!(status & STATUS_SWITCH_CONNECTED)) {
        SB(SWITCH_TESTED) = 0.0;
        SB(TESTING) = 0.0;
        return;
    }
    if (SB(TESTING) == 0.0)
        return;
    if (status & STATUS_SWITCH_PRESSED) {
        SB(TEST_PRESSED) = 1.0;
    } else if (SB(TEST_PRESSED) == 1.0) {
        SB(TESTING) = 0.0;
        SB(SWITCH_TESTED) = 1.0;
        SB(EVENTS) += EVENT_SWITCH_TESTED;
    }
}

static void rest_state(long n, double *state, long b)
{
    SB(STIFFNESS) = 18.0;
    for (long window = 0; window < BANK; window++) {
        SB(BANK_REST + window) = REST_START;
        SB(BANK_MOTION + window) = MOTION_FLOOR;
    }
    SB(EFFORT_VARIANCE) = 1.0;
    SB(ERROR_VARIANCE) = 0.25;
    SB(PEAK_FACTOR) = 1.0;
    SB(LEFT) = NEVER;
    SB(REACH) = NEVER;
    SB(INVERSE) = 1.0;
}

static void load(long n, double *params, const double *staged, double *state, const int32_t *reading, long b)
{
    double ring_row = SB(RING_ROW);
    for (long index = 0; index < PARAMETER_COUNT; index++)
        PB(index) = staged[index * n + b];
    for (long index = 0; index < RESPONSE; index++)
        SB(index) = 0.0;
    for (long index = RING; index < STATE; index++)
        SB(index) = 0.0;
    SB(RING_ROW) = ring_row;
    fill_response(n, state, params, b);
    double force = RB(R_FORCE) * 0.1, position = RB(R_POSITION) * 0.01;
    SB(FORCE) = force;
    SB(OWN_FORCE) = force;
    SB(TENSION) = force;
    SB(NEAR_TENSION) = force;
    SB(POSITION) = position;
    SB(OWN_POSITION) = position;
    SB(OWN_HOME) = position;
    SB(STATUS) = RB(R_STATUS);
    double heard = RB(R_EFFORT) * 0.1;
    heard = heard < 0.0 ? 0.0 : heard;
    SB(EFFORT) = heard > EFFORT_MAX_UV ? EFFORT_MAX_UV : heard;
    SB(EFFORT_MEAN) = SB(EFFORT);
    rest_state(n, state, b);
    SB(SESSION) = PB(P_SESSION);
    SB(LEFT) = PB(P_CLOSE_AFTER_S);
    set_marks(n, state, b, READY);
    hold_at(n, state, b, 0.0);
}

static int64_t wrong_time(long n, double *state, long b)
{
    return SB(SESSION) == 0.0 ? REFUSAL_NO_SESSION : REFUSAL_PHASE;
}

static int64_t offer(long n, double *params, double *state, long b, long trigger, int remote)
{
    return go(n, params, state, b, trigger, remote) ? REFUSAL_NONE : wrong_time(n, state, b);
}

static int64_t order_start(long n, double *params, double *state, const int32_t *reading, long b)
{
    if (AS_INT(PHASE) == READY) {
        int32_t status = RB(R_STATUS);
        if (!(status & STATUS_SWITCH_CONNECTED))
            return REFUSAL_SWITCH_UNPLUGGED;
        if (SB(SWITCH_TESTED) == 0.0)
            return REFUSAL_SWITCH_UNTESTED;
        if (AS_INT(LIVE) & TILT_MISMATCH)
            return REFUSAL_TILT;
        if ((AS_INT(LIVE) & FORBIDS_START) || (status & STATUS_SWITCH_PRESSED))
            return REFUSAL_CONDITION;
        SB(OWN_HOME) = SB(OWN_POSITION);
        SB(TESTING) = 0.0;
    }
    return offer(n, params, state, b, ON_START, 0);
}

static int64_t order_test(long n, double *state, const int32_t *reading, long b)
{
    if (AS_INT(PHASE) != READY)
        return wrong_time(n, state, b);
    if (!(RB(R_STATUS) & STATUS_SWITCH_CONNECTED))
        return REFUSAL_SWITCH_UNPLUGGED;
    SB(TESTING) = 1.0;
    SB(TEST_PRESSED) = 0.0;
    SB(SWITCH_TESTED) = 0.0;
    return REFUSAL_NONE;
}

static int64_t order_resume(long n, double *params, double *state, long b)
{
    if (AS_INT(PHASE) == PAUSED && (AS_INT(LIVE) & FORBIDS_START))
        return REFUSAL_CONDITION;
    long trigger = ON_RESUME;
    if (SB(PAUSED_IN) == IN_SLACK)
        trigger = ON_RESUME_SLACK;
    else if (SB(PAUSED_IN) == IN_PRECONDITION)
        trigger = ON_RESUME_PRECONDITION;
    return offer(n, params, state, b, trigger, 0);
}

static int64_t order_change(long n, double *params, const double *staged, double *state, long b)
{
    long phase = AS_INT(PHASE);
    if (SB(SESSION) == 0.0)
        return REFUSAL_NO_SESSION;
    if (phase == COOLDOWN || phase == DONE || phase >= STOPPED)
        return REFUSAL_PHASE;
    for (long index = 0; index < PARAMETER_COUNT; index++)
        SB(CHANGED + index) = staged[index * n + b];
    SB(CHANGE_PENDING) = 1.0;
    if (phase == READY)
        apply_change(n, params, state, b);
    return REFUSAL_NONE;
}

static int64_t order_heat(long n, const double *params, double *state, long b, int wanted)
{
    if (wanted && SB(SESSION) == 0.0)
        return REFUSAL_NO_SESSION;
    if (wanted && PB(P_HEAT_ALLOWED) <= 0.0)
        return REFUSAL_HEAT;
    SB(HEAT_WANTED) = wanted ? 1.0 : 0.0;
    return REFUSAL_NONE;
}

static int64_t order(long n, double *params, const double *staged, double *state, const int32_t *reading, long b,
                     int32_t kind)
{
    long phase = AS_INT(PHASE);
    switch (kind) {
    case ACTION_LOAD:
        if (phase != IDLE)
            return REFUSAL_PHASE;
        if (SB(LATCHED) != 0.0 || (AS_INT(LIVE) & LOAD_CELL_FROZEN))
            return REFUSAL_CONDITION;
        load(n, params, staged, state, reading, b);
        return REFUSAL_NONE;
    case ACTION_TEST_SWITCH: return order_test(n, state, reading, b);
    case ACTION_START: return order_start(n, params, state, reading, b);
    case ACTION_PAUSE: return offer(n, params, state, b, ON_PAUSE, 0);
    case ACTION_REMOTE_PAUSE: return offer(n, params, state, b, ON_PAUSE, 1);
    case ACTION_RESUME: return order_resume(n, params, state, b);
    case ACTION_STOP: return offer(n, params, state, b, ON_STOP, 0);
    case ACTION_REMOTE_STOP: return offer(n, params, state, b, ON_STOP, 1);
    case ACTION_RESET:
        if (IS_HEATED[phase] == 1.0)
            return REFUSAL_PHASE;
        if (AS_INT(LIVE) & LOAD_CELL_FROZEN)
            return REFUSAL_CONDITION;
        SB(LATCHED) = (double)(AS_INT(LATCHED) & AS_INT(LIVE));
        return REFUSAL_NONE;
    case ACTION_CLOSE:
        if ((phase == STOPPED || phase == FAULT) && SB(RELEASED) == 0.0)
            return REFUSAL_CONDITION;
        return offer(n, params, state, b, ON_CLOSE, 0);
    case ACTION_CHANGE: return order_change(n, params, staged, state, b);
    case ACTION_HEAT_ON: return order_heat(n, params, state, b, 1);
    case ACTION_HEAT_OFF: return order_heat(n, params, state, b, 0);
    default: return REFUSAL_PHASE;
    }
}

static void mind_release(long n, double *params, double *state, long b)
{
    if (SB(RELEASED) == 1.0) {
        go(n, params, state, b, ON_EXPIRED, 0);
        return;
    }
    double clock = SB(PHASE_CLOCK);
    int slack = SB(TENSION) < RELEASED_N, home = SB(POSITION) <= SB(OWN_HOME), fixed = SB(MODE) == FIXED, over;
    if (SB(PATIENT_STOP) == 1.0)
        over = clock >= POWER_CUT_S;
    else if (fixed)
        over = home || clock >= GIVE_UP_S;
    else
        over = slack || SB(FREE) == 1.0 || clock >= GIVE_UP_S;
    SB(LEFT) = 0.0;
    if (!over)
        return;
    if (SB(PATIENT_STOP) == 1.0)
        SB(POWER) = 0.0;
    if (!(fixed ? home : slack)) {
        SB(POWER) = 0.0;
        SB(FREE) = 1.0;
    }
    end_release(n, params, state, b);
}

static void mind_clock(long n, double *params, double *state, long b)
{
    long phase = AS_INT(PHASE);
    if (SB(COUNTING) == 1.0 && SB(TRACTION) >= PB(P_TRACTION_S) && go(n, params, state, b, ON_TIME_UP, 0))
        return;
    if (phase == SLACK) {
        if (SB(TENSION) >= SB(REACH) && SB(FORCE) >= 0.5 * SB(REACH)) {
            go(n, params, state, b, ON_REACHED, 0);
        } else if (SB(LEFT) <= 0.0) {
            SB(LATCHED) = (double)(AS_INT(LATCHED) | LOAD_CELL_IMPLAUSIBLE);
            SB(LIVE) = (double)(AS_INT(LIVE) | LOAD_CELL_IMPLAUSIBLE);
            go(n, params, state, b, ON_FAULT, 0);
        }
        return;
    }
    if (phase == GUARDED && SB(PHASE_CLOCK) > PATIENCE_S) {
        go(n, params, state, b, ON_EXHAUSTED, 0);
        return;
    }
    if (SB(LEFT) > 0.0)
        return;
    if (phase == STOPPED || phase == FAULT) {
        mind_release(n, params, state, b);
    } else if (phase == PRECONDITION && SB(STEP) + 1.0 < precondition_moves(n, params, b)) {
        if (SB(CHANGE_PENDING) == 1.0)
            apply_change(n, params, state, b);
        SB(STEP) += 1.0;
        precondition_move(n, params, state, b);
    } else if (phase == REBUILD && SB(RETURN_TO) == TO_BASE) {
        go(n, params, state, b, ON_REACHED_REST, 0);
    } else if (phase == REBUILD && SB(RETURN_TO) == TO_PRECONDITION) {
        go(n, params, state, b, ON_REACHED_PRECONDITION, 0);
    } else if (phase == REBUILD && SB(RETURN_TO) == TO_RAMP) {
        go(n, params, state, b, ON_REACHED_RAMP, 0);
    } else if (phase == COOLDOWN) {
        if (SB(TENSION) < RELEASED_N || SB(LEFT) < -10.0)
            go(n, params, state, b, ON_REACHED, 0);
    } else if (phase == READY || phase == PAUSED || phase == DONE) {
        go(n, params, state, b, ON_EXPIRED, 0);
    } else {
        go(n, params, state, b, ON_REACHED, 0);
    }
}

static void decide(long n, double *params, const double *staged, double *state, const int32_t *reading,
                   const int32_t *action, long b)
{
    int left = heed_safety(n, params, state, b);
    if (action[b] != ACTION_NONE) {
        double before = SB(PHASE);
        int64_t refusal = order(n, params, staged, state, reading, b, action[b]);
        SB(TAKEN) = action[b];
        SB(REFUSAL) = (double)refusal;
        left = left || before != SB(PHASE);
    }
    watch_switch_test(n, state, b, RB(R_STATUS));
    if (!left)
        mind_clock(n, params, state, b);
    SB(LIVE_SEEN) = SB(LIVE);
    SB(STATUS) = RB(R_STATUS);
}
