"""What the planner is asked, and how its answers are shown."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from services.kit.language import Text
from services.scheduler.planner import alternatives as planner
from services.scheduler.planner.figures import figures_of
from services.scheduler.planner.greedy import first_fit
from services.scheduler.planner.place import place as place_exactly
from services.scheduler.planner.problem import (
    Effort,
    Placed,
    Plan,
    Problem,
    Reason,
    Refused,
    Request,
    Wishes,
)
from services.scheduler.planner.why import against

Row = dict[str, Any]
SOFT: Final = frozenset({"cadence-week", "pause", "latest", "earliest"})  # a hand may, the planner never does
MOST_NEAR: Final = 5
NEAR: Final[Text] = {"de": "In der Nähe", "en": "Near to it"}
__all__ = ["alternatives", "as_plan", "place", "places_near", "reasons_against", "shown_place"]


def place(whole: Problem, request: Request, effort: Effort) -> Plan | Refused:
    """The best series; on a machine too busy to find it in time, the first one that keeps every rule."""
    found = place_exactly(whole, request, effort)
    if isinstance(found, Plan) or found.proven or request.fixed:
        return found
    simple = first_fit(whole, request)
    keeps = isinstance(simple, Plan) and not against(whole, request, simple.appointments)
    return simple if keeps else found


def reasons_against(
    whole: Problem, request: Request, wanted: Sequence[Placed], *, by_hand: bool = False
) -> list[Reason]:
    """Every rule that these places break, beside what is fixed; by hand the soft ones may be broken."""
    found = against(whole, request, [*request.fixed, *wanted])
    return [reason for reason in found if not (by_hand and reason.id in SOFT)]


def as_plan(whole: Problem, request: Request, wanted: Sequence[Placed]) -> Plan:
    """A series that somebody chose, with its figures."""
    return Plan(tuple(wanted), figures_of(whole, request, [*request.fixed, *wanted]), proven=False)


def shown_place(one: Placed) -> Row:
    """One appointment of a plan as the API shows it, and takes it back."""
    return {
        "number": one.number, "starts_at": one.starts_at, "ends_at": one.ends_at, "device": one.device,
        "therapist": one.therapist,
    }  # fmt: skip


def alternatives(whole: Problem, request: Request) -> list[Row]:
    """Whole series that can be booked as they are, as near to the request as can be."""
    fixed = {one.number for one in request.fixed}
    return [
        {
            "id": found.id, "text_de": found.text["de"], "text_en": found.text["en"],
            "cadence": found.request.cadence.id, "earliest": found.request.earliest,
            "appointments": [shown_place(one) for one in found.plan.appointments if one.number not in fixed],
            "proven": found.plan.proven, "figures": asdict(found.plan.figures),
        }
        for found in planner.alternatives(whole, request)
    ]  # fmt: skip


def places_near(whole: Problem, request: Request, moving: UUID, wanted: Placed) -> list[Row]:
    """Where else one appointment of a cure could go, nearest first: each can be taken as it is.

    Where it stands already is no other place.
    """
    others = tuple(one for one in whole.booked if one.id != moving)
    zone = ZoneInfo(whole.sites[request.site].zone)
    today = whole.now.astimezone(zone).date()
    alone = replace(request, cure=None, fixed=(), wishes=Wishes(), earliest=today)
    near = planner.starts_near(replace(whole, booked=others), alone, wanted.starts_at, most=MOST_NEAR + 1)
    own = {(one.starts_at, one.device, one.therapist) for one in whole.booked if one.id == moving}
    here = [
        replace(one, number=wanted.number)
        for one in near
        if (one.starts_at, one.device, one.therapist) not in own
    ][:MOST_NEAR]
    return [
        {"id": "near", "text_de": NEAR["de"], "text_en": NEAR["en"], "appointments": [shown_place(one)]}
        for one in here
        if not reasons_against(whole, request, [one], by_hand=True)
    ]
