"""A file for `spondyl screen`: who, where, when, and what was answered. docs/screening.md describes it."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from services.kit.errors import SpondylError
from services.screening.rules.answers import iso_day, read, refused, unknown_rule, wrong
from services.screening.rules.decision import Decision, Signature, decide
from services.screening.rules.findings import Case
from services.screening.rules.models import Region, Sex
from services.screening.rules.ruleset import RuleFile, Ruleset

MOST_BYTES: Final = 1_000_000
DOCUMENT: Final = "docs/screening.md"


class _Signed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rule: str = Field(max_length=60)
    by: str = Field(min_length=1, max_length=200, pattern=r"\S")
    reason: str = Field(min_length=1, max_length=2000, pattern=r"\S")


class Sheet(BaseModel):
    """The file as it is typed; days are text like 2026-11-22."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    birth_date: date = Field(strict=False)
    treatment_date: date = Field(strict=False)
    region: Region
    sex: Sex = "unspecified"
    body_weight_kg: float | None = Field(None, gt=0, lt=1000)
    answers: dict[str, str | dict[str, Any]] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    signatures: tuple[_Signed, ...] = Field((), strict=False)

    @field_validator("birth_date", "treatment_date", mode="before")
    @classmethod
    def _day(cls, value: Any) -> Any:
        return iso_day(value)


def screen(text: str, file: RuleFile, settings: Mapping[str, str]) -> Decision:
    """The decision on a file's text; its own settings count before the given ones. Raises SpondylError."""
    sheet = _sheet(text)
    ruleset = file.on(sheet.treatment_date, {**settings, **sheet.settings})
    answers = {rule: read(ruleset, rule, value) for rule, value in sheet.answers.items()}
    case = Case(sheet.birth_date, sheet.treatment_date, sheet.region, sheet.sex, sheet.body_weight_kg)
    return decide(ruleset, case, answers, _signatures(ruleset, sheet))


def _signatures(ruleset: Ruleset, sheet: Sheet) -> list[Signature]:
    """What clinicians signed: of relative contraindications only."""
    for number, row in enumerate(sheet.signatures):
        field = f"signatures.{number}.rule"
        if not ruleset.knows(row.rule):
            raise unknown_rule(field, row.rule, ruleset.version.name)
        if ruleset.of(row.rule).is_absolute(ruleset.settings):
            raise refused(field, row.rule, "it is absolute: nobody can sign it away",
                          "sie ist absolut: niemand kann sie durch Unterschrift aufheben")  # fmt: skip
    return [Signature(row.rule, row.by, row.reason) for row in sheet.signatures]


def _sheet(text: str) -> Sheet:
    try:
        told = json.loads(text, object_pairs_hook=_once)
    except (json.JSONDecodeError, RecursionError) as error:
        raise SpondylError(f"the file is no JSON: {error}; {DOCUMENT} shows one") from None
    if not isinstance(told, dict):
        raise SpondylError(f"the file is {type(told).__name__}: an object is needed, see {DOCUMENT}")
    try:
        return Sheet.model_validate(told)
    except ValidationError as error:
        raise wrong(error) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names stand once: of two answers to one rule nobody knows which counts."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise refused(name, "twice", "a name stands once in an object",
                          "ein Name steht einmal in einem Objekt")  # fmt: skip
        found[name] = value
    return found
