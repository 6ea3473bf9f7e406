"""Many ticks of the loop without its clock: the same plant, the same step, in the same order.

The loop in loop.py waits, reads the bed, steps, writes the bed; here the bed is the plant and nothing waits.
"""

import numpy as np

from services.controller.kernel import layout, plant
from services.controller.kernel import state as at
from services.controller.kernel.compiled import scalar
from services.controller.kernel.step import step

TELL_ACTION, TELL_FAULTS = 0, 1
TRUTHS = (
    "tension_n",  # true tension, no noise
    "counter_n",  # counter-tension given, as at a blocked drive
    "left_s",  # the kernel's clock of its phase: while guarded, quiet still wanted before rebuilding
)
T_TENSION, T_COUNTER, T_LEFT = range(len(TRUTHS))


@scalar
def _over(phases):
    """Whether every session has ended, in phases int32[beds]."""
    for phase in phases:  # noqa: SIM110  (numba compiles a loop, not a generator in all())
        if phase not in (layout.DONE, layout.STOPPED, layout.FAULT):
            return False
    return True


@scalar
def tell(script, line, tick, action, faults):
    """Play what the script has from row ``line`` up to this tick; returns the first row still to come.

    Arrays as in rehearse. Written: action int32[beds], no action where none is told; faults, of told beds.
    """
    action[:] = layout.ACTION_NONE
    while line < script.shape[0] and script[line, 0] <= tick:
        if script[line, 2] == TELL_ACTION:
            action[script[line, 1]] = script[line, 3]
        else:
            faults[script[line, 1]] = script[line, 3]
        line += 1
    return line


@scalar
def rehearse(parameters, staged, state, beds, constants, random, library, entries, faults, tilt_deg, script,
             command, reading, sample, trace, truth, linger):  # fmt: skip
    """Run len(trace) ticks, or until every session is over and ``linger`` ticks more; returns the ticks run.

    The kernel's arrays as in step.step, the plant's as in plant.plant_step (``beds`` is its state). script
    int64[n, 4] rows of (tick, bed, TELL_ACTION or TELL_FAULTS, value) in the order of their ticks. Written:
    trace int32[ticks, SAMPLES, beds] and truth float32[ticks, TRUTHS, beds].
    """
    action, line, left = np.zeros(beds.shape[1], np.int32), 0, linger
    for tick in range(trace.shape[0]):
        line = tell(script, line, tick, action, faults)
        plant.plant_step(beds, constants, random, library, entries, faults, tilt_deg, command, reading)
        step(parameters, staged, state, reading, action, sample, command)
        trace[tick] = sample
        truth[tick, T_TENSION] = beds[plant.X_TENSION]
        truth[tick, T_COUNTER] = beds[plant.X_COUNTER]
        truth[tick, T_LEFT] = state[at.LEFT]
        if _over(sample[layout.S_PHASE]):
            left -= 1
            if left < 0:
                return tick + 1
    return trace.shape[0]
