"""Rows of the arrays that a verification works on, one column a session: names first, numbers from them."""

from services.controller.kernel import layout

# --- what the prescription allows, float64[GIVEN, beds]; the same again for a changed one -------------------
GIVEN = ("base_n", "peak_n", "ceiling_n", "rise_n_s", "fast_n_s", "drive_mm_s", "heat_s", "heat_c",
         "longest_s", "over_n", "quiet_s")  # fmt: skip
(G_BASE, G_PEAK, G_CEILING, G_RISE, G_FAST, G_DRIVE, G_HEAT, G_HEAT_C, G_LONGEST,
 G_OVER, G_QUIET) = range(len(GIVEN))  # fmt: skip

# --- what the watcher remembers, float64[MEMORY, beds] -----------------------------------------------------
MEMORY = (
    "busy",  # 1 from the load on, 0 once the session is over and was watched for long enough
    "linger",  # ticks still watched after the end
    "started", "age_s", "phase", "changing",
    "moving", "armed", "pulled", "watched", "ended", "tripped",
    "target_n", "remaining_ms",
    "base_now_n",  # the base that has been reached: from there on it is kept
    "calm_s", "onset_ok", "spared_n", "best_mm", "best_speed", "drive_mm",
    "unable_s", "hindered_s", "misread_s",
    "since_stop_s", "lowest_n", "by_force",
    "slip_mm", "slip_n", "slip_up_mm",
    "same", "force_dn", "part_mm", "position_cmm", "commanded_mm_s", "heat_s", "smooth_n", "climbed_n",
    "patient_stop", "since_mains_s", "place_mm", "beyond", "give_up_s", "lied_s", "period_s", "disobeyed_s",
    "far_s", "weak_s", "yielding", "lag_mean", "stray_s", "astray_s", "gave_s", "failed", "lowest_bare_n",
    "eased_s", "rebuilt_s", "quiet_n", "excused_out",
)  # fmt: skip
(M_BUSY, M_LINGER, M_STARTED, M_AGE, M_PHASE, M_CHANGING, M_MOVING, M_ARMED, M_PULLED, M_WATCHED, M_ENDED,
 M_TRIPPED, M_TARGET, M_REMAINING, M_BASE_NOW, M_CALM, M_ONSET_OK, M_SPARED, M_BEST, M_BEST_SPEED,
 M_DRIVE, M_UNABLE, M_HINDERED, M_MISREAD, M_SINCE_STOP, M_LOWEST, M_BY_FORCE, M_SLIP, M_SLIP_N, M_SLIP_UP,
 M_SAME, M_FORCE, M_PART, M_POSITION, M_COMMANDED, M_HEAT, M_SMOOTH, M_CLIMBED, M_PATIENT_STOP,
 M_SINCE_MAINS, M_DRIVE_PLACE, M_BEYOND, M_GIVE_UP, M_LIED, M_PERIOD,
 M_DISOBEYED, M_FAR, M_WEAK, M_YIELDING, M_LAG_MEAN, M_STRAY, M_ASTRAY, M_GAVE, M_FAILED,
 M_LOWEST_BARE, M_EASED, M_REBUILT, M_QUIET, M_EXCUSED_OUT) = range(len(MEMORY))  # fmt: skip

# --- what may not happen in any tick -----------------------------------------------------------------------
INVARIANTS = {
    "ceiling_exceeded": "true tension above the ceiling + 0.5 N",
    "base_not_kept": "true tension below nine tenths of the base while the profile runs",
    "target_above_peak": "the target above the prescribed peak",
    "target_too_fast": "the target steeper than prescribed",
    "tension_too_fast": "tension, without muscle and breath, steeper than prescribed",
    "drive_too_fast": "the drive told to go faster than it may",
    "envelope_raised": "the command above what the law wanted",
    "pulled_above_ceiling": "pulling although the load cell reads more than the ceiling",
    "pulled_on_stale_reading": "pulling on a reading older than 30 ms, or from the future",
    "pulled_after_the_end": "pulling while idle, ready, in a cooldown, done, stopped or in fault",
    "stop_not_obeyed": "the operator's stop not obeyed in the tick that brings it",
    "switch_not_obeyed": "the patient's switch, pressed or unplugged, not obeyed in the same tick",
    "lost_cell_trusted": "no fault in the tick in which the load cell does not answer",
    "frozen_cell_trusted": "no fault after 12 identical readings with the drive in use",
    "lost_link_trusted": "no fault although no reading came for 100 ms and a period",
    "stuck_drive_trusted": "no fault although command and travel part by 4 mm",
    "mains_ignored": "treatment goes on without mains",
    "stop_too_slow": "tension left when a stop should be over",
    "power_not_cut": "power still on 5.2 s after a patient stop",
    "power_unwatched": "power on while idle, ready or done, where nobody compares command and travel",
    "let_out_too_far": "let out 25 N below the target of a cooldown or a stop, and nothing pushed or failed",
    "rise_after_trip": "tension rising again after a stop or fault",
    "tensioned_after_drop": "the drive pulls in what a slipped strap has given",
    "remaining_grew": "traction time still to come grew",
    "phase_off_the_table": "a phase followed by one that may not follow",
    "heat_beyond_limits": "the pad on beyond its time, its temperature or its phases",
    "never_ended": "the session did not end",
    "not_finite": "a number that is none",
}
INVARIANT_NAMES = tuple(INVARIANTS)
(I_CEILING, I_BASE, I_PEAK, I_TARGET_FAST, I_TENSION_FAST, I_DRIVE, I_RAISED, I_ABOVE, I_STALE, I_AFTER_END,
 I_STOP, I_SWITCH, I_LOST_CELL, I_FROZEN, I_LOST_LINK, I_STUCK, I_MAINS, I_SLOW_STOP, I_POWER, I_UNWATCHED,
 I_LET_OUT, I_RISE, I_DROP,
 I_REMAINING, I_TABLE, I_HEAT, I_ENDLESS, I_FINITE) = range(len(INVARIANTS))  # fmt: skip

# --- what physics excuses, and why -------------------------------------------------------------------------
EXCUSES = {
    "ceiling_beyond_drive": "a drive at full speed from the first trace on could not have kept the ceiling",
    "ceiling_misread": "what a drifting load cell keeps back is what is above the ceiling",
    "base_after_contraction": "the table yields, waits for quiet or begins to rebuild, and a part is left",
    "base_after_slip": "the strap has slipped",
    "base_without_drive": "the drive was stuck, or the link late, less than 1 s ago",
    "stop_without_drive": "the drive does not obey and is not yet let out mechanically, or the cell drifted",
}
EXCUSE_NAMES = tuple(EXCUSES)
(E_BEYOND, E_MISREAD, E_YIELDED, E_SLIPPED, E_UNABLE, E_STOP) = range(len(EXCUSES))

# --- phases, as the specification has them (docs/control.md), not as the kernel does ------------------------
MOVING = (
    "slack",
    "precondition",
    "ramp",
    "hold",
    "release",
    "rest",
    "guarded",
    "rebuild",
    "paused",
    "cooldown",
)
PULLED = ("ramp", "hold", "release", "rest", "guarded", "rebuild")
TREATED = ("slack", "precondition", *PULLED)
ENDED = ("idle", "ready", "cooldown", "done", "stopped", "fault")
TRIPPED = ("stopped", "fault")
MAY_FOLLOW = {
    "idle": ("ready",),
    "ready": ("slack", "stopped", "idle"),
    "slack": ("precondition",),
    "precondition": ("ramp", "guarded"),
    "ramp": ("hold", "guarded"),
    "hold": ("release", "guarded"),
    "release": ("rest", "guarded"),
    "rest": ("ramp", "guarded"),
    "guarded": ("rebuild",),
    "rebuild": ("hold", "rest", "precondition", "ramp", "guarded"),
    "paused": ("slack", "precondition", "ramp"),
    "cooldown": ("done",),
    "done": ("idle",),
    "stopped": ("fault", "idle"),
    "fault": ("idle",),
}
ALWAYS = dict.fromkeys(MOVING, ("cooldown", "paused", "stopped", "fault")) | {
    "cooldown": ("stopped", "fault")
}


def mark(names: tuple[str, ...]) -> list[float]:
    """1.0 for the phases named, 0.0 for the others, in the order of layout.PHASES."""
    return [1.0 if phase in names else 0.0 for phase in layout.PHASES]


def table() -> list[list[float]]:
    """1.0 where the column's phase may follow the row's; every phase may stay."""
    rows = []
    for phase in layout.PHASES:
        allowed = {phase, *MAY_FOLLOW[phase], *ALWAYS.get(phase, ())}
        rows.append([1.0 if name in allowed else 0.0 for name in layout.PHASES])
    return rows
