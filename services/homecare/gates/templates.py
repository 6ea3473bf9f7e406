"""Programmes to begin with, by stage, type, size and region: so that one is set in under a minute."""

import tomllib
from collections.abc import Iterable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from services.homecare.errors import Invalid, said
from services.homecare.gates.deciding import decide
from services.homecare.gates.models import Template
from services.homecare.models import Chosen, Hernia, Region, Size, Stage, Wanted

FILE: Final = Path(__file__).parent / "templates.toml"


@cache
def templates() -> tuple[Template, ...]:
    """Every template, in the order in which they are tried."""
    table = tomllib.loads(FILE.read_text("utf-8"))
    return tuple(map(Template.model_validate, table["template"]))


def fill(
    *,
    region: Region,
    stage: Stage,
    hernia: Hernia,
    size: Size | None,
    body_weight_kg: float | None,
    conditions: Iterable[str],
    starts_on: date,
) -> Wanted:
    """The first template that fits, without the exercises that the gates refuse to this person.

    Raises Invalid where there is none, or where nothing of it is left.
    """
    found = next((one for one in templates() if one.fits(region, stage, hernia, size)), None)
    if found is None:
        raise _nothing(region, stage, hernia, size)
    try:
        wanted = Wanted(
            region=region, stage=stage, hernia=hernia, size=size, body_weight_kg=body_weight_kg,
            conditions=frozenset(conditions), starts_on=starts_on, weeks=found.weeks,
            days_per_week=found.days_per_week, minutes_per_day=found.minutes_per_day, template=found.id,
            exercises=tuple(
                Chosen(exercise=row.exercise, start_level=row.start_level, ceiling_level=row.ceiling_level)
                for row in found.exercises
            ),
        )  # fmt: skip
    except ValidationError as error:
        raise _contradicts(error) from None
    refused = {one.exercise for one in decide(wanted).exercises if one.verdict == "refused"}
    kept = tuple(one for one in wanted.exercises if one.exercise not in refused)
    if not kept:
        raise _nothing(region, stage, hernia, size)
    return wanted.model_copy(update={"exercises": kept})


def _contradicts(error: ValidationError) -> Invalid:
    """A finding whose parts do not fit each other."""
    words = "; ".join(row["msg"].removeprefix("Value error, ") for row in error.errors())
    return said(Invalid, {"de": f"Der Befund passt so nicht zusammen: {words}", "en": words}, field="body")


def _nothing(region: Region, stage: Stage, hernia: Hernia, size: Size | None) -> Invalid:
    what = ", ".join(filter(None, (region, stage, hernia, size)))
    return said(
        Invalid,
        {"de": f"Für {what} bleibt keine Übung der Vorlagen: einzeln auswählen oder unter Aufsicht üben",
         "en": f"no exercise of the templates is left for {what}: choose them one by one, or exercise under "
               "supervision"},
    )  # fmt: skip
