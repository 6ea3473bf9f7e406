"""Why a form was refused: at which field, in the reader's words, with the rules and what would work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.console.errors import BadSearch, OfficeRefused
from services.console.planning.models import rules_of
from services.kit.language import Language


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal as a page shows it."""

    status: int
    words: str
    field: str = ""
    rules: Sequence[str] = ()
    alternatives: Sequence[Mapping[str, Any]] = ()

    def at(self, name: str) -> str:
        """The words, where they are about this field."""
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
