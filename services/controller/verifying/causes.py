"""What explains a breach: since when muscle, drive, link or load cell cause it, and what nobody could spare.

Rows of one value a session, as in invariants.py; the truth of it only a simulation knows. Units: N, mm, s.
"""

import numpy as np

from services.controller.kernel import layout
from services.controller.kernel.compiled import stage
from services.controller.kernel.faults import (
    DRIVE_RUNAWAY,
    DRIVE_STUCK,
    LATE_TICKS,
    LINK_LATE,
    SENSOR_DRIFT,
    SENSOR_NOISE,
    SENSOR_STUCK,
)

EXCUSE_S = 1.0  # a cause explains what the tension does for so long
CONTRACTING_N = 0.5
TRACE_N = 2.5  # five sigma of the load cell's noise: less of a contraction nobody can tell from it
SLIPS_MM = 0.1  # in a period
NOTICE_S = 1.0  # a drive that does not obey is noticed, and what it holds let out mechanically
DISOBEYS = DRIVE_STUCK | DRIVE_RUNAWAY
MISREADS = SENSOR_STUCK | SENSOR_NOISE  # a lost one is a fault at once, a drifting one tells slopes rightly
WEAK = DRIVE_STUCK | LINK_LATE
POWER, FREE = layout.OUTPUT_POWER, layout.OUTPUT_FREE


@stage
def regard_causes(
    period,
    fault,
    silent,
    wanted,
    limit,
    counter,
    slip_mm,
    slipped_mm,
    outputs_before,
    moving,
    calm,
    disobeyed,
    unable,
    stray,
    astray,
    gave,
    hindered,
    misread,
    lied,
    weak,
):
    """Seconds since a muscle pulled, the drive did not obey or was not reached, and each sort of fault.

    A drive without power under treatment obeys nobody because the kernel has taken it: no cause of anything.
    Astray is one that goes up and nobody tells it to now, for a second: by then it must be let out; hindered
    one that cannot do in time what it is told. Gave is the strap. All count from what the bed does, not from
    what is set.
    """
    for bed in range(period.shape[0]):
        dt, bits = period[bed], fault[bed]
        calm[bed] = 0.0 if counter[bed] > CONTRACTING_N else calm[bed] + dt
        told = np.int64(outputs_before[bed])
        unpowered = (told & POWER == 0) & (moving[bed] == 0.0)
        apart = (bits & DISOBEYS != 0) | unpowered | (told & FREE != 0)
        cannot = apart | (silent[bed] > 0.0)
        disobeyed[bed] = 0.0 if apart else disobeyed[bed] + dt
        unable[bed] = 0.0 if cannot else unable[bed] + dt
        by_itself = (wanted[bed] > 0.0) & (told & FREE == 0)
        by_itself = by_itself & ((bits & DRIVE_RUNAWAY != 0) | (silent[bed] > 0.0))
        lasts = stray[bed] + dt if by_itself else 0.0
        stray[bed] = lasts
        astray[bed] = 0.0 if by_itself & (lasts <= NOTICE_S) else astray[bed] + dt
        gave[bed] = 0.0 if slip_mm[bed] > slipped_mm[bed] + SLIPS_MM else gave[bed] + dt
        asked = wanted[bed] if wanted[bed] > 0.0 else -wanted[bed]
        short = (bits & DRIVE_STUCK != 0) | (asked > limit[bed]) | (silent[bed] > 0.0)
        hinders = short | by_itself | (bits & LATE_TICKS != 0)
        hindered[bed] = 0.0 if hinders else hindered[bed] + dt
        misread[bed] = 0.0 if bits & MISREADS else misread[bed] + dt
        lied[bed] = 0.0 if bits & SENSOR_DRIFT else lied[bed] + dt
        weak[bed] = 0.0 if bits & WEAK else weak[bed] + dt


@stage
def foresee(period, drive_mm, limit, lag_gain, lag_mean, harness, spine, counter, tension, drift, base,
            ceiling, over_n, calm, disobeyed, unable, onset_ok, failed, before_mm, best_mm, best_speed,
            quiet_n, yielding, spared):  # fmt: skip
    """Newtons that a clairvoyant drive would have spared: full speed from the tick after the first trace on.

    The first trace is five sigma at the load cell: what friction keeps from it nobody can know. A command
    acts one period after what it answers. Its lag is the real drive's, harness and prompt spine in series
    turn its way into newtons, it stops where the base would be lost, and where the drive cannot obey or is
    not reached neither can it. It begins anew 1 s after the cause; one that finds the tension above the
    ceiling already (onset_ok 0) is none, nor is a link that is late: nobody would yield for seconds to what
    is still to come. So it does, below the ceiling, where the drive ceases to obey: what was yielded to a
    contraction is not owed to that. Tension is what the load cell lets know: a clairvoyant sees what comes,
    not what a drifting cell keeps back.
    """
    for bed in range(period.shape[0]):
        here = drive_mm[bed]
        seen_n = tension[bed] - drift[bed]
        within = 1.0 if seen_n <= ceiling[bed] + over_n[bed] else 0.0
        fails = disobeyed[bed] <= 0.0
        anew = fails & (failed[bed] <= 0.0) & (within > 0.0)
        failed[bed] = 1.0 if fails else 0.0
        caused = (calm[bed] < EXCUSE_S) | (disobeyed[bed] < EXCUSE_S)
        moved = here - before_mm[bed]
        before_mm[bed] = here
        series = harness[bed] * spine[bed] / (harness[bed] + spine[bed])
        goes = (yielding[bed] > 0.0) & (unable[bed] > 0.0)
        lacks = best_speed[bed] + limit[bed]  # of its full speed
        change = period[bed] * (lag_mean[bed] * lacks - limit[bed]) if goes else moved
        goes_at = best_speed[bed] - lag_gain[bed] * lacks if goes else moved / period[bed]
        best_speed[bed] = moved / period[bed] if anew else goes_at
        quiet = quiet_n[bed] if caused else seen_n
        quiet_n[bed] = quiet
        shown = (counter[bed] > TRACE_N) & (seen_n > quiet + TRACE_N)
        seen = shown | (yielding[bed] > 0.0) | (disobeyed[bed] < EXCUSE_S)
        yielding[bed] = 1.0 if caused & seen else 0.0
        best = best_mm[bed] + change if caused else here
        best = here if anew else min(here, best)
        room = (seen_n - base[bed]) / series
        room = max(0.0, room)
        away = here - best
        away = min(room, away)
        best_mm[bed] = here - away
        spared[bed] = series * away
        onset_ok[bed] = onset_ok[bed] if caused & (not anew) else within
