"""Scenarios at beds that run: what the simulated therapist of a demo does, and when.

What the files say of the patient, the prescription and the noise is left to the bed: only what happens is
played, in the bed's own session. A contraction or a cough is what the bed's person is told to do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.controller.scenarios.files import Scenario, files, load
from services.controller.therapist import rights
from services.kit.auth import tokens
from services.kit.errors import SpondylError

BESIDES: Final = 3  # one bed of so many plays, and only in every second session: the others treat in peace
TOLD_S: Final = 1.0  # a person is told to cough or to contract for so long: once
MENDED_S: Final = 20.0  # after which somebody mends a fault that the file lets stay
# Of the actions: what a bedside may do without saying more.
POSTED: Final[dict[str, dict[str, Any]]] = {"pause": {}, "resume": {}, "stop": {}}
Told = tuple[float, str, dict[str, Any]]


def library(directory: Path) -> list[Scenario]:
    """The scenarios that are for a demo, in the order of their names. Raises SpondylError."""
    found = [one for one in map(load, files(directory)) if one.demo is not None]
    if not found:
        raise SpondylError(f"no scenario for a demo in {directory}: they are JSON files with `demo` in them")
    return found


def in_turn(scenarios: Sequence[Scenario], index: int, sessions: int) -> Scenario | None:
    """What the bed of this index plays in its next session, ``sessions`` after its first; mostly nothing."""
    if not scenarios or index % BESIDES != 1 or sessions % 2:
        return None
    return scenarios[(index // BESIDES * BESIDES + sessions // 2) % len(scenarios)]


def steps(scenario: Scenario) -> list[Told]:
    """(seconds after the start, the panel's route, its body), in order; first what is shown, as a note."""
    given = scenario.given
    told: list[Told] = [(0.0, "note", {"text": f"Simulation: {scenario.demo_de} / {scenario.demo}"})]
    for fault in given.faults:
        told += _stands(fault.kind, fault.at_s, fault.for_s or MENDED_S)
    for cough in given.coughs:
        told += _stands("cough", cough.at_s, TOLD_S)
    for one in given.contractions:
        told += [
            row
            for n in range(one.times)
            for row in _stands("contraction", one.at_s + n * one.every_s, TOLD_S)
        ]
    told += [(one.at_s, one.do, POSTED[one.do]) for one in given.actions if one.do in POSTED]
    return sorted(told, key=lambda row: row[0])


def _stands(kind: str, at_s: float, for_s: float) -> list[Told]:
    return [
        (at_s + after_s, "fault", {"kind": kind, "clear": clear})
        for after_s, clear in ((0.0, False), (for_s, True))
    ]


@dataclass(slots=True)
class Play:
    """A scenario at one bed: what is still to be done, from the session's start on."""

    left: list[Told]
    started: float | None = None

    @classmethod
    def of(cls, scenario: Scenario) -> "Play":
        """All of it is still to come."""
        return cls(steps(scenario))

    def due(self, phase: str, now: float) -> tuple[str, dict[str, Any]] | None:
        """What is to be done now, one a look; what was set is taken away again, however the session ended."""
        if self.started is None:
            if phase in ("idle", "ready"):
                return None
            self.started = now
        if phase in ("idle", "ready", "done", "stopped", "fault"):
            self.left = [row for row in self.left if row[2].get("clear")]
        if not self.left or now - self.started < self.left[0][0]:
            return None
        _, route, body = self.left.pop(0)
        return route, body


@dataclass(frozen=True, slots=True)
class Stage:
    """What a demo shows at its beds, and with whose rights."""

    scenarios: list[Scenario]
    data: Path

    def of(self, index: int, sessions: int) -> Play | None:
        """What the session of this bed shows that was just confirmed; mostly nothing."""
        scenario = in_turn(self.scenarios, index, sessions)
        return Play.of(scenario) if scenario else None

    def authority(self, site: str) -> str:
        """A token with which a fault may be set: a therapist's own sign-in may not. Raises SpondylError.

        The one that was made for it where there is one, so that a container need not hold the access key.
        """
        made = rights.faults_path(self.data, site)
        if made.exists():
            return made.read_text(encoding="ascii").strip()
        return rights.faults_token(tokens.keys_of(self.data).private, site)
