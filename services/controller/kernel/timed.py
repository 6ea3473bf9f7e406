"""Compiled loops that the kernel's benchmark times: many ticks without returning to the interpreter."""

from services.controller.kernel.compiled import scalar
from services.controller.kernel.plant import plant_step
from services.controller.kernel.step import step


@scalar
def run(ticks, params, staged, state, readings, actions, sample, command):
    """Ticks over recorded readings int32[ticks, READINGS, beds] and actions int32[ticks, beds]."""
    for tick in range(ticks):
        step(params, staged, state, readings[tick], actions[tick], sample, command)


@scalar
def run_with_plant(
    ticks, params, staged, state, action, sample, command,
    beds, constants, random, library, entries, faults, tilt_deg, reading,
):  # fmt: skip
    """Ticks of controller and simulated beds in closed loop."""
    for _ in range(ticks):
        plant_step(beds, constants, random, library, entries, faults, tilt_deg, command, reading)
        step(params, staged, state, reading, action, sample, command)
