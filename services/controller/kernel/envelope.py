"""The safety envelope: its own view of the bed, and a limit on velocity that can only lower tension.

It shares no memory with the law: force, slope and travel are its own; target, base, ceiling are given to it.
Units: N, mm, s. What each condition means to the session is decided in phases.py and alarms/table.py.
"""

from services.controller.kernel import layout
from services.controller.kernel.compiled import stage

STALE_MS, LOST_MS = 30, 100  # older readings: no pulling; controlled release
LATE_S, LATE_LEAK = 0.4, 0.1  # readings stale for so long, a tenth of the time they are not taken off: lost
LATE_MORE_S = 0.2  # then added, so that a lost link does not come and go with every answer
BELATED_S = 0.05  # stale for so long: where travel and command part it is the link that kept them apart
RELEASE_MM_S = -3.0  # release by position only
CEILING_STIFFNESS = 30.0  # N/mm
APPROACH_PER_S, YIELD_PER_S = 2.0, 30.0  # below the ceiling, and above it: 1 mm/s a newton
AHEAD_S = 0.06  # the drive lags: what rises by its own slope meets the ceiling this much sooner
RISE_LIMIT_N_S = 80.0  # faster by its own slope: no pulling
IMPLAUSIBLE_N = 2000.0  # beyond the load cell's range
JUMP_N = 400.0  # between two readings: no tissue does that
REST_N, REST_S = 5.0, 1.0  # identical readings above it, for so long: frozen although nothing moves
FOUND = 1e12  # added to the count: a frozen cell stays one until its reading changes
OVER_N, OVER_S, FAR_OVER_N = 5.0, 0.5, 60.0
TRAVEL_MM = 2.0  # commanded and measured travel part by more: the drive is stuck
LED_S = 0.15  # drives with dead time are as far behind: 0.1 took one of 80 ms for one that runs away
LEAST_AHEAD_MM, AHEAD_KEPT_S = 0.4, 0.2  # up by more than anybody told it, of late: it runs away
AHEAD_SLACK_S = 0.05  # ... and by more than a late tick explains
DROP_N, DROP_FRACTION = 40.0, 0.35  # below the target by more than both: tension is missing
BARE_FRACTION, BARE_N = 0.5, 10.0  # below this share of base (or of a lower target of at least so much): bare
LOST_FRACTION, DROP_S = 0.7, 0.03  # no ending contraction explains this share of what is missing
LOADED_FRACTION = 0.9  # of base: below it the harness is soft, and its stiffness is not the one learnt
STAYED_S = 0.5  # explained or not, a strap that holds has its tension back by then
PAID_MM, WAITED_S = 0.5, 0.3  # what easing paid out is taken in first: so long is counted as waited by then
GONE_FRACTION = 0.4  # as LOST_FRACTION, while easing: some was missing before
GONE_N = 2.0  # four sigmas of the load cell: no tension at all
TORN_N, TORN_S = 60.0, 0.25  # lost so fast: of people and drives models do not lose a third of that

OVER_FORCE = float(layout.OVER_FORCE)
LOAD_CELL_LOST = float(layout.LOAD_CELL_LOST)
LOAD_CELL_FROZEN = float(layout.LOAD_CELL_FROZEN)
LOAD_CELL_IMPLAUSIBLE = float(layout.LOAD_CELL_IMPLAUSIBLE)
ACTUATOR_STUCK = float(layout.ACTUATOR_STUCK)
SUDDEN_DROP = float(layout.SUDDEN_DROP)
LINK_LOST = float(layout.LINK_LOST)
MAINS_LOST = float(layout.MAINS_LOST)
DRIVE_NOT_READY = float(layout.DRIVE_NOT_READY)
OTHER_MASTER = float(layout.OTHER_MASTER)
STATUS_DRIVE_READY, STATUS_MAINS = layout.STATUS_DRIVE_READY, layout.STATUS_MAINS
STATUS_FORCE_VALID, STATUS_OTHER_MASTER = layout.STATUS_FORCE_VALID, layout.STATUS_OTHER_MASTER
EASE, LET_OUT = 2.0, 4.0  # as in state.py


@stage
def watch_load_cell(force_dn, age_ms, status, period, armed, same_limit, slope_gain, ceiling,
                    own_force, own_slope, same, over_s, blind, live):  # fmt: skip
    """Conditions of the load cell and the ceiling, as a sum of condition bits in `live`.

    A frozen cell is found by identical readings: soon while the drive may move, after a second of clear
    tension at rest. Once found it is frozen until a reading differs, whatever the phase.
    """
    for bed in range(period.shape[0]):
        y = force_dn[bed] * 0.1
        change = y - own_force[bed]
        own_force[bed] = y
        fresh = 1.0 if age_ms[bed] == 0 else 0.0
        under = armed[bed]
        dt = max(0.001, period[bed])
        own_slope[bed] = own_slope[bed] + fresh * slope_gain[bed] * (change / dt - own_slope[bed])
        repeated = same[bed] + fresh if change == 0.0 else 1.0
        jump = change if change > 0.0 else -change
        size = y if y > 0.0 else -y
        lost = 0.0 if status[bed] & STATUS_FORCE_VALID else LOAD_CELL_LOST
        repeated = repeated if lost == 0.0 else 0.0
        lasting = 1.0 if (repeated * dt >= REST_S) & (size > REST_N) else 0.0
        stands = under if repeated >= same_limit[bed] else 0.0
        stands = 1.0 if (lasting > 0.0) | (repeated >= FOUND) else stands
        frozen = LOAD_CELL_FROZEN if stands > 0.0 else 0.0
        same[bed] = repeated + FOUND if (stands > 0.0) & (repeated < FOUND) else repeated
        wild = LOAD_CELL_IMPLAUSIBLE if size > IMPLAUSIBLE_N else 0.0
        wild = LOAD_CELL_IMPLAUSIBLE if jump * under > JUMP_N else wild
        wild = wild if lost == 0.0 else 0.0
        excess = y - ceiling[bed]
        over = over_s[bed] + dt if excess > OVER_N else 0.0
        over = over * under
        over_s[bed] = over
        high = OVER_FORCE if over > OVER_S else 0.0
        high = OVER_FORCE if excess * under > FAR_OVER_N else high
        blind[bed] = lost + frozen + wild
        live[bed] = lost + frozen + wild + high


@stage
def watch_tension(position_cmm, age_ms, status, period, armed, stiffness, base, bearing, following, mode,
                  counter_keep, lost_keep, own_force, target, own_position,
                  seen_force, countered, lost, torn, paid_mm, drop_s, live):  # fmt: skip
    """A sudden loss of tension, added to `live`: the strap has slipped.

    What the drive's travel does not explain is booked: a rise as counter-tension, a fall first against the
    counter-tension that is there and beyond it as lost. Tension that is missing with most of it lost is a
    fault at once, below the base, where the harness is soft, only if 40 N are gone to the last newton; where
    a contraction has ended that was eased, only if it does not come back. While the table eases nothing pulls
    it back: then it must be gone, unexplained, and waits for the rebuild otherwise. What is torn off, 60 N
    beyond everything booked within a quarter of a second, is a strap whatever share of the tension is left.
    While the table eases a contraction is not over, and what it has added is not forgotten; what the table
    has paid out then must first be taken in again before tension can be there. One that lets out, in a
    cool-down, eases too: nothing pulls there, whatever is missing.
    """
    for bed in range(period.shape[0]):
        y = own_force[bed]
        here = bearing[bed]
        eased = 1.0 if (mode[bed] == EASE) | (mode[bed] == LET_OUT) else 0.0
        travel = position_cmm[bed] * 0.01 - own_position[bed]
        paid = paid_mm[bed] - travel if (eased > 0.0) | (travel > 0.0) else paid_mm[bed]
        paid = max(paid, 0.0) * here
        paid_mm[bed] = paid
        wanted = target[bed]
        least = base[bed]
        least = min(least, wanted)
        low = y < BARE_FRACTION * least
        loose = low & (paid > 0.0) & (travel > 0.0)
        pulled = 0.0 if loose else stiffness[bed] * travel
        keep = 1.0 if eased > 0.0 else counter_keep[bed]
        counter = keep * countered[bed] + (y - seen_force[bed] - pulled)
        seen_force[bed] = y
        beyond = -counter if counter < 0.0 else 0.0
        counter = max(counter, 0.0) * here
        countered[bed] = counter
        gone_n = (lost_keep[bed] * lost[bed] + beyond) * here
        lost[bed] = gone_n
        torn_n = ((1.0 - period[bed] / TORN_S) * torn[bed] + beyond) * here
        torn[bed] = torn_n
        rent = 1.0 if torn_n - counter > TORN_N else 0.0  # a reading that comes back is counted
        margin = DROP_FRACTION * wanted
        margin = max(margin, DROP_N)
        slack = 1.0 if y < wanted - margin else 0.0
        slack = slack * following[bed]
        bare = here if low & (least >= BARE_N) else 0.0
        lasted = drop_s[bed] + period[bed] if slack + bare + rent > 0.0 else 0.0
        missing = wanted - y
        unexplained = 1.0 if gone_n > LOST_FRACTION * missing else 0.0
        gone = 1.0 if (gone_n > GONE_FRACTION * missing) & (y < GONE_N) else 0.0
        gone = max(gone, rent)
        lasted = lasted * gone if eased > 0.0 else lasted
        awaited = (paid > PAID_MM) & (eased == 0.0)
        lasted = min(lasted, WAITED_S) if awaited else lasted
        drop_s[bed] = lasted
        sudden = unexplained * (1.0 - eased) if lasted > DROP_S else 0.0
        loaded = wanted > LOADED_FRACTION * base[bed]
        loaded = loaded | ((slack > 0.0) & (y < GONE_N))
        sudden = sudden if loaded else 0.0
        sudden = max(sudden, rent) if lasted > DROP_S else 0.0
        stayed = 1.0 if lasted > STAYED_S else 0.0
        drop = SUDDEN_DROP if sudden + stayed > 0.0 else 0.0
        drop = drop if armed[bed] > 0.0 else 0.0
        drop = drop if status[bed] & STATUS_FORCE_VALID else 0.0
        age = age_ms[bed]
        live[bed] = live[bed] + (drop if (age >= 0) & (age <= LOST_MS) else 0.0)


@stage
def watch_drive(position_cmm, age_ms, status, period, armed, power, travel_keep, sent,
                own_position, travel_error, late_s, led, ahead, blind, live):  # fmt: skip
    """Conditions of drive, link and mains, added to `live`; an age below zero is no age.

    A link that answers, but again and again too late, is lost, too: nothing pulls on a stale reading, so that
    the travel falls behind the command, and it must not be told as a drive that is stuck. A drive that is
    ahead of its command is, late or not. One that goes up further than any command of late, fading
    in LED_S, explains runs away: no lag and no reversal of the command looks like that, so less is enough.
    """
    for bed in range(period.shape[0]):
        x = position_cmm[bed] * 0.01
        driven = armed[bed] * power[bed]
        error = travel_keep[bed] * (travel_error[bed] + sent[bed] * period[bed] - (x - own_position[bed]))
        error = error * driven
        moved = x - own_position[bed]
        own_position[bed] = x
        travel_error[bed] = error
        size = error if error > 0.0 else -error
        age = age_ms[bed]
        linked = 1.0 if (age >= 0) & (age <= LOST_MS) else 0.0
        late = late_s[bed] + period[bed] if age > STALE_MS else late_s[bed] - LATE_LEAK * period[bed]
        late = late + LATE_MORE_S if (late >= LATE_S) & (late_s[bed] < LATE_S) else late
        late = max(late, 0.0)
        late = min(late, LATE_S + LATE_MORE_S)
        late_s[bed] = late
        dt = period[bed]
        told = max(sent[bed], led[bed] * (1.0 - dt / LED_S))
        told = max(told, 0.0)
        led[bed] = told
        excess = ahead[bed] * (1.0 - dt / AHEAD_KEPT_S) + moved - told * dt
        excess = max(excess, 0.0) * driven
        excess = excess if (age == 0) & (late <= 0.0) else 0.0
        ahead[bed] = excess
        runs_away = excess > LEAST_AHEAD_MM + AHEAD_SLACK_S * told
        stuck = ACTUATOR_STUCK if (size > TRAVEL_MM) | runs_away else 0.0
        behind = 1.0 if (error > 0.0) & (late >= BELATED_S) else 0.0
        stuck = stuck * linked if behind == 0.0 else 0.0
        unready = 0.0 if status[bed] & STATUS_DRIVE_READY else DRIVE_NOT_READY
        unready = unready if driven * linked > 0.0 else 0.0
        link = 0.0 if (linked > 0.0) & (late < LATE_S) else LINK_LOST
        mains = 0.0 if status[bed] & STATUS_MAINS else MAINS_LOST
        foreign = OTHER_MASTER if status[bed] & STATUS_OTHER_MASTER else 0.0
        blind[bed] = blind[bed] + link
        live[bed] = live[bed] + (stuck + unready + link + mains + foreign)


@stage
def limit_velocity(age_ms, armed, drive_mm_s, ceiling, own_force, own_slope, blind, home, own_position,
                   wanted, velocity):  # fmt: skip
    """Lower the wanted velocity (mm/s) where the envelope demands it; never raise it, nor ask too much.

    Near the ceiling the approach is slowed; above it, or about to be, the table yields; nothing pulls while
    the reading is stale or tension rises faster than 80 N/s; without link or load cell it is released by
    position.
    """
    for bed in range(armed.shape[0]):
        v = wanted[bed]
        rise = max(own_slope[bed], 0.0)
        room = ceiling[bed] - own_force[bed] - AHEAD_S * rise
        gain = APPROACH_PER_S if room > 0.0 else YIELD_PER_S
        cap = gain * room / CEILING_STIFFNESS
        cap = 0.0 if (cap > 0.0) & (own_slope[bed] > RISE_LIMIT_N_S) else cap
        cap = 0.0 if (cap > 0.0) & (age_ms[bed] > STALE_MS) else cap
        release = RELEASE_MM_S if own_position[bed] > home[bed] else 0.0
        cap = release if blind[bed] > 0.0 else cap
        fastest = -drive_mm_s[bed]
        cap = max(cap, fastest)
        limited = min(v, cap)
        halted = min(v, 0.0)
        velocity[bed] = limited if armed[bed] > 0.0 else halted
