"""A gate's row, what screening said, and a template's row."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.homecare.exercises.models import Words
from services.homecare.models import Code, Hernia, Region, Size, Stage, Verdict

ORDER: Final[tuple[Verdict, ...]] = ("home", "supervised", "centre", "refused")
Outcome = Literal["allowed", "conditions", "refused", "incomplete", "unheard", "suspended"]


def stricter(one: Verdict, other: Verdict) -> Verdict:
    """Of two verdicts the one that allows less."""
    return max(one, other, key=ORDER.index)


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Gate(_Row):
    """A rule about the finding. It speaks where every list that it has holds what was set."""

    id: Code
    verdict: Verdict
    of: Literal["all", "traction"]  # which exercises it is about
    hernia: tuple[Hernia, ...] = ()
    size: tuple[Size, ...] = ()
    stage: tuple[Stage, ...] = ()
    words: Words
    instead: Words | None = None
    source: str


class Screened(_Row):
    """What an answer of screening means for home."""

    outcome: Outcome
    verdict: Verdict
    words: Words
    instead: Words | None = None


class Suspended(_Row):
    """Why a clearance is suspended, by screening's code."""

    code: str
    name: Words


class Standing(BaseModel):
    """What screening said of a patient and a region: ``rules`` are the ids that refuse or wait."""

    model_config = ConfigDict(frozen=True)

    outcome: Outcome = "unheard"
    rules: tuple[str, ...] = ()


class Start(_Row):
    """An exercise of a template, and how far it may grow."""

    exercise: Code
    start_level: int = Field(0, ge=0)
    ceiling_level: int = Field(0, ge=0)


class Template(_Row):
    """A programme to begin with, by the finding; the first row that fits is taken."""

    id: Code
    name: Words
    region: Region
    stage: tuple[Stage, ...]
    hernia: tuple[Hernia, ...]
    size: tuple[Size, ...] = ()  # none: of any, and where there is no displacement
    weeks: int
    days_per_week: int
    minutes_per_day: int
    exercises: tuple[Start, ...]
    source: str

    def fits(self, region: Region, stage: Stage, hernia: Hernia, size: Size | None) -> bool:
        """Whether it is for this finding."""
        return (
            self.region == region
            and stage in self.stage
            and hernia in self.hernia
            and (not self.size or size in self.size)
        )
