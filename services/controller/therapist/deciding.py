"""What a therapist would do next at a bed, from what its panel says and what was seen before."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services.controller.scenarios import staging
from services.controller.therapist.made_up import invent

STAGGER_S = 2.0  # between the first patients of neighbouring beds
BREAK_S = (15.0, 45.0)
LOOKS_AFTER_S = {"stopped": 8.0, "fault": 12.0, "paused": 60.0, "done": 3.0}  # a person needs a moment
GIVES_UP_S = 60.0  # with a bed that does not get ready
AGAIN_S = 3.0  # after a refusal; twice as long after each further one
MOST_DOUBLINGS = 4
MENDED_S = 5.0  # a cause must have been gone for so long before a person believes it
RESETS_AGAIN_S = (15.0, 30.0, 60.0, 120.0, 300.0)  # after the first, second, ... reset that did not help
HARMLESS = frozenset({"tilt_mismatch"})  # goes when the next prescription's angle is set
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One request to the panel: the route's last part and its body."""

    action: str
    body: Json = field(default_factory=dict)


@dataclass(slots=True)
class Visit:
    """What the therapist remembers of a bed."""

    device: str
    index: int
    dice: random.Random
    sessions: int = 0
    next_patient_at: float = 0.0
    phase: str = ""
    phase_since: float = 0.0
    session: str | None = None
    pain_before: int = 5
    heated: bool = False
    not_before: float = 0.0
    refusals: int = 0  # one after the other
    stood_at: float = -math.inf  # when the cause of an alarm was last seen to stand
    reset_from: float = 0.0
    resets: int = 0  # that left something on
    answers: bool = True
    listed: list[Json] = field(default_factory=list)  # who is still to be treated at this bed today
    waits_s: float = 0.0  # for its first list, before anybody is made up
    waits_until: float | None = None
    play: staging.Play | None = None  # what a demo shows in this session

    def see(self, state: Json, now: float) -> None:
        """Notice a new phase or session, and what stands in the way."""
        if set(state["standing"]) - HARMLESS:
            self.stood_at = now
        if not latched(state):
            self.resets = 0
        if state["phase"] != self.phase:
            if state["phase"] == "idle":
                wait_s = self.dice.uniform(*BREAK_S) if self.phase else STAGGER_S * self.index
                self.next_patient_at = now + wait_s
            self.phase, self.phase_since, self.refusals = state["phase"], now, 0
        session = (state["session"] or {}).get("session")
        if session != self.session:
            self.session, self.heated = session, False

    def told(self, now: float, *, refused: bool) -> None:
        """What came of the last step: after a refusal the next one waits, ever longer."""
        if not refused:
            self.refusals = 0
            return
        self.not_before = now + AGAIN_S * 2 ** min(self.refusals, MOST_DOUBLINGS)
        self.refusals += 1


def latched(state: Json) -> set[str]:
    """The conditions that keep a patient off the bed."""
    return set(state["conditions"]) - HARMLESS


Clear = Callable[[UUID, str], str]


def decide(state: Json, visit: Visit, now: float, clear: Clear) -> Step | None:
    """What a therapist would do next at this bed; ``clear`` issues a clearance for a patient and region."""
    visit.see(state, now)
    if now < visit.not_before or not state["fresh"]:
        return None
    act = _IN_PHASE.get(state["phase"], _treating)
    return act(state, visit, now, clear)


def _idle(state: Json, visit: Visit, now: float, clear: Clear) -> Step | None:
    if latched(state):  # nobody is laid on a bed with an alarm
        return _reset(visit, now)
    if now < visit.next_patient_at:
        return None
    if unseen := _unseen(state):
        looked = now - visit.phase_since >= LOOKS_AFTER_S["fault"]
        return Step("acknowledge", {"occurrence": unseen[0]}) if looked else None
    if visit.listed:
        return _next_listed(visit)
    visit.waits_until = now + visit.waits_s if visit.waits_until is None else visit.waits_until
    if now < visit.waits_until:
        return None
    patient = UUID(int=visit.dice.getrandbits(128), version=4)
    prescription = invent(visit.dice, visit.index, visit.sessions)
    visit.pain_before = visit.dice.randint(3, 8)
    return Step(
        "confirm",
        {
            "patient": str(patient),
            "prescription": prescription,
            "clearance": clear(patient, prescription["region"]),
            "cure": str(UUID(int=visit.dice.getrandbits(128), version=4)),
            "appointment": str(UUID(int=visit.dice.getrandbits(128), version=4)),
            "pain_before": visit.pain_before,
        },
    )


def _unseen(state: Json) -> list[str]:
    """Occurrences of alarms that stay until somebody at the bed has seen them."""
    return [
        one["occurrence"]
        for one in state["alarms"]
        if one["latching"] == "until_acknowledged" and not one["seen_by"]
    ]


def _next_listed(visit: Visit) -> Step | None:
    """The first of the list who may be treated; while only others are listed the bed waits for them."""
    row = next((row for row in visit.listed if row["clear"]), None)
    if row is None:
        return None
    visit.pain_before = visit.dice.randint(3, 8)
    body = {"appointment": row["appointment"], "identity_asked": True, "pain_before": visit.pain_before}
    return Step("confirm-listed", body)


def _start(state: Json) -> Step:
    must_be_seen = (state.get("centre") or {}).get("must_be_seen", False)
    return Step("start", {"silence_seen": True} if must_be_seen else {})


def _ready(state: Json, visit: Visit, now: float, _clear: Clear) -> Step | None:
    if state.get("suspension"):
        return Step("close")
    switch = state["switch"]
    if not switch["tested"]:
        return None if switch["asking"] else Step("switch-test")
    wanted, tolerance = state["tilt_prescribed_deg"], state["tilt_tolerance_deg"]
    if wanted is not None and abs(state["tilt_deg"] - wanted) <= tolerance and not state["conditions"]:
        return _start(state)
    return Step("close") if now - visit.phase_since > GIVES_UP_S else None


def _treating(state: Json, visit: Visit, _now: float, _clear: Clear) -> Step | None:
    heat = state["heat"]
    if heat["allowed"] and not heat["on"] and not visit.heated and state["phase"] in ("precondition", "hold"):
        visit.heated = True
        return Step("heat", {"on": True})
    return None


def _paused(state: Json, visit: Visit, now: float, _clear: Clear) -> Step | None:
    if not _has_looked(visit, now):
        return None
    return Step("stop") if state.get("suspension") else Step("resume")


def _ended(state: Json, visit: Visit, now: float, _clear: Clear) -> Step | None:
    """Stopped, at fault or done: look, reset what was latched, ask for the pain, close."""
    if not _has_looked(visit, now):
        return None
    if state["phase"] != "done" and latched(state):
        step = _reset(visit, now)
        if step is not None:
            return step
    relief = visit.dice.randint(-1, 3) if state["phase"] == "done" else visit.dice.randint(-2, 1)
    return Step("close", {"pain_after": min(10, max(0, visit.pain_before - relief))})


def _reset(visit: Visit, now: float) -> Step | None:
    """A reset, when the causes are gone as far as the bed says; again only when a person would try again."""
    if now - visit.stood_at < MENDED_S or now < visit.reset_from:
        return None
    visit.reset_from = now + RESETS_AGAIN_S[min(visit.resets, len(RESETS_AGAIN_S) - 1)]
    visit.resets += 1
    return Step("reset")


def _has_looked(visit: Visit, now: float) -> bool:
    return now - visit.phase_since >= LOOKS_AFTER_S[visit.phase]


def still_to_treat(worklist: Json, device: str) -> list[Json]:
    """The appointments of this bed that have had no session yet, in the order of their times."""
    return [row for row in worklist["appointments"] if row["device"] == device and row["session"] is None]


_IN_PHASE = {
    "idle": _idle,
    "ready": _ready,
    "paused": _paused,
    "done": _ended,
    "stopped": _ended,
    "fault": _ended,
    "cooldown": lambda *_: None,
}
