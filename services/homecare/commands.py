"""What homecare adds to the `spondyl` command."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from services.kit.options import AsJson

if TYPE_CHECKING:
    from services.homecare.exercises.models import Mechanics
    from services.homecare.models import Decision


class Surface(StrEnum):
    """What carries the body."""

    board = "board"
    hanging = "hanging"
    hanging_knees_bent = "hanging-knees-bent"
    dry = "dry"
    underwater = "underwater"


_MECHANICS: Final[dict[Surface, "Mechanics"]] = {
    Surface.board: "board", Surface.hanging: "hanging", Surface.hanging_knees_bent: "hanging_knees_bent",
    Surface.dry: "dry", Surface.underwater: "underwater",
}  # fmt: skip


def register(root: typer.Typer) -> None:
    """Add `spondyl homecare`."""
    homecare = typer.Typer(
        help="Home programmes: docs/homecare.md.", no_args_is_help=True, rich_markup_mode=None
    )
    homecare.command("dose")(dose)
    homecare.command("programme")(programme)
    root.add_typer(homecare, name="homecare")


def dose(
    kind: Annotated[Surface, typer.Option(help="What carries the body.")],
    body_weight_kg: Annotated[float, typer.Option(help="Body weight, 20 to 300 kg.")],
    angle_deg: Annotated[float, typer.Option(help="Of the surface: 0 lying, 90 hanging.")] = 90.0,
    friction: Annotated[float, typer.Option(help="Between body and surface, 0 to 1.")] = 0.0,
    weights_n: Annotated[float, typer.Option(help="Weights that are attached, newton.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """The pull of a body's own weight by formula, a model; exit status 1 beyond its limits."""
    from services.homecare.dose.traction import force_n

    found = force_n(_MECHANICS[kind], body_weight_kg, angle_deg, friction, weights_n)
    if as_json:
        print(json.dumps(found.body(), ensure_ascii=False))
        return
    body = found.body()
    print(
        f"{body['force_n']:.1f} N, {body['share_of_body_weight_percent']:.0f} % of body weight "
        f"({body['least_n']:.0f} to {body['most_n']:.0f} N, as the share below the place is not known)"
    )
    print(f"  {body['formula']}")
    print(f"  {body['source']}")


def programme(
    file: Annotated[
        Path | None, typer.Argument(help="A programme as it is wished, JSON.", show_default=False)
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print what FILE may hold.")] = False,
    as_json: AsJson = False,
) -> None:
    """What the gates make of a programme; exit status 1 where nothing of it may be done here.

    Neither kept nor sent anywhere, and no service is needed.
    """
    from services.homecare.gates import files
    from services.kit.errors import SpondylError

    if schema:
        print(json.dumps(files.schema(), ensure_ascii=False, indent=1))
        return
    if file is None:
        raise SpondylError("a FILE is needed, or --schema")
    decision = files.decide(file)
    print(json.dumps(_body(decision), ensure_ascii=False) if as_json else _told(decision))
    if decision.verdict in ("centre", "refused"):
        raise typer.Exit(1)


def _body(decision: "Decision") -> dict[str, Any]:
    found = decision.model_dump(mode="json")
    return {
        "decision": found["verdict"], "exercises": found["exercises"], "caps": found["caps"],
        "reasons": found["reasons"],
    }  # fmt: skip


def _told(decision: "Decision") -> str:
    lines = [f"decision: {decision.verdict}"]
    for one in decision.exercises:
        force = "" if one.force_n is None else f", {one.force_n:.0f} N"
        lines.append(
            f"  {one.exercise}: {one.verdict}, level {one.start_level + 1} to {one.ceiling_level + 1}{force}"
            f", at home after {one.supervised_sessions} supervised"
        )
    caps = decision.caps
    lines.append(
        f"caps: {caps.minutes_per_day} minutes a day, {caps.minutes_per_week} a week, on {caps.days_per_week}"
        " days"
    )
    for reason in decision.reasons:
        whose = f"{reason.exercise}: " if reason.exercise else ""
        lines.append(f"{reason.verdict}: {whose}{reason.words['en']} ({reason.source})")
        if reason.instead:
            lines.append(f"  instead: {reason.instead['en']}")
    return "\n".join(lines)
