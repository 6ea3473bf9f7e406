"""What `bench guarding` and `bench tracking` measure against: other detectors, and a PID of fixed gains.

All stand in the same loop with the same beds; the controller's own detector is kept from stopping, so that
each sees the tension under plain force control until it says something.
"""

import numpy as np

from services.controller.kernel import law, layout, plant, tuning
from services.controller.kernel import state as at
from services.controller.kernel.compiled import scalar
from services.controller.kernel.rehearse import tell
from services.controller.kernel.step import step

DETECTORS = ("error_threshold", "slope_threshold", "observer_cusum")
ERROR, SLOPE, CUSUM = range(len(DETECTORS))
SLOPE_S = 0.1  # the slope threshold's window
DRIFT = 0.5  # sigmas a sample that the cumulated sum forgives
BLOCK_S = 8.0  # stops nearer to each other count as one
NEVER = 1e9


def disable(parameters: np.ndarray) -> np.ndarray:
    """Keep the controller's own detector from ever stopping; in place."""
    parameters[tuning.P_THRESHOLD : tuning.P_THRESHOLD + tuning.BANK] = NEVER
    parameters[tuning.P_ERROR_LIMIT] = NEVER
    return parameters


@scalar
def judge(state, past, row, looked, beds, said):
    """What each rival says of this tick, in its own unit; nothing where nobody looks."""
    oldest = row + 1 if row + 1 < past.shape[0] else 0
    for bed in range(beds):
        error = state[at.FORCE, bed] - state[at.TARGET, bed]
        past[row, bed] = error
        looked[bed] = looked[bed] + 1 if state[at.LOOKING, bed] > 0.0 else 0
        seen = 1.0 if looked[bed] > past.shape[0] else 0.0
        said[ERROR, bed] = error * seen
        said[SLOPE, bed] = (error - past[oldest, bed]) / SLOPE_S * seen
        said[CUSUM, bed] = max(0.0, said[CUSUM, bed] + state[at.INNOVATION, bed] - DRIFT) * seen


@scalar
def watch(parameters, staged, state, beds, constants, random, library, entries, faults, tilt_deg, script,
          command, reading, sample, past, ticks, block, begin, locked, said, tension, phase,
          highest):  # fmt: skip
    """Run the loop under force control alone and write down what the rivals say.

    Arrays as in rehearse.rehearse; past float64[window + 1, beds]. begin int64[beds]: from this tick of each
    bed on, said float32[n, DETECTORS, beds], tension float32[n, beds] (true less the target at begin) and the
    phase at begin are kept; with ``locked`` the drive stands still from there. highest
    float32[blocks, DETECTORS, beds]: the greatest of each block of ``block`` ticks.
    """
    count = beds.shape[1]
    action, now = np.zeros(count, np.int32), np.zeros((len(DETECTORS), count))
    looked, aim = np.zeros(count, np.int64), np.zeros(count)
    line, row = 0, 0
    for tick in range(ticks):
        line = tell(script, line, tick, action, faults)
        plant.plant_step(beds, constants, random, library, entries, faults, tilt_deg, command, reading)
        step(parameters, staged, state, reading, action, sample, command)
        row = row + 1 if row + 1 < past.shape[0] else 0
        judge(state, past, row, looked, count, now)
        place = tick // block
        for bed in range(count):
            if place < highest.shape[0]:
                for index in range(len(DETECTORS)):
                    highest[place, index, bed] = max(highest[place, index, bed], now[index, bed])
            since = tick - begin[bed]
            if since == 0:
                aim[bed] = state[at.TARGET, bed]
                phase[bed] = int(state[at.PHASE, bed])
                if locked:
                    constants[plant.K_DRIVE_SPEED, bed] = 0.0
            if 0 <= since < said.shape[0]:
                tension[since, bed] = beds[plant.X_TENSION, bed] - aim[bed]
                for index in range(len(DETECTORS)):
                    said[since, index, bed] = now[index, bed]


@scalar
def track(parameters, staged, state, beds, constants, random, library, entries, faults, tilt_deg, script,
          command, reading, sample, gains, delay, trace, truth):  # fmt: skip
    """The loop with a PID of fixed gains (mm/s a N, a N s, and a N/s) in place of the force law.

    Its commands reach the drive ``delay`` ticks late. trace int32[ticks, SAMPLES, beds] and truth
    float32[ticks, 2, beds]: true tension, counter-tension.
    """
    count = beds.shape[1]
    action, summed = np.zeros(count, np.int32), np.zeros(count)
    under_way = np.zeros((delay + 1, count), np.int32)
    line = 0
    for tick in range(trace.shape[0]):
        line = tell(script, line, tick, action, faults)
        plant.plant_step(beds, constants, random, library, entries, faults, tilt_deg, command, reading)
        step(parameters, staged, state, reading, action, sample, command)
        for bed in range(count):
            tracking = state[at.MODE, bed] == law.TRACK and state[at.POWER, bed] > 0.0
            error = state[at.TARGET, bed] - state[at.FORCE, bed]
            limit = parameters[layout.P_DRIVE_SPEED, bed]
            share = summed[bed] + gains[1] * parameters[layout.P_PERIOD, bed] * error
            summed[bed] = min(max(share, -limit), limit) if tracking else 0.0
            told = command[layout.C_VELOCITY, bed]
            if tracking:
                rate = state[at.RATE, bed] - state[at.SLOPE, bed]
                wanted = gains[0] * error + summed[bed] + gains[2] * rate
                told = round(1000.0 * min(max(wanted, -limit), limit))
            under_way[tick % (delay + 1), bed] = told
            arrived = under_way[(tick + 1) % (delay + 1), bed]
            command[layout.C_VELOCITY, bed] = arrived
            state[at.SENT, bed] = 0.001 * arrived
        trace[tick] = sample
        truth[tick, 0] = beds[plant.X_TENSION]
        truth[tick, 1] = beds[plant.X_COUNTER]
