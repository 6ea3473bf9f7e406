"""Whom a cure is for: found by name in screening, with what the first prescription needs of the file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from services.console.context import Console
from services.console.errors import OfficeNotFound, OfficeRefused, OfficeUnavailable
from services.console.planning.models import short
from services.kit.auth.principal import Principal

MOST_FOUND: Final = 25


@dataclass(frozen=True, slots=True)
class Person:
    """One hit of a search."""

    patient: str
    name: str
    born: date | None


async def search(console: Console, who: Principal, site: str, words: str) -> list[Person]:
    """Patients of a site whose name is like this. Raises what asking screening raises."""
    answer = await console.screening.ask(who, "/patients", {"site": site, "q": words, "limit": MOST_FOUND})
    return [_person(row) for row in answer]


def _person(row: Mapping[str, Any]) -> Person:
    born = row.get("birth_date")
    return Person(
        str(row["patient"]), f"{row.get('family_name')}, {row.get('given_name')}",
        date.fromisoformat(born) if born else None,
    )  # fmt: skip


async def known(console: Console, who: Principal, patient: str, today: date) -> dict[str, str]:
    """What the planner's form takes from the file; the id alone while screening is away."""
    given = {"patient": patient, "name": short(patient)}
    try:
        file = await console.screening.ask(who, f"/patients/{patient}")
    except OfficeNotFound:
        raise
    except (OfficeRefused, OfficeUnavailable):
        return given
    content = file["content"]
    given |= {"file_version": str(file["version"]), "file_at": str(file["at"])}
    given["name"] = f"{content['family_name']}, {content['given_name']}"
    given["sex"] = {"female": "female", "male": "male"}.get(content.get("sex") or "", "unspecified")
    if content.get("body_weight_kg"):
        given["body_weight_kg"] = f"{content['body_weight_kg']:g}"
    if content.get("birth_date"):
        given["age_years"] = str(age(date.fromisoformat(content["birth_date"]), today))
    for name in ("region", "segment"):
        if content.get(name):
            given[name] = str(content[name])
    return given


def age(born: date, today: date) -> int:
    """Full years on a day."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
