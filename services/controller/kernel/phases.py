"""The session's phase machine: one table, walked by a pure function and by its tests.

A row says: in these phases, on this trigger, go there. What is not in it does not happen. Safety triggers
are offered first in a tick, then the operator's action, then the clock's.
"""

import numpy as np

from services.controller.kernel import layout
from services.controller.kernel.compiled import scalar

TRIGGERS = (
    "load", "start", "close",
    "pause", "resume_slack", "resume_precondition", "resume",
    "stop", "patient_stop", "fault", "mains_lost",
    "guarding", "exhausted",                # the bank or the error limit; too many, or no end of it
    "reached",                              # the phase has done what it is for
    "reached_rest", "reached_precondition", "reached_ramp",     # ... a rebuild that goes back to these
    "time_up",                              # prescribed traction time is over
    "expired",                              # nobody came
)  # fmt: skip
(ON_LOAD, ON_START, ON_CLOSE, ON_PAUSE, ON_RESUME_SLACK, ON_RESUME_PRECONDITION, ON_RESUME, ON_STOP,
 ON_PATIENT_STOP, ON_FAULT, ON_MAINS_LOST, ON_GUARDING, ON_EXHAUSTED, ON_REACHED, ON_REACHED_REST,
 ON_REACHED_PRECONDITION, ON_REACHED_RAMP, ON_TIME_UP, ON_EXPIRED) = range(len(TRIGGERS))  # fmt: skip

PULLING = ("precondition", "ramp", "hold", "release", "rest", "rebuild")  # guarding is watched for
TREATING = (*PULLING, "guarded")  # traction time counts
TREATMENT = ("slack", *TREATING)
MOVING = (*TREATMENT, "paused", "cooldown")  # the drive may move
UNDERWAY = (*MOVING, "stopped", "fault")  # started and not yet over: conditions latch

TABLE = (
    (("idle",), "load", "ready"),
    (("ready",), "start", "slack"),
    (("ready", "done", "stopped", "fault"), "close", "idle"),
    (("ready", "done", "stopped", "fault"), "expired", "idle"),
    (("slack",), "reached", "precondition"),
    (("precondition",), "reached", "ramp"),
    (("ramp",), "reached", "hold"),
    (("hold",), "reached", "release"),
    (("release",), "reached", "rest"),
    (("rest",), "reached", "ramp"),
    (PULLING, "guarding", "guarded"),
    (("guarded",), "reached", "rebuild"),
    ((*PULLING, "guarded"), "exhausted", "cooldown"),
    (("rebuild",), "reached", "hold"),
    (("rebuild",), "reached_rest", "rest"),
    (("rebuild",), "reached_precondition", "precondition"),
    (("rebuild",), "reached_ramp", "ramp"),
    (TREATING, "time_up", "cooldown"),
    (TREATMENT, "pause", "paused"),
    (("paused",), "pause", "paused"),
    (("paused",), "resume_slack", "slack"),
    (("paused",), "resume_precondition", "precondition"),
    (("paused",), "resume", "ramp"),
    (("paused",), "expired", "cooldown"),
    ((*TREATMENT, "paused"), "mains_lost", "cooldown"),
    (("cooldown",), "reached", "done"),
    (("ready", *MOVING, "stopped"), "stop", "stopped"),
    (("done",), "stop", "done"),
    (("fault",), "stop", "fault"),
    (MOVING, "patient_stop", "stopped"),
    ((*MOVING, "stopped", "fault"), "fault", "fault"),
)

NONE = -1
_INDEX = {name: index for index, name in enumerate(layout.PHASES)}


def _compile_table() -> np.ndarray:
    """The table as int8[phases, triggers]; NONE where nothing happens."""
    table = np.full((len(layout.PHASES), len(TRIGGERS)), NONE, dtype=np.int8)
    for phases, trigger, following in TABLE:
        for phase in phases:
            table[_INDEX[phase], TRIGGERS.index(trigger)] = _INDEX[following]
    return table


def marks(phases: tuple[str, ...]) -> np.ndarray:
    """float64[PHASES]: 1 for the phases named, 0 for the others."""
    return np.array([1.0 if phase in phases else 0.0 for phase in layout.PHASES])


TRANSITIONS = _compile_table()
IS_WATCHING = marks(PULLING)
IS_COUNTING = marks(TREATING)
IS_ARMED = marks((*MOVING, "stopped", "fault"))
IS_UNDERWAY = marks(UNDERWAY)
IS_HEATED = marks(MOVING)
IS_ATTENDED = marks(("ready", *MOVING))  # the patient switch must be plugged in
FOLLOWS = marks((*PULLING, "paused", "cooldown"))  # tension should be near the target
BEARS = marks((*TREATING, "paused", "cooldown"))  # ... or eased below it, but there


@scalar
def next_phase(phase, trigger):
    """The phase that a trigger leads to, or -1 when the table has no such row."""
    return int(TRANSITIONS[phase, trigger])
