"""The questionnaires: their sections, their score, and how much of a change matters."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from services.kit.language import Text
from services.screening.errors import Invalid

TABLE: Final = Path(__file__).with_name("instruments.toml")
InstrumentId = Literal["odi", "ndi"]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Section(_Row):
    """One section of a questionnaire."""

    id: str
    en: str
    de: str


class Instrument(_Row):
    """One questionnaire. A change matters from a share of the first score, or from so many points."""

    id: InstrumentId
    region: Literal["lumbar", "cervical"]
    name: str
    en: str
    de: str
    steps: int
    most_missing: int
    missing_source: str
    missing_origin: Literal["paper", "proposal"]
    wording_origin: Literal["paper", "proposal"]
    matters_share_of_baseline: float | None = None
    matters_points: float | None = None
    matters_source: str
    matters_origin: Literal["paper", "proposal"]
    sections: tuple[Section, ...]

    def score(self, answers: Mapping[str, int]) -> float | None:
        """Per cent of what the answered sections can come to; none when too many were left out."""
        if len(self.sections) - len(answers) > self.most_missing:
            return None
        return round(100 * sum(answers.values()) / (self.steps * len(answers)), 1)

    def matters(self, baseline: float) -> float:
        """The least fall from this first score that matters, in percentage points."""
        if self.matters_share_of_baseline is not None:
            return self.matters_share_of_baseline * baseline
        return self.matters_points or 0.0

    def checked(self, answers: Mapping[str, int]) -> dict[str, int]:
        """The answers in the order of the sections. Raises Invalid."""
        known = {section.id for section in self.sections}
        for section, value in answers.items():
            if section not in known:
                shown = section[:40]
                raise _invalid(
                    f"{self.name} has no section {shown!r}", f"{self.name} hat keinen Abschnitt „{shown}“"
                )
            if not 0 <= value <= self.steps:
                raise _invalid(
                    f"{self.name}, {section} is {value}: from 0 to {self.steps}",
                    f"{self.name}, {section} ist {value}: von 0 bis {self.steps}",
                )
        if not answers:
            raise _invalid(
                f"{self.name}: no section is answered", f"{self.name}: kein Abschnitt ist beantwortet"
            )
        return {section.id: answers[section.id] for section in self.sections if section.id in answers}

    def as_json(self) -> dict[str, Any]:
        """For the API and pages."""
        return self.model_dump() | _steps()


class PainScale(_Row):
    """The numeric rating scale."""

    matters_points: float
    matters_source: str
    least: int
    most: int


@cache
def instruments() -> dict[str, Instrument]:
    """By id."""
    return {row["id"]: Instrument(**row) for row in _read()["instrument"]}


@cache
def pain_scale() -> PainScale:
    """0 none to 10 the worst."""
    return PainScale(**_read()["pain"])


def of_region(region: str) -> Instrument:
    """The questionnaire of a region."""
    return next(row for row in instruments().values() if row.region == region)


def _steps() -> dict[str, list[str]]:
    table = _read()
    return {"steps_en": table["steps_en"], "steps_de": table["steps_de"]}


@cache
def _read() -> dict[str, Any]:
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def _invalid(english: str, german: str) -> Invalid:
    words: Text = {"de": german, "en": english}
    return Invalid(english, words)
