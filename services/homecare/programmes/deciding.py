"""What holds of a programme now: never more than was decided when it was set, less where less is allowed now.

A decision that became freer waits for a clinician, who sets the programme anew.
"""

from typing import Final

from services.homecare.exercises.library import library
from services.homecare.gates.deciding import decide
from services.homecare.gates.models import ORDER, stricter
from services.homecare.models import Caps, Decision, Judged, Reason, Wanted
from services.homecare.programmes.standing import Said

SCREENING: Final = "screening-"  # how the gates' reasons of screening begin


def asked(wanted: Wanted, said: Said) -> Wanted:
    """With the conditions that screening knows of this person, whether or not they were ticked here."""
    known = said.conditions & set(library().conditions)
    return wanted.model_copy(update={"conditions": wanted.conditions | known})


def judge(wanted: Wanted, said: Said) -> Decision:
    """What the gates say today."""
    return decide(asked(wanted, said), said.standing())


def in_force(wanted: Wanted, stored: Decision, said: Said) -> tuple[Decision, Reason | None]:
    """The stricter of then and now; and why screening has closed everything, where it has."""
    now = judge(wanted, said)
    spoken = next(one for one in now.reasons if one.rule.startswith(SCREENING))
    if said.is_closing:  # shown as suspended, not as refused: it may come back
        others = tuple(one for one in stored.reasons if not one.rule.startswith(SCREENING))
        return stored.model_copy(update={"reasons": (spoken, *others)}), spoken
    return _stricter(stored, now), None


def is_freer(decision: Decision, stored: Decision) -> bool:
    """Whether setting the programme anew would open more than is open now."""
    then = {one.exercise: one.verdict for one in stored.exercises}
    return any(
        ORDER.index(one.verdict) < ORDER.index(then.get(one.exercise, "refused"))
        for one in decision.exercises
    )


def _stricter(stored: Decision, now: Decision) -> Decision:
    new = {one.exercise: one for one in now.exercises}
    judged = tuple(_lesser(one, new[one.exercise]) for one in stored.exercises)
    return Decision(
        verdict=min((one.verdict for one in judged), key=ORDER.index),
        exercises=judged,
        caps=Caps(
            minutes_per_day=min(stored.caps.minutes_per_day, now.caps.minutes_per_day),
            minutes_per_week=min(stored.caps.minutes_per_week, now.caps.minutes_per_week),
            days_per_week=min(stored.caps.days_per_week, now.caps.days_per_week),
        ),
        reasons=_reasons(stored, now),
    )


def _lesser(one: Judged, other: Judged) -> Judged:
    ceiling = min(one.ceiling_level, other.ceiling_level)
    return one.model_copy(
        update={
            "verdict": stricter(one.verdict, other.verdict),
            "supervised_sessions": max(one.supervised_sessions, other.supervised_sessions),
            "start_level": min(one.start_level, other.start_level, ceiling),
            "ceiling_level": ceiling,
            "most_minutes_per_session": min(one.most_minutes_per_session, other.most_minutes_per_session),
            "most_minutes_per_day": min(one.most_minutes_per_day, other.most_minutes_per_day),
        }
    )


def _reasons(stored: Decision, now: Decision) -> tuple[Reason, ...]:
    """Today's, and before them those of then that hold more closed than today's would."""
    said = {(one.rule, one.exercise) for one in now.reasons}
    kept = [
        one for one in stored.reasons
        if (one.rule, one.exercise) not in said and one.verdict != "home"
    ]  # fmt: skip
    return (*kept, *now.reasons)
