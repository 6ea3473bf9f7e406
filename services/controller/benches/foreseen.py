"""What `bench guarding` holds our yielding against: force control alone, a locked drive, one that knew."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.controller.kernel import layout, plant
from services.controller.kernel import state as at
from services.controller.kernel.compiled import scalar
from services.controller.kernel.rehearse import tell
from services.controller.kernel.step import step

WAYS = ("force_control_only", "locked_drive", "clairvoyant")
FORCE_ONLY, LOCKED, CLAIRVOYANT = range(len(WAYS))
Floats = NDArray[np.float64]
Counts = NDArray[Any]


@scalar
def give_way(
    parameters: Floats, staged: Floats, state: Floats, beds: Floats, constants: Floats, random: Any,
    library: Floats, entries: Floats, faults: Any, tilt_deg: Floats, script: Counts, command: Counts,
    reading: Counts, sample: Counts, ticks: int, begin: Counts, way: int, tension: Any, target: Floats,
    phase: Floats,
) -> None:  # fmt: skip
    """Run the loop without its detector, each bed in a way of its own from its tick `begin` on.

    Arrays as in rehearse.rehearse. Kept from there: tension float32[n, beds], true; target (N) and phase
    float64[beds] at that tick. A clairvoyant drive yields at full speed down to the base;
    a locked one stands still, and keeps its power whatever alarm that raises.
    """
    action, line = np.zeros(beds.shape[1], np.int32), 0
    outputs = np.zeros(beds.shape[1], np.int32)
    for tick in range(ticks):
        line = tell(script, line, tick, action, faults)
        plant.plant_step(beds, constants, random, library, entries, faults, tilt_deg, command, reading)
        step(parameters, staged, state, reading, action, sample, command)
        for bed in range(beds.shape[1]):
            since = tick - begin[bed]
            if since == 0:
                target[bed], phase[bed] = state[at.TARGET, bed], state[at.PHASE, bed]
                outputs[bed] = command[layout.C_OUTPUTS, bed]
            if since >= 0 and way == LOCKED:
                command[layout.C_VELOCITY, bed] = 0
                command[layout.C_OUTPUTS, bed] = outputs[bed]
                state[at.SENT, bed] = 0.0
            if since >= 0 and way == CLAIRVOYANT:
                above = beds[plant.X_TENSION, bed] > staged[layout.P_BASE, bed]
                speed = -staged[layout.P_DRIVE_SPEED, bed] if above else 0.0
                command[layout.C_VELOCITY, bed] = round(1000.0 * speed)
                state[at.SENT, bed] = speed
            if 0 <= since < tension.shape[0]:
                tension[since, bed] = beds[plant.X_TENSION, bed]
