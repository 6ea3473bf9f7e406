"""Short sessions made to meet one thing each: what a mutant is shown. As a module it prints what broke."""

import json
import sys
from collections.abc import Iterator

import numpy as np

from services.controller.beds import simulated
from services.controller.kernel import faults as f
from services.controller.kernel import layout, plant
from services.controller.parameters import compile_parameters
from services.controller.verifying import rows as r
from services.controller.verifying.drawing import LINES, NEVER, START_S, Session, given
from services.controller.verifying.running import Outcome, Slots
from services.kit.therapy.prescription import Prescription

PERIOD_S = 0.02
SEED = 3
ACT, FAULTS = 0, 1
SPAN_S = 33.0  # a probe is watched for so long, or until its session is over
LONGEST_S = {"short": 25.0}
GIVEN = {
    "region": "lumbar", "segment": "L4/5", "body_weight_kg": 80.0, "age_years": 46, "sex": "male",
    "session_number": 8, "peak_n": 110.0, "base_n": 40.0, "first_peak_n": 110.0, "progression_cycles": 1,
    "rise_n_s": 30.0, "fall_n_s": 40.0, "hold_s": 10.0, "rest_s": 10.0, "precondition_s": 10.0,
    "precondition_cycles": 0, "traction_min": 1.0,
}  # fmt: skip
HOLD_S = 24.0  # there every probe is in its first hold

# name: lines of (seconds, kind, value), rows of the parameters set otherwise, whether the person contracts
Probe = tuple[tuple[tuple[float, int, int], ...], dict[int, float], bool]
PROBES: dict[str, Probe] = {
    "calm": ((), {}, False),
    "stop": (((HOLD_S, ACT, layout.ACTION_STOP),), {}, False),
    "switch": (((HOLD_S, FAULTS, f.SWITCH_PRESSED), (HOLD_S + 1, FAULTS, 0)), {}, False),
    "wrong-target": ((), {layout.P_CEILING: 80.0}, False),
    "link-late": (((16.0, FAULTS, f.LINK_LATE),), {}, False),
    "link-lost": (((HOLD_S, FAULTS, f.LINK_LOST),), {}, False),
    "stuck-cell": (((HOLD_S, FAULTS, f.SENSOR_STUCK),), {}, False),
    "lost-cell": (((HOLD_S, FAULTS, f.SENSOR_LOST),), {}, False),
    "slip": (((HOLD_S, FAULTS, f.STRAP_SLIP), (HOLD_S + 1, FAULTS, 0)), {}, False),
    "stuck-drive": (((16.0, FAULTS, f.DRIVE_STUCK),), {}, False),
    "runaway": (((HOLD_S, FAULTS, f.DRIVE_RUNAWAY),), {}, False),
    "runaway-stopped": (
        (
            (HOLD_S, ACT, layout.ACTION_STOP),
            (HOLD_S + 2.5, FAULTS, f.DRIVE_RUNAWAY | f.DRIVE_SLOW),
            (HOLD_S + 3.9, FAULTS, 0),
        ),
        {},
        False,
    ),
    "one-contraction": (((HOLD_S, FAULTS, f.CONTRACTS), (HOLD_S + 0.1, FAULTS, 0)), {}, True),
    "mains": (((HOLD_S, FAULTS, f.MAINS_LOST),), {}, False),
    "contraction": ((), {}, True),
    "short": ((), {layout.P_TRACTION_S: 12.0, layout.P_COOLDOWN_S: 5.0}, False),
}


def session(name: str) -> Session:
    """The probe's session; raises KeyError for a name that is none."""
    told, changes, contracts = PROBES[name]
    prescription = Prescription.parse(GIVEN)
    parameters = compile_parameters(prescription, PERIOD_S, 1)
    for row, value in changes.items():
        parameters[row] = value
    constants = simulated.calm(simulated.population(SEED, 1, PERIOD_S, prescription.body_weight_kg))[:, 0]
    if contracts:
        often = not any(kind == FAULTS for _, kind, _ in told)
        constants[plant.K_GUARD_LATE], constants[plant.K_COUGH] = (1.0, 0.5) if often else (0.0, 0.0)
        constants[plant.K_FULL_PULL] = parameters[layout.P_BASE]
    lines = [(0.0, ACT, layout.ACTION_LOAD), (PERIOD_S, ACT, layout.ACTION_TEST_SWITCH),
             (START_S, ACT, layout.ACTION_START), *told]  # fmt: skip
    script = np.full((LINES, 3), NEVER, dtype=np.int64)
    for row, (when, kind, value) in enumerate(lines):
        script[row] = round(when / PERIOD_S), kind, value
    allowed = given(parameters, LONGEST_S.get(name, SPAN_S), 6.0 if layout.P_CEILING in changes else 0.5)
    return Session(
        0, PERIOD_S, prescription, parameters, parameters, allowed, allowed, constants,
        simulated.random_states(SEED, 1)[:, 0], script,
    )  # fmt: skip


def run(names: list[str]) -> Iterator[tuple[str, Outcome]]:
    """Run probes one by one."""
    for name in names:
        slots = Slots(1, PERIOD_S)
        slots.seat(0, session(name))
        slots.run(round(SPAN_S / PERIOD_S), 0)
        slots.monitor[r.M_BUSY, 0] = 0.0
        yield name, next(slots.over())[1]


def main(names: list[str]) -> None:
    """Print, as one JSON object, the ticks in which each probe broke an invariant."""
    sys.stdout.write(json.dumps({name: outcome.broken for name, outcome in run(names)}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
