"""Compiled rounds of a verification: tell, plant, step, check; no trace is kept."""

import numpy as np

from services.controller.kernel import layout, plant
from services.controller.kernel import state as at
from services.controller.kernel.compiled import scalar
from services.controller.kernel.step import step
from services.controller.verifying import causes
from services.controller.verifying import invariants as hold
from services.controller.verifying import rows as r

TELL_TICK, TELL_KIND, TELL_VALUE = range(3)  # columns of a line of the script
TELL_ACTION, TELL_FAULTS = 0, 1
LINGER_S = 12.0  # a stop is watched for so long after its release; anything else for 2 s
SHORT_LINGER_S = 2.0
ABOVE_ALL_N = 1e9  # the least tension since a stop, before the first is seen
MARKS = np.array([r.mark(r.MOVING), r.mark((*r.MOVING, *r.TRIPPED)), r.mark(r.PULLED), r.mark(r.TREATED),
                  r.mark(r.ENDED), r.mark(r.TRIPPED)])  # fmt: skip
MARK_ROWS = (r.M_MOVING, r.M_ARMED, r.M_PULLED, r.M_WATCHED, r.M_ENDED, r.M_TRIPPED)
MAY_FOLLOW = np.array(r.table())
NOT_BY_FORCE = (
    layout.LOAD_CELL_LOST | layout.LOAD_CELL_FROZEN | layout.LOAD_CELL_IMPLAUSIBLE | layout.LINK_LOST
    | layout.ACTUATOR_STUCK | layout.DRIVE_NOT_READY
)  # fmt: skip
ASKED, PENDING, TAKEN = 1.0, 2.0, 3.0  # a changed prescription: in this tick, waiting, in this tick taken
OVER = (layout.DONE, layout.STOPPED, layout.FAULT)


@scalar
def tell(script, line, clock, staged, changed, action, faults):
    """What each session's script has for this tick: at most one action, and the faults that stand."""
    for bed in range(clock.shape[0]):
        action[bed] = layout.ACTION_NONE
        while script[bed, line[bed], TELL_TICK] <= clock[bed]:
            value = script[bed, line[bed], TELL_VALUE]
            if script[bed, line[bed], TELL_KIND] == TELL_FAULTS:
                faults[bed] = value
            else:
                action[bed] = value
                if value == layout.ACTION_CHANGE:
                    staged[:, bed] = changed[:, bed]
            line[bed] += 1


@scalar
def allow_more(given, later, bed):
    """While a change waits for its phase, what either prescription allows is allowed."""
    given[r.G_BASE, bed] = min(given[r.G_BASE, bed], later[r.G_BASE, bed])
    for row in range(r.G_BASE + 1, given.shape[0]):
        given[row, bed] = max(given[row, bed], later[row, bed])


@scalar
def note_change(given, later, monitor, sample, bed):
    """A change of the prescription that was accepted: at once before the start, else with the next phase."""
    taken = sample[layout.S_ACTION, bed] == layout.ACTION_CHANGE
    if taken and sample[layout.S_REFUSAL, bed] == layout.REFUSAL_NONE:
        allow_more(given, later, bed)
        monitor[r.M_CHANGING, bed] = ASKED


@scalar
def enter(given, later, monitor, sample, bed, phase):
    """What a new phase means to the watcher."""
    monitor[r.M_PHASE, bed] = phase
    for row in range(len(MARK_ROWS)):
        monitor[MARK_ROWS[row], bed] = MARKS[row, phase]
    before_n = monitor[
        r.M_TARGET, bed
    ]  # of the tick before: a fault puts it to nothing with the tension still on
    if monitor[r.M_CHANGING, bed] == PENDING and before_n <= later[r.G_PEAK, bed] + 0.01:
        given[:, bed] = later[:, bed]
        monitor[r.M_CHANGING, bed] = TAKEN
    if phase == layout.SLACK:
        monitor[r.M_STARTED, bed] = 1.0
    if phase in (layout.STOPPED, layout.FAULT):
        monitor[r.M_SINCE_STOP, bed] = 0.0
        monitor[r.M_LOWEST, bed] = monitor[r.M_LOWEST_BARE, bed] = ABOVE_ALL_N
        conditions = sample[layout.S_CONDITIONS, bed]
        monitor[r.M_BY_FORCE, bed] = 0.0 if conditions & NOT_BY_FORCE else 1.0
        patient = sample[layout.S_REASON, bed] == layout.REASON_PATIENT_SWITCH and phase == layout.STOPPED
        monitor[r.M_PATIENT_STOP, bed] = 1.0 if patient else 0.0


@scalar
def follow_phases(given, later, monitor, sample, broken):
    """Keep the marks of every session's phase; say where one phase followed another that it may not."""
    for bed in range(broken.shape[1]):
        broken[r.I_TABLE, bed] = 0.0
        stays = monitor[r.M_PHASE, bed] == sample[layout.S_PHASE, bed]
        asks = sample[layout.S_ACTION, bed] == layout.ACTION_CHANGE
        # a call with five arrays costs 60 ns: only where there is something to follow
        if asks or not stays or monitor[r.M_CHANGING, bed] != 0.0:
            follow_phase(given, later, monitor, sample, broken, bed)


@scalar
def follow_phase(given, later, monitor, sample, broken, bed):
    """A session whose phase or prescription changes."""
    if monitor[r.M_CHANGING, bed] == TAKEN:
        monitor[r.M_CHANGING, bed] = 0.0
    note_change(given, later, monitor, sample, bed)
    phase = sample[layout.S_PHASE, bed]
    before = int(monitor[r.M_PHASE, bed])
    if phase != before:
        broken[r.I_TABLE, bed] = 1.0 - MAY_FOLLOW[before, phase]
        enter(given, later, monitor, sample, bed, phase)
    if monitor[r.M_CHANGING, bed] == ASKED:
        monitor[r.M_CHANGING, bed] = PENDING


@scalar
def check_tension(given, monitor, beds, constants, faults, before, lag_gain, sample, broken, excused):
    """The invariants of tension: ceiling, base, slew, stops, drops."""
    period, tension, counter = beds[plant.W_PERIOD], beds[plant.X_TENSION], beds[plant.X_COUNTER]
    causes.regard_causes(
        period, faults, beds[plant.W_SILENT], beds[plant.W_WANTED], beds[plant.W_LIMIT], counter,
        beds[plant.X_SLIP], monitor[r.M_SLIP], before, monitor[r.M_MOVING], monitor[r.M_CALM],
        monitor[r.M_DISOBEYED], monitor[r.M_UNABLE], monitor[r.M_STRAY], monitor[r.M_ASTRAY],
        monitor[r.M_GAVE], monitor[r.M_HINDERED], monitor[r.M_MISREAD], monitor[r.M_LIED],
        monitor[r.M_WEAK],
    )  # fmt: skip
    causes.foresee(
        period, beds[plant.X_DRIVE], beds[plant.W_LIMIT], lag_gain, monitor[r.M_LAG_MEAN],
        constants[plant.K_HARNESS], constants[plant.K_SPINE], counter, tension, beds[plant.X_DRIFT],
        given[r.G_BASE], given[r.G_CEILING], given[r.G_OVER], monitor[r.M_CALM], monitor[r.M_DISOBEYED],
        monitor[r.M_UNABLE], monitor[r.M_ONSET_OK], monitor[r.M_FAILED], monitor[r.M_DRIVE],
        monitor[r.M_BEST], monitor[r.M_BEST_SPEED], monitor[r.M_QUIET], monitor[r.M_YIELDING],
        monitor[r.M_SPARED],
    )  # fmt: skip
    hold.keep_ceiling(
        period, monitor[r.M_LIED], tension, beds[plant.X_DRIFT], given[r.G_CEILING], given[r.G_OVER],
        monitor[r.M_CALM], monitor[r.M_DISOBEYED], monitor[r.M_ONSET_OK], monitor[r.M_SPARED],
        monitor[r.M_FAR], broken[r.I_CEILING], excused[r.E_BEYOND], excused[r.E_MISREAD],
    )  # fmt: skip
    hold.keep_base(
        period, given[r.G_QUIET], monitor[r.M_PULLED], sample[layout.S_PHASE], sample[layout.S_TARGET],
        tension, beds[plant.X_BREATH], given[r.G_BASE], given[r.G_CEILING], monitor[r.M_BASE_NOW],
        monitor[r.M_CALM], monitor[r.M_MISREAD], beds[plant.X_SLIP], monitor[r.M_WEAK], monitor[r.M_EASED],
        monitor[r.M_REBUILT], broken[r.I_BASE], excused[r.E_YIELDED], excused[r.E_SLIPPED],
        excused[r.E_UNABLE],
    )  # fmt: skip
    hold.bound_slew(
        period, monitor[r.M_WATCHED], sample[layout.S_PHASE], sample[layout.S_TARGET], tension,
        beds[plant.X_DRIFT], beds[plant.X_BREATH], given[r.G_BASE], monitor[r.M_BASE_NOW], given[r.G_RISE],
        given[r.G_FAST], monitor[r.M_CALM], monitor[r.M_HINDERED], monitor[r.M_MISREAD], monitor[r.M_GAVE],
        monitor[r.M_SMOOTH], monitor[r.M_CLIMBED], broken[r.I_TENSION_FAST],
    )  # fmt: skip
    hold.end_stops(
        period, monitor[r.M_TRIPPED], tension, counter, beds[plant.X_BREATH], sample[layout.S_OUTPUTS],
        monitor[r.M_SINCE_STOP], monitor[r.M_LOWEST], monitor[r.M_LOWEST_BARE],
        monitor[r.M_PATIENT_STOP], monitor[r.M_BY_FORCE], monitor[r.M_CALM], monitor[r.M_DISOBEYED],
        monitor[r.M_ASTRAY], monitor[r.M_GAVE], monitor[r.M_LIED], sample[layout.S_PHASE],
        broken[r.I_SLOW_STOP], broken[r.I_POWER], broken[r.I_UNWATCHED], broken[r.I_RISE], excused[r.E_STOP],
    )  # fmt: skip
    hold.let_out_gently(
        period, sample[layout.S_PHASE], sample[layout.S_OUTPUTS], sample[layout.S_TARGET], tension,
        beds[plant.X_BREATH], monitor[r.M_CALM], monitor[r.M_HINDERED], monitor[r.M_MISREAD],
        monitor[r.M_LIED], monitor[r.M_GAVE], monitor[r.M_EXCUSED_OUT], broken[r.I_LET_OUT],
    )  # fmt: skip
    hold.leave_slipped(
        monitor[r.M_ARMED], given[r.G_BASE], beds[plant.X_SLIP], monitor[r.M_SMOOTH], beds[plant.X_DRIVE],
        monitor[r.M_ASTRAY], monitor[r.M_SLIP], monitor[r.M_SLIP_N], monitor[r.M_SLIP_UP],
        monitor[r.M_DRIVE_PLACE], broken[r.I_DROP],
    )  # fmt: skip


@scalar
def check_control(given, monitor, state, moved, action, period, reading, command, sample, broken):
    """The invariants of target, command, stops and trust in what the bed says."""
    hold.bound_target(
        period, monitor[r.M_WATCHED], monitor[r.M_PULLED], sample[layout.S_PHASE], sample[layout.S_TARGET],
        given[r.G_BASE], given[r.G_PEAK], given[r.G_RISE], given[r.G_FAST], monitor[r.M_TARGET],
        broken[r.I_PEAK], broken[r.I_TARGET_FAST],
    )  # fmt: skip
    hold.bound_command(
        command[layout.C_VELOCITY], command[layout.C_OUTPUTS], state[at.WANTED], reading[layout.R_FORCE],
        reading[layout.R_AGE], monitor[r.M_ARMED], monitor[r.M_ENDED], given[r.G_CEILING], given[r.G_DRIVE],
        period, broken[r.I_DRIVE], broken[r.I_RAISED], broken[r.I_ABOVE], broken[r.I_STALE],
        broken[r.I_AFTER_END],
    )  # fmt: skip
    hold.obey_people(
        reading[layout.R_STATUS], action, moved, sample[layout.S_PHASE], command[layout.C_VELOCITY],
        broken[r.I_STOP], broken[r.I_SWITCH],
    )  # fmt: skip
    hold.distrust(
        period, reading[layout.R_STATUS], reading[layout.R_AGE], reading[layout.R_FORCE], moved,
        monitor[r.M_MOVING], sample[layout.S_PHASE], monitor[r.M_SAME], monitor[r.M_FORCE],
        monitor[r.M_SINCE_MAINS], broken[r.I_LOST_CELL], broken[r.I_FROZEN], broken[r.I_LOST_LINK],
        broken[r.I_MAINS],
    )  # fmt: skip
    hold.compare_travel(
        period, reading[layout.R_POSITION], reading[layout.R_AGE], command[layout.C_VELOCITY],
        monitor[r.M_MOVING], sample[layout.S_OUTPUTS], sample[layout.S_PHASE], monitor[r.M_COMMANDED],
        monitor[r.M_PART], monitor[r.M_POSITION], broken[r.I_STUCK],
    )  # fmt: skip
    hold.bound_rest(
        period, monitor[r.M_BUSY], monitor[r.M_STARTED], monitor[r.M_AGE], given[r.G_LONGEST],
        sample[layout.S_REMAINING], monitor[r.M_CHANGING], monitor[r.M_REMAINING], sample[layout.S_OUTPUTS],
        reading[layout.R_HEAT], given[r.G_HEAT_C], given[r.G_HEAT], monitor[r.M_MOVING], monitor[r.M_HEAT],
        broken[r.I_REMAINING], broken[r.I_ENDLESS], broken[r.I_HEAT],
    )  # fmt: skip


@scalar
def any_bit(bits, row):
    """Whether any of a row of int64[rows, beds] is not zero."""
    seen = np.int64(0)
    for bed in range(bits.shape[1]):
        seen |= bits[row, bed]
    return seen != 0


@scalar
def add_up(monitor, clock, marks, counts, first):
    """Add this tick's marks float64[kinds, beds] of one sort; most kinds have none in most ticks."""
    bits = marks.view(np.int64)
    for row in range(marks.shape[0]):
        if any_bit(bits, row):
            hold.tally(monitor[r.M_BUSY], clock, marks[row], counts[row], first[row])


@scalar
def count(monitor, clock, broken, excused, counts, first, explained, explained_first, contractions):
    """Add this tick's marks; contractions counts each that no drive could have followed once."""
    add_up(monitor, clock, broken, counts, first)
    add_up(monitor, clock, excused, explained, explained_first)
    if not any_bit(excused.view(np.int64), r.E_BEYOND):
        return
    for bed in range(clock.shape[0]):
        if excused[r.E_BEYOND, bed] == 0.0 or monitor[r.M_BUSY, bed] == 0.0:
            continue
        if clock[bed] - monitor[r.M_BEYOND, bed] > causes.EXCUSE_S / monitor[r.M_PERIOD, bed]:
            contractions[bed] += 1
        monitor[r.M_BEYOND, bed] = clock[bed]


@scalar
def retire(monitor, sample, clock, period_s):
    """Stop watching the sessions that have been over for long enough; returns how many are still watched."""
    busy = 0
    for bed in range(clock.shape[0]):
        if monitor[r.M_BUSY, bed] == 0.0:
            continue
        clock[bed] += 1
        phase = sample[layout.S_PHASE, bed]
        over = phase in OVER or (phase == layout.IDLE and clock[bed] > 1)
        long_s = LINGER_S if phase in (layout.STOPPED, layout.FAULT) else SHORT_LINGER_S
        monitor[r.M_LINGER, bed] = monitor[r.M_LINGER, bed] + period_s if over else 0.0
        given_up = monitor[r.M_AGE, bed] > monitor[r.M_GIVE_UP, bed]
        if monitor[r.M_LINGER, bed] > long_s or given_up:
            monitor[r.M_BUSY, bed] = 0.0
        else:
            busy += 1
    return busy


@scalar
def watch(ticks, enough, params, staged, changed, state, beds, constants, random, library, entries, faults,
          tilt_deg, script, line, clock, given, later, monitor, lag_gain, command, reading, sample, action,
          moved, outputs, broken, excused, counts, first, explained, explained_first,
          contractions):  # fmt: skip
    """Run up to so many ticks, or until at most `enough` sessions are watched; returns the ticks run."""
    period_s = params[layout.P_PERIOD, 0]
    for tick in range(ticks):
        tell(script, line, clock, staged, changed, action, faults)
        plant.plant_step(beds, constants, random, library, entries, faults, tilt_deg, command, reading)
        moved[:] = monitor[r.M_MOVING]
        outputs[:] = beds[plant.X_HELD_OUTPUTS]
        step(params, staged, state, reading, action, sample, command)
        follow_phases(given, later, monitor, sample, broken)
        check_tension(given, monitor, beds, constants, faults, outputs, lag_gain, sample, broken, excused)
        check_control(
            given, monitor, state, moved, action, beds[plant.W_PERIOD], reading, command, sample, broken
        )
        count(monitor, clock, broken, excused, counts, first, explained, explained_first, contractions)
        if retire(monitor, sample, clock, period_s) <= enough:
            return tick + 1
    return ticks
