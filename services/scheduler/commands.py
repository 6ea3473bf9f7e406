"""`spondyl plan`: what the planner proposes and why, of a running system or of a problem in a file."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from services.kit.errors import SpondylError
from services.kit.options import AsJson, Data

MOST_S = 120.0  # re-planning thinks for some tens of seconds at most

ProblemFile = Annotated[
    Path | None, typer.Option("--problem", help="A problem as JSON, instead of the running system.")
]
Site = Annotated[str, typer.Option(help="The site; not needed where the problem has only one.")]


def register(root: typer.Typer) -> None:
    """Add this room's commands."""
    plan = typer.Typer(help="Propose and explain appointments.", no_args_is_help=True, rich_markup_mode=None)
    plan.command("replan")(_replan)
    plan.command("why")(_why)
    root.add_typer(plan, name="plan")


def _replan(
    device: Annotated[str | None, typer.Option(help="The bed that fails.")] = None,
    therapist: Annotated[str | None, typer.Option(help="Who is ill: the therapist's id.")] = None,
    starts: Annotated[str, typer.Option("--from", help="From when: a date, or a time with a zone.")] = "",
    ends: Annotated[str, typer.Option("--to", help="Until when; a date is meant to its end.")] = "",
    site: Site = "",
    problem: ProblemFile = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Where everything would go that a failure hits, with the fewest patients moved; applies nothing."""
    from services.scheduler import asking

    if (device is None) == (therapist is None):
        raise SpondylError("name what is out: --device or --therapist, one of them")
    person = None if therapist is None else _id(therapist, "--therapist")
    ask = asking.of_file(problem) if problem is not None else asking.of_system(data, MOST_S)
    result = ask.replan(site, device, person, starts, ends)
    print(json.dumps(result) if as_json else replan_words(result))


def replan_words(result: dict[str, Any]) -> str:
    """The proposal in a line an appointment."""
    proven = "proven least" if result["proven"] else f"at least {result['lower_bound']}, gap {result['gap']}"
    rows = [
        f"{row['appointment']}: {_at(row['from'], row['to'])} -> {_at(row['to'])}" for row in result["moved"]
    ]
    left = [f"{row['appointment']}: {_at(row['from'])} -> no place" for row in result["unplaced"]]
    return "\n".join([*rows, *left, f"patients moved: {result['patients_moved']} ({proven})"])


def _at(place: dict[str, Any], like: dict[str, Any] | None = None) -> str:
    """A place in words; its time on the clock that ``like`` is on, so that two of them compare."""
    starts_at = datetime.fromisoformat(place["starts_at"])
    if like is not None:
        starts_at = starts_at.astimezone(datetime.fromisoformat(like["starts_at"]).tzinfo)
    return f"{starts_at.isoformat()} on {place['device']} with {place['therapist']}"


def _why(
    starts_at: Annotated[str, typer.Option(help="When it would start: a time with a zone.")],
    site: Site = "",
    region: Annotated[str, typer.Option(help="lumbar or cervical.")] = "lumbar",
    device: Annotated[str | None, typer.Option(help="On this bed; any, unless given.")] = None,
    patient: Annotated[str | None, typer.Option(help="For this patient's id.")] = None,
    problem: ProblemFile = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Why an appointment may not start then: every rule that forbids it. Exit status 1 when one does."""
    from services.scheduler import asking

    who = None if patient is None else _id(patient, "--patient")
    ask = asking.of_file(problem) if problem is not None else asking.of_system(data, MOST_S)
    result = ask.why(site, region, _moment(starts_at), device, who)
    if as_json:
        print(json.dumps(result))
    else:
        print("\n".join(row["text_en"] for row in result["rules"]) or f"free: {result['device']}")
    if not result["ok"]:
        raise typer.Exit(1)


def _moment(words: str) -> datetime:
    from services.scheduler.asking import moment

    return moment(words, "--starts-at", None)


def _id(words: str, option: str) -> UUID:
    try:
        return UUID(words)
    except ValueError:
        raise SpondylError(f"{option} is {words!r}: an id is a UUID") from None
