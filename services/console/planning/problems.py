"""Why a form was refused: at which field, in the reader's words, with the rules and what would work."""

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.console.errors import BadSearch, OfficeRefused
from services.console.planning.models import rules_of
from services.console.texts import TEXTS
from services.kit.language import Language

OF_PRESCRIPTION: Final = "prescription."
FAULT: Final = re.compile(r"prescription\.(\w+) (?:is|ist) ([^:]+): (.+)", re.DOTALL)  # field, value, limit
UNMODELLED: Final = re.compile(r"(?:cannot be held|geht nicht): \w+ (?:is|ist) ")  # value and limit follow
FOR_PROGRAMS: Final = " (peak_n)"
REFERENCE: Final = re.compile(r",? (?:see|siehe) docs/\S+\.md")  # for whoever has the source


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal as a page shows it."""

    status: int
    words: str
    field: str = ""
    rules: Sequence[str] = ()
    alternatives: Sequence[Mapping[str, Any]] = ()
    fields: Mapping[str, str] = dataclasses.field(
        default_factory=dict
    )  # what is wrong at each field, where it is many

    def at(self, name: str) -> str:
        """The words, where they are about this field."""
        if name in self.fields:
            return self.fields[name]
        return self.words if self.field == name else ""


def problem_of(error: BadSearch | OfficeRefused, language: Language) -> Problem:
    """From what was raised; a refusal of form names the field that the scheduler named."""
    if isinstance(error, BadSearch):
        return Problem(error.status, error.words[language], error.field)
    body: Mapping[str, Any] = error.body
    rows = body.get("errors") or ()
    name = str(rows[0].get("field", "")).split(".")[-1] if rows else str(body.get("field") or "")
    return Problem(
        error.status, error.words[language], name, rules_of(body, language), body.get("alternatives") or ()
    )


def of_prescription(
    rows: Sequence[Mapping[str, Any]], shown: Collection[str], language: Language
) -> Problem | None:
    """What the limits' own code says of a prescription: once at its field; none where they say nothing.

    What stands in no field of the form (``shown``) follows from what does, and is told only by itself.
    """
    faults = [row for row in rows if str(row.get("field") or "").startswith(OF_PRESCRIPTION)]
    if not faults:
        return None
    fields: dict[str, str] = {}
    for row in sorted(faults, key=_strictness):
        fields.setdefault(_field(row), _said(row, language))
    here = {name: text for name, text in fields.items() if name in shown}
    rules = () if here else tuple(fields.values())
    return Problem(422, TEXTS["planning_look_at_fields"][language], rules=rules, fields=here)


def _strictness(row: Mapping[str, Any]) -> float:
    """Of several limits the one that is broken most comes first."""
    value, limit = row.get("value"), row.get("limit")
    if isinstance(value, int | float) and isinstance(limit, int | float):
        return -abs(value - limit)
    return 0.0


def _field(row: Mapping[str, Any]) -> str:
    """Where it was typed: a limit of the pull may be broken by a force at the segment."""
    found = FAULT.fullmatch(str(row.get("text_en") or ""))
    return found[1] if found else str(row["field"]).removeprefix(OF_PRESCRIPTION)


def _said(row: Mapping[str, Any], language: Language) -> str:
    """A refusal without what only a program calls so."""
    text = str(row.get(f"text_{language}") or row.get("text_en") or "")
    found = FAULT.fullmatch(text)
    if found is None:
        return REFERENCE.sub("", UNMODELLED.sub("", text.removeprefix(str(row["field"])).strip()))
    return f"{found[2].replace(FOR_PROGRAMS, '')}: {REFERENCE.sub('', found[3])}"
