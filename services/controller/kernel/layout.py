"""Where everything lies: the rows of every array the kernel reads and writes.

All arrays are struct-of-arrays, one row a quantity, one column a bed, so that each stage of a tick runs
along a row. Readings, commands and samples are int32 in the counts of the bed's edge: what is recorded is
exactly what the kernel saw, and a replay can be compared bit for bit.
"""

# --- phases: the session's states, in the order a session meets them -------------------------------------
PHASES = (
    "idle",
    "ready",
    "slack",
    "precondition",
    "ramp",
    "hold",
    "release",
    "rest",
    "guarded",
    "rebuild",
    "cooldown",
    "done",
    "paused",
    "stopped",
    "fault",
)
(
    IDLE,
    READY,
    SLACK,
    PRECONDITION,
    RAMP,
    HOLD,
    RELEASE,
    REST,
    GUARDED,
    REBUILD,
    COOLDOWN,
    DONE,
    PAUSED,
    STOPPED,
    FAULT,
) = range(15)

# --- reading: what the bed says, int32[READINGS, beds] ---------------------------------------------------
READINGS = (
    "force_dn",  # load cell, tenths of a newton
    "position_cmm",  # pull position, hundredths of a millimetre, + is traction
    "tilt_ddeg",  # pelvic support's measured tilt, tenths of a degree
    "heat_dc",  # heat pad temperature, tenths of a degree Celsius
    "age_ms",  # age of this reading, 0 when fresh
    "status",  # STATUS_* bits
    "effort_duv",  # surface EMG envelope over the paraspinal muscles, tenths of a microvolt; NO_EFFORT: none
)
R_FORCE, R_POSITION, R_TILT, R_HEAT, R_AGE, R_STATUS, R_EFFORT = range(len(READINGS))
NO_EFFORT = -1  # this bed has no electrodes; a recording without the column means the same
STATUS_SWITCH_CONNECTED = 1  # the patient switch is plugged in
STATUS_SWITCH_PRESSED = 2  # ... and pressed
STATUS_DRIVE_READY = 4  # the drive accepts set-points
STATUS_MAINS = 8  # mains present; without it the bed runs on its UPS
STATUS_FORCE_VALID = 16  # the load cell answers
STATUS_OTHER_MASTER = 32  # somebody else commands this bed, or tries to

# --- command: what the bed is told, int32[COMMANDS, beds] ------------------------------------------------
COMMANDS = (
    "velocity_ums",  # drive set-point, micrometres a second, + pulls
    "outputs",  # OUTPUT_* bits
)
C_VELOCITY, C_OUTPUTS = range(len(COMMANDS))
OUTPUT_POWER = 1  # drive power, from the start on; cut on a second channel 5 s after a patient stop
OUTPUT_HEAT = 2  # heat pad on
OUTPUT_SWITCH_TEST = 4  # "please press your switch" lamp
OUTPUT_FREE = 8  # mechanical release: let the tension out without the drive

# --- sample: one fixed-size record a bed and tick, int32[SAMPLES, beds]; readings and command verbatim ----
SAMPLES = (
    *READINGS,
    *COMMANDS,
    "target_mn",  # target tension, millinewtons
    "residual_mn",  # counter-tension estimate, millinewtons
    "peak_mn",  # the peak this cycle goes to
    "ceiling_mn",  # the envelope's ceiling now
    "phase",
    "cycle",  # counts from 1; 0 before the first
    "guardings",  # in this session so far
    "session_no",  # the gateway's own counter of sessions; 0 is none
    "remaining_ms",  # traction time still to come
    "conditions",  # CONDITION_* bits, latched ones stay until reset
    "events",  # EVENT_* bits, set for one tick
    "action",  # the operator action taken in this tick, ACTION_*
    "refusal",  # why it was refused, REFUSAL_*
    "reason",  # why the session ended or paused, REASON_*
    "late_us",  # how late the loop woke for this tick
    "link_us",  # how long the bed took to answer
)
(
    S_FORCE,
    S_POSITION,
    S_TILT,
    S_HEAT,
    S_AGE,
    S_STATUS,
    S_EFFORT,
    S_VELOCITY,
    S_OUTPUTS,
    S_TARGET,
    S_RESIDUAL,
    S_PEAK,
    S_CEILING,
    S_PHASE,
    S_CYCLE,
    S_GUARDINGS,
    S_SESSION,
    S_REMAINING,
    S_CONDITIONS,
    S_EVENTS,
    S_ACTION,
    S_REFUSAL,
    S_REASON,
    S_LATE,
    S_LINK,
) = range(len(SAMPLES))

# --- conditions: what alarms are made of; alarms/table.py adds priority, delay, text, hazard ----------------
CONDITIONS = (
    "over_force",
    "patient_switch",
    "switch_unplugged",
    "load_cell_lost",
    "load_cell_frozen",
    "load_cell_implausible",
    "actuator_stuck",
    "sudden_drop",
    "link_lost",
    "missed_deadline",
    "mains_lost",
    "repeated_guarding",
    "tilt_mismatch",
    "heat_over_temperature",
    "drive_not_ready",
    "other_master",
)
(
    OVER_FORCE,
    PATIENT_SWITCH,
    SWITCH_UNPLUGGED,
    LOAD_CELL_LOST,
    LOAD_CELL_FROZEN,
    LOAD_CELL_IMPLAUSIBLE,
    ACTUATOR_STUCK,
    SUDDEN_DROP,
    LINK_LOST,
    MISSED_DEADLINE,
    MAINS_LOST,
    REPEATED_GUARDING,
    TILT_MISMATCH,
    HEAT_OVER_TEMPERATURE,
    DRIVE_NOT_READY,
    OTHER_MASTER,
) = (1 << bit for bit in range(len(CONDITIONS)))

# --- events: one-tick marks, for the recorder --------------------------------------------------------------
EVENT_NAMES = ("guarding_detected", "guarding_released", "cycle_completed", "switch_tested")
EVENT_GUARDING_DETECTED, EVENT_GUARDING_RELEASED, EVENT_CYCLE_COMPLETED, EVENT_SWITCH_TESTED = 1, 2, 4, 8

# --- actions: at most one a bed and tick -------------------------------------------------------------------
ACTIONS = (
    "none",
    "load",  # patient confirmed, clearance valid: take the staged parameters, control state anew
    "test_switch",  # ask the patient to press the switch
    "start",
    "pause",
    "resume",
    "stop",
    "reset",  # operator has dealt with a stop or fault: clear latched conditions
    "close",  # leave ready, done, stopped or fault for idle: the session is over
    "change",  # take the staged parameters at the next phase boundary
    "heat_on",
    "heat_off",
    "remote_pause",
    "remote_stop",  # what the loop makes of pause and stop from the remote channel
)
(
    ACTION_NONE,
    ACTION_LOAD,
    ACTION_TEST_SWITCH,
    ACTION_START,
    ACTION_PAUSE,
    ACTION_RESUME,
    ACTION_STOP,
    ACTION_RESET,
    ACTION_CLOSE,
    ACTION_CHANGE,
    ACTION_HEAT_ON,
    ACTION_HEAT_OFF,
    ACTION_REMOTE_PAUSE,
    ACTION_REMOTE_STOP,
) = range(len(ACTIONS))
REMOTE_ACTIONS = (ACTION_PAUSE, ACTION_STOP)  # the loop takes no other from the remote channel

REFUSALS = (
    "none",
    "not_in_this_phase",
    "switch_not_tested",
    "switch_unplugged",
    "tilt_mismatch",
    "condition_active",
    "remote_not_permitted",
    "no_session",
    "heat_not_prescribed",
    "overtaken_by_stop",  # a stop arrived while it was queued; never in a sample, only in its outcome
    "too_late",  # it was queued for longer than an action may wait
)
(
    REFUSAL_NONE,
    REFUSAL_PHASE,
    REFUSAL_SWITCH_UNTESTED,
    REFUSAL_SWITCH_UNPLUGGED,
    REFUSAL_TILT,
    REFUSAL_CONDITION,
    REFUSAL_REMOTE,
    REFUSAL_NO_SESSION,
    REFUSAL_HEAT,
    REFUSAL_OVERTAKEN,
    REFUSAL_TOO_LATE,
) = range(len(REFUSALS))
LOOP_REFUSALS = (REFUSAL_REMOTE, REFUSAL_TOO_LATE)  # the loop's own: the kernel never sees such an action

REASONS = (
    "none",
    "completed",
    "operator_stop",
    "remote_stop",
    "patient_switch",
    "repeated_guarding",
    "fault",
    "operator_pause",
    "remote_pause",
    "mains_lost",
    "abandoned",
)
(
    REASON_NONE,
    REASON_COMPLETED,
    REASON_OPERATOR_STOP,
    REASON_REMOTE_STOP,
    REASON_PATIENT_SWITCH,
    REASON_REPEATED_GUARDING,
    REASON_FAULT,
    REASON_OPERATOR_PAUSE,
    REASON_REMOTE_PAUSE,
    REASON_MAINS_LOST,
    REASON_ABANDONED,
) = range(len(REASONS))

# --- parameters: one compiled prescription, float64[PARAMETERS, beds] --------------------------------------
PARAMETERS = (
    # what the clinician set (newtons, seconds, degrees), from parameters.compile_parameters
    "session_no",
    "base_n",
    "first_peak_n",
    "peak_n",  # peaks grow from first_peak_n to peak_n
    "peak_step_n",  # added each cycle
    "hold_s",
    "rest_s",
    "rise_n_s",
    "fall_n_s",
    "rebuild_n_s",
    "rebuild_fast_n_s",
    "precondition_s",
    "precondition_cycles",
    "traction_s",
    "cooldown_s",
    "slack_n",
    "slack_mm_s",  # take up slack to slack_n at slack_mm_s
    "tilt_deg",
    "tilt_tolerance_deg",
    "heat_allowed",  # seconds of heat prescribed; 0 is none
    "heat_ceiling_c",
    "body_weight_kg",
    # guarding's consequences
    "ease_min_n",
    "ease_fraction",
    "quiet_s",
    "guardings_per_cycle",
    "guarding_peak_factor",
    "guardings_per_session",
    # the envelope
    "ceiling_n",
    "drive_mm_s",
    "close_after_s",
    # derived from the period by tuning.tune(period_s): gains, windows, thresholds
    "period_s",
)
# One number a row, in the order above; kernel/tuning.py appends its own rows behind these.
(
    P_SESSION,
    P_BASE,
    P_FIRST_PEAK,
    P_PEAK,
    P_PEAK_STEP,
    P_HOLD_S,
    P_REST_S,
    P_RISE,
    P_FALL,
    P_REBUILD,
    P_REBUILD_FAST,
    P_PRECONDITION_S,
    P_PRECONDITION_CYCLES,
    P_TRACTION_S,
    P_COOLDOWN_S,
    P_SLACK,
    P_SLACK_SPEED,
    P_TILT,
    P_TILT_TOLERANCE,
    P_HEAT_ALLOWED,
    P_HEAT_CEILING,
    P_BODY_WEIGHT,
    P_EASE_MIN,
    P_EASE_FRACTION,
    P_QUIET_S,
    P_GUARDINGS_PER_CYCLE,
    P_GUARDING_PEAK_FACTOR,
    P_GUARDINGS_PER_SESSION,
    P_CEILING,
    P_DRIVE_SPEED,
    P_CLOSE_AFTER_S,
    P_PERIOD,
) = range(len(PARAMETERS))

KERNEL_VERSION = 4  # raised whenever the same inputs may give other commands
