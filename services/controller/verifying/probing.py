"""Short sessions made to meet one thing each: what a mutant is shown. As a module it prints what broke."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

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


@dataclass(frozen=True, slots=True)
class Probe:
    """Lines of (seconds, kind, value), rows of parameters and of the person set otherwise."""

    told: tuple[tuple[float, int, int], ...] = ()
    parameters: dict[int, float] = field(default_factory=dict)
    person: dict[int, float] = field(default_factory=dict)
    contracts: bool = False


def _fault(at_s: float, bits: int, lasting_s: float | None = None) -> tuple[tuple[float, int, int], ...]:
    begins = ((at_s, FAULTS, bits),)
    return begins if lasting_s is None else (*begins, (at_s + lasting_s, FAULTS, 0))


_STOP = ((HOLD_S, ACT, layout.ACTION_STOP),)
_STRONG = {
    layout.P_FIRST_PEAK: 460.0, layout.P_PEAK: 460.0, layout.P_CEILING: 520.0, layout.P_RISE: 90.0,
    layout.P_PRECONDITION_S: 0.0, layout.P_HOLD_S: 20.0,
}  # fmt: skip
PROBES: dict[str, Probe] = {
    "calm": Probe(),
    "stop": Probe(_STOP),
    "switch": Probe(_fault(HOLD_S, f.SWITCH_PRESSED, 1.0)),
    "wrong-target": Probe(parameters={layout.P_CEILING: 80.0}),
    "link-late": Probe(_fault(16.0, f.LINK_LATE)),
    "link-lost": Probe(_fault(HOLD_S, f.LINK_LOST)),
    "stuck-cell": Probe(_fault(HOLD_S, f.SENSOR_STUCK)),
    "lost-cell": Probe(_fault(HOLD_S, f.SENSOR_LOST)),
    "slip": Probe(_fault(HOLD_S, f.STRAP_SLIP, 1.0)),
    "slip-on-a-soft-harness": Probe(
        _fault(HOLD_S + 3.0, f.STRAP_SLIP, 0.06), _STRONG, {plant.K_HARNESS: 11.0, plant.K_SPINE: 300.0}
    ),
    "stuck-drive": Probe(_fault(16.0, f.DRIVE_STUCK)),
    "runaway": Probe(_fault(HOLD_S, f.DRIVE_RUNAWAY)),
    "runaway-stopped": Probe((*_STOP, *_fault(HOLD_S + 2.5, f.DRIVE_RUNAWAY | f.DRIVE_SLOW, 1.4))),
    "one-contraction": Probe(_fault(HOLD_S, f.CONTRACTS, 0.1), contracts=True),
    "mains": Probe(_fault(HOLD_S, f.MAINS_LOST)),
    "contraction": Probe(contracts=True),
    "short": Probe(parameters={layout.P_TRACTION_S: 12.0, layout.P_COOLDOWN_S: 5.0}),
}


def session(name: str) -> Session:
    """The probe's session; raises KeyError for a name that is none."""
    probe = PROBES[name]
    prescription = Prescription.parse(GIVEN)
    parameters = compile_parameters(prescription, PERIOD_S, 1)
    for row, value in probe.parameters.items():
        parameters[row] = value
    constants = simulated.calm(simulated.population(SEED, 1, PERIOD_S, prescription.body_weight_kg))[:, 0]
    for row, value in probe.person.items():
        constants[row] = value
    if probe.contracts:
        often = not any(kind == FAULTS for _, kind, _ in probe.told)
        constants[plant.K_GUARD_LATE], constants[plant.K_COUGH] = (1.0, 0.5) if often else (0.0, 0.0)
        constants[plant.K_FULL_PULL] = parameters[layout.P_BASE]
    lines = [(0.0, ACT, layout.ACTION_LOAD), (PERIOD_S, ACT, layout.ACTION_TEST_SWITCH),
             (START_S, ACT, layout.ACTION_START), *probe.told]  # fmt: skip
    script = np.full((LINES, 3), NEVER, dtype=np.int64)
    for row, (when, kind, value) in enumerate(lines):
        script[row] = round(when / PERIOD_S), kind, value
    allowed = given(parameters, LONGEST_S.get(name, SPAN_S), 6.0 if name == "wrong-target" else 0.5)
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
