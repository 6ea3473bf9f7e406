"""The invariants, one small stage each over rows of sessions; nothing here comes from the kernel's envelope.

What is read: the bed's reading, the command, the sample the loop records, and the truth that only a
simulation knows. Units: N, mm, s. `broken` and `excused` get 1.0 where it is so in this tick.
"""

from services.controller.kernel import layout
from services.controller.kernel.compiled import stage
from services.controller.verifying.causes import EXCUSE_S

BASE_SHARE, BASE_N = 0.9, 4.0  # below both: a sigh moves a neck by more than a tenth of its base
SAG_N, SAG_SHARE = 45.0, 0.9  # less is left after a contraction: more than its stiffness is mistaken
PATIENCE_S = 30.0  # docs/control.md: guarding that does not end is given up
TAKE_UP_S = 0.5  # of the rebuild, which begins at base
WAIT_MORE_S, WAIT_ANEW = 0.5, 2.0  # beyond the quiet it waits for, which a deep breath begins anew
APPROACH_N = 30.0  # docs/control.md: below the ceiling 2 mm/s for so much room; no prescription leaves less
FRESH_MS, LOST_MS = 30.0, 100.0
SAME = 12.0  # identical readings: 0.056^12 by chance
PART_MM, PART_S = 4.0, 2.0
RELEASED_N = 20.0  # 8 N by the load cell, a sigh and its noise on top
STOP_S, STOP_UNABLE_S = 5.5, 36.0  # 4.5 s of ramp; 30 s until a release is given up, then the mechanical one
POWER_S = 5.2
RISE_N = 12.0
LET_OUT_N = 25.0  # a sigh is 17 N, and let out again before it is breathed out
SMOOTH_S, SETTLE_S = 0.3, 3.0
SLIP_MM, GIVEN_BACK_MM = 12.0, 12.5
PULLING = 0.002  # mm/s: counts of the command are micrometres a second
AFTER_S = 0.2  # a drive that went up by itself has come to rest
CATCH_UP_S = 1.0  # what a hindered drive could not follow it takes up: 8 /s, and 0.3 s of smoothing
FAR_N, FAR_S = 5.0, 0.3  # above the ceiling: more only until a drive that does not obey is let out
BACK_S = 0.3  # a cell that has drifted says the truth again: so long may the table need
DRIFT_N = 30.0  # the most that a drifting cell keeps back (kernel/equipment.py)
POWER, FREE, HEAT = layout.OUTPUT_POWER, layout.OUTPUT_FREE, layout.OUTPUT_HEAT
PRESSED, CONNECTED = layout.STATUS_SWITCH_PRESSED, layout.STATUS_SWITCH_CONNECTED
VALID, MAINS = layout.STATUS_FORCE_VALID, layout.STATUS_MAINS
STOPPED, FAULT, REBUILD, GUARDED = layout.STOPPED, layout.FAULT, layout.REBUILD, layout.GUARDED
PRECONDITION, SLACK = layout.PRECONDITION, layout.SLACK
DONE, IDLE, COOLDOWN, READY = layout.DONE, layout.IDLE, layout.COOLDOWN, layout.READY
STOP, REMOTE_STOP = layout.ACTION_STOP, layout.ACTION_REMOTE_STOP


@stage
def keep_ceiling(period, lied_s, tension, drift, ceiling, over_n, calm, disobeyed, onset_ok, spared, far_s,
                 broken, beyond, misread):  # fmt: skip
    """Never above the ceiling, but by what no drive could have yielded or what the load cell keeps back.

    A drive that does not obey excuses 5 N above it, and more for 0.3 s: by then it must be let out. Under a
    drift both count together: what is above the ceiling as far as the cell tells is held to the same drive.
    """
    for bed in range(period.shape[0]):
        limit = ceiling[bed] + over_n[bed]
        over = tension[bed] > limit
        apart = disobeyed[bed] < EXCUSE_S
        seen_n = tension[bed] - drift[bed]
        far = far_s[bed] + period[bed] if apart & (seen_n > limit + FAR_N) else 0.0
        far_s[bed] = far
        caused = (calm[bed] < EXCUSE_S) | apart
        caused = caused & (far <= FAR_S) & (onset_ok[bed] > 0.0)
        faster = over & caused & (seen_n - spared[bed] > limit)
        believed = (seen_n <= limit) & (lied_s[bed] <= 0.0)
        believed = believed | (
            (lied_s[bed] > 0.0) & (lied_s[bed] < BACK_S) & (tension[bed] <= limit + DRIFT_N)
        )
        lied = over & believed
        beyond[bed] = 1.0 if faster else 0.0
        misread[bed] = 1.0 if lied & (not faster) else 0.0
        broken[bed] = 1.0 if over & (not faster) & (not lied) else 0.0


@stage
def keep_base(period, quiet_s, pulled, phase, target_mn, tension, breath, base, ceiling, reached, calm,
              misread_s, slip_mm, weak_s, eased_s, rebuilt_s, broken, yielded, slipped, unable):  # fmt: skip
    """Once the target has reached it the base is kept while the profile runs.

    A table that has yielded may lack it until the quiet it waits for is over (once anew after a deep breath),
    and half a second from the rebuild's beginning on (one that goes back to base is sooner over than its
    tension there), longer where a ceiling within 30 N of the base slows that; but never 45 N or nine tenths
    of it, beside what breathing out takes. A noisy load cell is never quiet, nor does it tell what a
    contraction added: there the table waits until it gives up.
    """
    for bed in range(pulled.shape[0]):
        prescribed = base[bed]
        lower = min(prescribed, reached[bed])
        kept = prescribed if target_mn[bed] * 0.001 >= 0.95 * prescribed else lower
        reached[bed] = kept
        below = (tension[bed] < BASE_SHARE * kept) & (tension[bed] < kept - BASE_N) & (pulled[bed] > 0.0)
        contracts = calm[bed] < EXCUSE_S
        guarded = (phase[bed] == GUARDED) & (not contracts)
        waited = eased_s[bed] + period[bed] if below & guarded else 0.0
        eased_s[bed] = waited
        began = (phase[bed] == REBUILD) | ((rebuilt_s[bed] > 0.0) & (phase[bed] != GUARDED))
        rebuilds = began & (not contracts)
        taken = rebuilt_s[bed] + period[bed] if rebuilds else 0.0
        rebuilt_s[bed] = taken
        noisy = misread_s[bed] < waited + EXCUSE_S
        longest = PATIENCE_S if noisy else WAIT_ANEW * quiet_s[bed]
        waits = guarded & (waited <= longest + WAIT_MORE_S)
        room = max(ceiling[bed] - prescribed, 1.0)
        slowed = max(APPROACH_N / room, 1.0)
        eased = contracts | waits | (rebuilds & (taken <= TAKE_UP_S * slowed))
        left_n = tension[bed] - min(breath[bed], 0.0)
        left = noisy | ((left_n >= kept - SAG_N) & (left_n >= (1.0 - SAG_SHARE) * kept))
        eased = eased & left
        gone = slip_mm[bed] > 0.0
        weak = weak_s[bed] < EXCUSE_S
        yielded[bed] = 1.0 if below & eased else 0.0
        slipped[bed] = 1.0 if below & gone & (not eased) else 0.0
        unable[bed] = 1.0 if below & weak & (not eased) & (not gone) else 0.0
        broken[bed] = 1.0 if below & (not eased) & (not gone) & (not weak) else 0.0


@stage
def bound_target(period, watched, pulled, phase, target_mn, base, peak, rise, fast, before, too_high,
                 too_fast):  # fmt: skip
    """The target stays below the peak and climbs as prescribed at most, from one phase to the next, too.

    Only the first begins where the slack left the tension, below base.
    """
    for bed in range(period.shape[0]):
        target = target_mn[bed] * 0.001
        limit = max(fast[bed], rise[bed])
        limit = limit if phase[bed] == REBUILD else rise[bed]
        climb = (target - before[bed]) / period[bed]
        risen = climb > 0.001
        begins = (phase[bed] == PRECONDITION) & (before[bed] <= 0.0) & (target <= base[bed] + 0.01)
        before[bed] = target
        steep = (climb > 1.02 * limit + 0.2) & (watched[bed] > 0.0) & (not begins)
        too_fast[bed] = 1.0 if steep else 0.0
        too_high[bed] = 1.0 if risen & (target > peak[bed] + 0.01) & (pulled[bed] > 0.0) else 0.0


@stage
def bound_slew(period, watched, phase, target_mn, tension, drift, breath, base, reached, rise, fast, calm,
               hindered, misread, gave_s, smooth, climbed, broken):  # fmt: skip
    """What the drive makes of the tension, smoothed over 0.3 s, climbs at the prescribed rate, give or take.

    Give or take: half as much again and 15 N/s, for a spine that sticks and slides. A climb is one with what
    breathing in adds and without: friction may pass none of it on. What is below a base that was reached, or
    that a rebuild goes back to, as the load cell tells does not count: it is taken up at once. Not in the
    slack, within 3 s of a contraction or while the table yields to one, nor within 1 s of a drive that could
    not follow, a load cell that told nothing or a strap that slipped before base: there the loop catches up.
    """
    for bed in range(period.shape[0]):
        bare = tension[bed] - breath[bed]
        smooth[bed] = smooth[bed] + (bare - smooth[bed]) / SMOOTH_S * period[bed]
        limit = max(fast[bed], rise[bed])
        level = min(bare, tension[bed])
        pulls = (watched[bed] > 0.0) & (phase[bed] != GUARDED) & (phase[bed] != SLACK)
        taken_up = min(base[bed], target_mn[bed] * 0.001) if phase[bed] == REBUILD else 0.0
        floor = max(reached[bed], taken_up)
        usual = pulls & (calm[bed] > SETTLE_S) & (level - drift[bed] >= floor)
        slope = (level - climbed[bed]) / SMOOTH_S
        climbed[bed] = climbed[bed] + slope * period[bed] if usual else level
        steep = usual & (slope > 1.5 * limit + 15.0)
        follows = (hindered[bed] > CATCH_UP_S) & (misread[bed] > CATCH_UP_S)
        follows = follows & ((gave_s[bed] > CATCH_UP_S) | (reached[bed] > 0.0))
        broken[bed] = 1.0 if steep & follows else 0.0


@stage
def bound_command(velocity, outputs, wanted, force_dn, age_ms, armed, ended, ceiling, drive_mm_s, period,
                  too_fast, raised, above, stale, after_end):  # fmt: skip
    """What the drive is told: never more than the law wanted, and no pull where nothing may pull."""
    for bed in range(wanted.shape[0]):
        v = velocity[bed] * 0.001
        size = v if v > 0.0 else -v
        pulls = v > 0.0
        oldest = 1000.0 * period[bed]
        oldest = max(FRESH_MS, oldest)
        too_fast[bed] = 1.0 if size > drive_mm_s[bed] + PULLING else 0.0
        powered = outputs[bed] & POWER != 0
        raised[bed] = 1.0 if (v > wanted[bed] + PULLING) & (armed[bed] > 0.0) & powered else 0.0
        over = (0.1 * force_dn[bed] > ceiling[bed]) & (armed[bed] > 0.0)
        above[bed] = 1.0 if pulls & over else 0.0
        stale[bed] = 1.0 if pulls & ((age_ms[bed] > oldest) | (age_ms[bed] < 0)) else 0.0
        after_end[bed] = 1.0 if pulls & (ended[bed] > 0.0) else 0.0


@stage
def obey_people(status, action, moved, phase, velocity, stop, switch):
    """Stop and patient switch act in the tick that brings them: stopped or in fault, and nothing pulls."""
    for bed in range(moved.shape[0]):
        halted = ((phase[bed] == STOPPED) | (phase[bed] == FAULT)) & (velocity[bed] <= 0)
        told = (action[bed] == STOP) | (action[bed] == REMOTE_STOP)
        stop[bed] = 1.0 if told & (moved[bed] > 0.0) & (not halted) else 0.0
        pressed = (status[bed] & PRESSED != 0) | (status[bed] & CONNECTED == 0)
        switch[bed] = 1.0 if pressed & (moved[bed] > 0.0) & (not halted) else 0.0


@stage
def distrust(period, status, age_ms, force_dn, moved, moving, phase, same, last_dn, since_mains_s, lost_cell,
             frozen_cell, lost_link, mains):  # fmt: skip
    """A load cell that does not answer or repeats itself, a link that is silent, mains that are gone."""
    for bed in range(period.shape[0]):
        faulty = phase[bed] == FAULT
        valid = status[bed] & VALID != 0
        age = age_ms[bed]
        repeated = force_dn[bed] * 1.0 == last_dn[bed]
        last_dn[bed] = force_dn[bed] * 1.0
        count = same[bed] + 1.0 if age == 0 else same[bed]
        count = count if repeated & valid & (moving[bed] > 0.0) else 0.0
        same[bed] = count
        frozen_cell[bed] = 1.0 if (count >= SAME) & (not faulty) & (moving[bed] > 0.0) else 0.0
        lost_cell[bed] = 1.0 if (not valid) & (moved[bed] > 0.0) & (not faulty) else 0.0
        silent = (age < 0) | (age > LOST_MS + 1000.0 * period[bed])
        lost_link[bed] = 1.0 if silent & (moved[bed] > 0.0) & (not faulty) else 0.0
        without = (status[bed] & MAINS == 0) & (age == 0)
        since = since_mains_s[bed] + period[bed] if without else 0.0
        since_mains_s[bed] = since
        treated = (moving[bed] > 0.0) & (phase[bed] != COOLDOWN)
        mains[bed] = 1.0 if treated & (since > 1.5 * period[bed]) else 0.0


@stage
def compare_travel(period, position_cmm, age_ms, velocity, moving, outputs, phase, commanded, part, position,
                   broken):  # fmt: skip
    """Command and travel, forgotten over 2 s, may not part by 4 mm with the drive in use."""
    for bed in range(period.shape[0]):
        place = position_cmm[bed] * 0.01
        apart = part[bed] + commanded[bed] * period[bed] - (place - position[bed])
        apart = apart * (1.0 - period[bed] / PART_S)
        position[bed] = place
        powered = outputs[bed] & POWER != 0
        commanded[bed] = velocity[bed] * 0.001 if powered else 0.0
        used = (moving[bed] > 0.0) & powered & (age_ms[bed] == 0)
        apart = apart if used else 0.0
        part[bed] = apart
        size = apart if apart > 0.0 else -apart
        broken[bed] = 1.0 if (size > PART_MM) & (phase[bed] != FAULT) else 0.0


@stage
def end_stops(period, tripped, tension, counter, breath, outputs, since, lowest, lowest_bare, patient_stop,
              by_force, calm, disobeyed, astray, gave_s, lied_s, phase, slow, power, unwatched, rise,
              excused):  # fmt: skip
    """A stop gets to zero in its time, the patient's cuts the power, and nothing rises again.

    Rising is what does so with the breath taken off and without: a pelvis that friction holds passes none on.
    Nor is it one when a strap that slipped holds again, and what it let go springs back.
    """
    for bed in range(period.shape[0]):
        clock = since[bed] + period[bed] if tripped[bed] > 0.0 else 0.0
        since[bed] = clock
        quieted = tension[bed] - counter[bed]
        bare = quieted - breath[bed]
        tight = tension[bed] > RELEASED_N
        limit = STOP_S if by_force[bed] > 0.0 else STOP_UNABLE_S
        left = (clock > limit) & tight & (bare > RELEASED_N)
        cannot = (disobeyed[bed] < clock + EXCUSE_S) | (calm[bed] < EXCUSE_S)
        kept_back = (lied_s[bed] < clock + EXCUSE_S) & (bare <= RELEASED_N + DRIFT_N)
        waits = left & ((cannot & (clock < STOP_UNABLE_S)) | kept_back)
        excused[bed] = 1.0 if waits else 0.0
        slow[bed] = 1.0 if left & (not waits) else 0.0
        powered = outputs[bed] & POWER != 0
        power[bed] = 1.0 if powered & (clock > POWER_S) & (patient_stop[bed] > 0.0) else 0.0
        rests = (phase[bed] == IDLE) | (phase[bed] == READY) | (phase[bed] == DONE)
        unwatched[bed] = 1.0 if powered & rests else 0.0
        held = (clock > 0.0) & (calm[bed] > EXCUSE_S) & (astray[bed] > AFTER_S)  # nothing else pulled
        held = held & (gave_s[bed] > AFTER_S)
        lowest[bed] = min(quieted, lowest[bed]) if held else quieted
        lowest_bare[bed] = min(bare, lowest_bare[bed]) if held else bare
        risen = (quieted > lowest[bed] + RISE_N) & (bare > lowest_bare[bed] + RISE_N)
        rise[bed] = 1.0 if held & tight & risen else 0.0


@stage
def let_out_gently(period, phase, outputs, target_mn, tension, breath, calm, hindered, misread, lied_s,
                   gave_s, excused, broken):  # fmt: skip
    """A cooldown and a stop follow their target downwards: nothing is dropped on a person who keeps still.

    What a sigh makes the table pay out it does not pull in again; once something else has (a contraction, a
    drive, a strap or a load cell), it may be further below until the phase is over.
    """
    for bed in range(period.shape[0]):
        lets_out = (phase[bed] == COOLDOWN) | (phase[bed] == STOPPED)
        recent = min(calm[bed], hindered[bed], misread[bed], lied_s[bed], gave_s[bed])
        caused = (recent < EXCUSE_S) | (outputs[bed] & FREE != 0) | (outputs[bed] & POWER == 0)
        excused[bed] = 1.0 if lets_out & (caused | (excused[bed] > 0.0)) else 0.0
        level = max(tension[bed], tension[bed] - breath[bed])
        far = level < target_mn[bed] * 0.001 - LET_OUT_N
        broken[bed] = 1.0 if lets_out & far & (excused[bed] == 0.0) else 0.0


@stage
def leave_slipped(armed, base, slip_mm, smooth_n, drive_mm, astray, slip_before, slip_n, slip_up, place,
                  broken):  # fmt: skip
    """What a slipped strap has given is not pulled in again: at most half of it, until it is noticed.

    Pulled in is what the drive has gone up since from its lowest place; one that follows the breath up and
    down pulls nothing in, and what one that runs away pulls in nobody has told it to. A strap that slips
    before the base is reached is still being taken up.
    """
    for bed in range(armed.shape[0]):
        given = slip_mm[bed]
        slips = given > slip_before[bed] + 0.1
        fresh = slips & (slip_before[bed] <= 0.0)
        borne = smooth_n[bed] if smooth_n[bed] > BASE_SHARE * base[bed] else 0.0
        slip_n[bed] = borne if fresh else slip_n[bed]
        most = given if slips else slip_before[bed]  # fastened anew it may be, but not pulled in
        slip_before[bed] = most
        pulled = drive_mm[bed] - place[bed]
        place[bed] = drive_mm[bed]
        up = slip_up[bed] + pulled if (pulled <= 0.0) | (astray[bed] > AFTER_S) else slip_up[bed]
        total = max(0.0, up) if (most > SLIP_MM) & (not slips) else 0.0
        slip_up[bed] = total
        counts = (slip_n[bed] > 0.0) & (armed[bed] > 0.0)
        broken[bed] = 1.0 if counts & (total > GIVEN_BACK_MM) else 0.0


@stage
def bound_rest(period, busy, started, age_s, longest_s, remaining_ms, changing, before_ms, outputs, heat_dc,
               heat_c, allowed_s, moving, heat_s, grew, endless, heat):  # fmt: skip
    """The clock of the traction runs down, the session ends, the pad keeps to its limits."""
    for bed in range(period.shape[0]):
        left = remaining_ms[bed] * 1.0
        same = (started[bed] > 0.0) & (changing[bed] == 0.0) & (before_ms[bed] >= 0.0)
        grew[bed] = 1.0 if same & (left > before_ms[bed]) else 0.0
        before_ms[bed] = left
        age = age_s[bed] + period[bed] if started[bed] > 0.0 else 0.0
        age_s[bed] = age
        endless[bed] = 1.0 if age > longest_s[bed] else 0.0
        warm = outputs[bed] & HEAT != 0
        total = heat_s[bed] + period[bed] if warm else heat_s[bed]
        heat_s[bed] = total
        hot = heat_dc[bed] * 0.1 > heat_c[bed] + 1.0
        beyond = hot | (total > allowed_s[bed] + 1.0) | (moving[bed] == 0.0)
        heat[bed] = 1.0 if warm & beyond & (busy[bed] > 0.0) else 0.0


@stage
def tally(busy, tick, marks, counts, first):
    """Add one kind's marks of this tick to its counts, and remember the tick of the first."""
    for bed in range(busy.shape[0]):
        here = marks[bed] * busy[bed]
        counts[bed] = counts[bed] + here
        earliest = first[bed] if first[bed] >= 0.0 else tick[bed]
        first[bed] = earliest if here > 0.0 else first[bed]
