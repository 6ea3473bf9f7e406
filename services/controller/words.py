"""What the bedside says, in English and German: phases in a plain word, what was done, why it was refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.controller.kernel import layout

Sample = np.ndarray[tuple[int], np.dtype[np.int32]]


@dataclass(frozen=True, slots=True)
class Words:
    """One text in both languages."""

    en: str
    de: str

    def format(self, **values: object) -> "Words":
        """Both texts with the values filled in."""
        return Words(self.en.format(**values), self.de.format(**values))

    def as_json(self) -> dict[str, str]:
        """For the page."""
        return {"en": self.en, "de": self.de}


PHASE_WORDS: Final[dict[str, Words]] = {
    "idle": Words("free", "frei"),
    "ready": Words("ready", "bereit"),
    "slack": Words("taking up slack", "spannt den Gurt"),
    "precondition": Words("preparing", "bereitet vor"),
    "ramp": Words("pulling", "zieht"),
    "hold": Words("holding", "hält"),
    "release": Words("letting go", "lässt nach"),
    "rest": Words("resting", "ruht"),
    "guarded": Words("yields", "gibt nach"),
    "rebuild": Words("rebuilding slowly", "baut langsam auf"),
    "cooldown": Words("ending gently", "klingt aus"),
    "done": Words("done", "fertig"),
    "paused": Words("paused", "angehalten"),
    "stopped": Words("stopped", "gestoppt"),
    "fault": Words("fault", "Störung"),
}
YIELDING: Final = frozenset({"guarded"})


@dataclass(frozen=True, slots=True)
class Action:
    """An operator's action: the kernel's number for it, and what it did when it was taken."""

    number: int
    done: Words


ACTIONS: Final[dict[str, Action]] = {
    "confirm": Action(layout.ACTION_LOAD, Words("patient confirmed", "Patient bestätigt")),
    "switch-test": Action(
        layout.ACTION_TEST_SWITCH,
        Words("the patient is asked to press", "der Patient wird gebeten zu drücken"),
    ),
    "start": Action(layout.ACTION_START, Words("started", "gestartet")),
    "pause": Action(layout.ACTION_PAUSE, Words("paused", "angehalten")),
    "resume": Action(layout.ACTION_RESUME, Words("resumed", "fortgesetzt")),
    "stop": Action(layout.ACTION_STOP, Words("stopped", "gestoppt")),
    "reset": Action(layout.ACTION_RESET, Words("reset", "zurückgesetzt")),
    "close": Action(layout.ACTION_CLOSE, Words("closed", "abgeschlossen")),
    "change": Action(
        layout.ACTION_CHANGE,
        Words("changed from the next phase on", "geändert ab der nächsten Phase"),
    ),
    "heat-on": Action(layout.ACTION_HEAT_ON, Words("heat on", "Wärme ein")),
    "heat-off": Action(layout.ACTION_HEAT_OFF, Words("heat off", "Wärme aus")),
}

_IDLE: Final = ("confirm", "reset")
_TREATING: Final = ("pause", "stop", "change", "heat", "note", "pain")
_ENDED: Final = ("close", "note", "pain")
ACTIONS_IN: Final[dict[str, tuple[str, ...]]] = {  # what makes sense in a phase; the kernel has the last word
    "idle": _IDLE,
    "ready": ("switch-test", "start", "change", "close", "note", "pain"),
    **dict.fromkeys(
        ("slack", "precondition", "ramp", "hold", "release", "rest", "guarded", "rebuild"), _TREATING
    ),
    "cooldown": ("stop", "note", "pain"),
    "done": _ENDED,
    "paused": ("resume", "stop", "change", "heat", "note", "pain"),
    "stopped": ("reset", *_ENDED),
    "fault": ("stop", "reset", *_ENDED),
}

REFUSALS: Final[dict[int, Words]] = {
    layout.REFUSAL_PHASE: Words(
        "{action} is not possible: the bed is in phase {phase}",
        "{action} geht nicht: die Liege ist in Phase {phase}",
    ),
    layout.REFUSAL_SWITCH_UNTESTED: Words(
        "{action} is not possible: the patient switch has not been tested in this session; "
        "it is tested before each use",
        "{action} geht nicht: der Patiententaster wurde in dieser Sitzung nicht geprüft; er wird vor jedem "
        "Gebrauch geprüft",
    ),
    layout.REFUSAL_SWITCH_UNPLUGGED: Words(
        "{action} is not possible: the patient switch is not connected",
        "{action} geht nicht: der Patiententaster ist nicht eingesteckt",
    ),
    layout.REFUSAL_TILT: Words(
        "{action} is not possible: the support's tilt is {tilt:.1f} degrees, {wanted:.1f} are prescribed, "
        "{tolerance:.1f} off at most (docs/dosing.md)",
        "{action} geht nicht: die Stütze steht auf {tilt:.1f} Grad, verordnet sind {wanted:.1f}, höchstens "
        "{tolerance:.1f} daneben (docs/dosing.md)",
    ),
    layout.REFUSAL_CONDITION: Words(
        "{action} is not possible while this is on: {conditions}",
        "{action} geht nicht, solange dies ansteht: {conditions}",
    ),
    layout.REFUSAL_REMOTE: Words(
        "{action} is not possible from remote: only the bedside starts, resumes or raises",
        "{action} geht nicht aus der Ferne: nur an der Liege wird gestartet, fortgesetzt, gesteigert",
    ),
    layout.REFUSAL_NO_SESSION: Words(
        "{action} is not possible: no patient has been confirmed at this bed",
        "{action} geht nicht: an dieser Liege ist kein Patient bestätigt",
    ),
    layout.REFUSAL_HEAT: Words(
        "{action} is not possible: this prescription has no heat left (infrared heat is for the lumbar spine "
        "only, as long as heat_min says)",
        "{action} geht nicht: diese Verordnung hat keine Wärme mehr (Infrarotwärme nur an der "
        "Lendenwirbelsäule, so lange heat_min sagt)",
    ),
    layout.REFUSAL_OVERTAKEN: Words(
        "{action} was not done: a stop came after it",
        "{action} wurde nicht getan: danach kam ein Stopp",
    ),
    layout.REFUSAL_TOO_LATE: Words(
        "{action} was not done: it waited longer than 2 s for the control loop",
        "{action} wurde nicht getan: es wartete länger als 2 s auf die Regelung",
    ),
}

BY_ACTION: Final[dict[tuple[str, int], Words]] = {  # where the same refusal means something more exact
    ("close", layout.REFUSAL_CONDITION): Words(
        "close is not possible yet: the tension is being released, it is {tension:.0f} N",
        "close geht noch nicht: der Zug wird gelöst, er ist {tension:.0f} N",
    ),
    ("confirm", layout.REFUSAL_CONDITION): Words(
        "confirm is not possible: the bed has not been reset after {conditions}",
        "confirm geht nicht: die Liege wurde nicht zurückgesetzt nach {conditions}",
    ),
}


def reason(action: str, refusal: int, sample: Sample, parameters: Sequence[float]) -> Words:
    """The kernel's refusal (REFUSAL_*) in words, with the values of the bed's sample.

    ``parameters`` are those of the session on the bed, empty when there is none.
    """
    known = len(parameters) > layout.P_TILT_TOLERANCE
    bits = int(sample[layout.S_CONDITIONS])
    on = [name for index, name in enumerate(layout.CONDITIONS) if bits >> index & 1]
    if sample[layout.S_STATUS] & layout.STATUS_SWITCH_PRESSED:
        on.append("patient switch pressed")
    words = BY_ACTION.get((action, refusal)) or REFUSALS.get(refusal, REFUSALS[layout.REFUSAL_PHASE])
    return words.format(
        tension=int(sample[layout.S_FORCE]) / 10,
        action=action,
        phase=layout.PHASES[sample[layout.S_PHASE]],
        tilt=sample[layout.S_TILT] / 10,
        wanted=parameters[layout.P_TILT] if known else float("nan"),
        tolerance=parameters[layout.P_TILT_TOLERANCE] if known else float("nan"),
        conditions=", ".join(on) or "none",
    )
