"""A patient under way on the first bed of a real loop, by its shared memory alone: as the panel would."""

from bedside_rig import NECK
from servers import eventually

from services.controller.kernel import layout
from services.controller.loop.shared import BEDSIDE
from services.controller.parameters import compile_parameters
from services.kit.therapy.prescription import Prescription

LONG = NECK | {"traction_min": 20.0}
TENSION_DN = 100  # tenths of a newton: more than slack


def treat(memory):
    """Confirm, test the switch, start; returns under tension."""
    parameters = compile_parameters(Prescription.parse(LONG), memory.period_ns / 1e9, 1)
    eventually(lambda: now(memory)[layout.S_AGE] < 100, 20, "a bed that answers")
    act(memory, layout.ACTION_RESET)
    assert act(memory, layout.ACTION_LOAD, parameters)
    eventually(lambda: act(memory, layout.ACTION_TEST_SWITCH), 20, "a switch test asked for")
    eventually(lambda: is_tested(memory), 30, "the switch tested")
    eventually(lambda: act(memory, layout.ACTION_START), 20, "a start")
    eventually(lambda: now(memory)[layout.S_FORCE] > TENSION_DN, 60, "tension")


def is_tested(memory):
    """Whether the patient has pressed the switch when asked."""
    events = memory.read(memory.oldest(), memory.head())[1][:, layout.S_EVENTS, 0]
    return (events & layout.EVENT_SWITCH_TESTED).any()


def act(memory, action, *parameters):
    """Whether the kernel took the action."""
    ticket = memory.post(BEDSIDE, 0, action, *parameters)
    return eventually(lambda: memory.outcome(BEDSIDE, 0, ticket), 10, "an answer").accepted


def now(memory):
    """The newest sample of the first bed."""
    return memory.read(memory.head() - 1, memory.head())[1][0, :, 0]
