"""What a clinician sets for home, and what of it is decided.

What is wished is never what is done: gates refuse, caps shorten, ceilings hold, pain locks.
"""

from datetime import date
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.kit.language import Language, Text

Region = Literal["lumbar", "thoracic", "cervical"]
Stage = Literal["acute", "subacute", "chronic", "remission"]  # of the disease
Hernia = Literal["none", "bulge", "protrusion", "extrusion", "sequestrum"]  # type of the displacement
Size = Literal["slight", "moderate", "large"]
Verdict = Literal["home", "supervised", "centre", "refused"]
Code = Annotated[str, Field(pattern=r"^[a-z0-9]+([-_][a-z0-9]+)*$", max_length=60)]

MOST_EXERCISES: Final = 20
LONGEST_WEEKS: Final = 52
MINUTES_PER_DAY: Final = 20  # every source but one; its "few hours" on the board is refused: docs/homecare.md
MOST_PAIN_NRS: Final = 10


def plain(text: str) -> str:
    """Text that every database takes. Raises PydanticCustomError for NUL and half characters."""
    if "\x00" in text or any("\ud800" <= one <= "\udfff" for one in text):
        raise PydanticCustomError("plain", "holds NUL or half a character, which no database takes")
    return text


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Chosen(_Given):
    """One exercise of a programme. Levels count from 0, as in the library.

    ``ceiling_level`` is the clinician's: no progress passes it. ``angle_deg``, ``friction`` and ``most_n``
    are of traction alone: the surface, and the pull that is never passed, newton.
    """

    exercise: Code
    start_level: int = Field(0, ge=0, le=20)
    ceiling_level: int = Field(0, ge=0, le=20)
    angle_deg: float | None = Field(None, ge=0, le=90, allow_inf_nan=False)
    friction: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    most_n: float | None = Field(None, gt=0, le=1500, allow_inf_nan=False)

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.start_level > self.ceiling_level:
            raise ValueError(
                f"start_level is {self.start_level}: at most ceiling_level, {self.ceiling_level}"
            )
        return self


class Wanted(_Given):
    """What a clinician sets: the finding, the person, the exercises, the caps."""

    region: Region
    stage: Stage
    hernia: Hernia
    size: Size | None = None  # none: there is no displacement
    body_weight_kg: float | None = Field(None, ge=20, le=300, allow_inf_nan=False)
    conditions: frozenset[Code] = Field(frozenset(), max_length=60)  # codes of exercises/conditions.toml
    exercises: tuple[Chosen, ...] = Field(min_length=1, max_length=MOST_EXERCISES)
    starts_on: date
    weeks: int = Field(6, ge=1, le=LONGEST_WEEKS)
    days_per_week: int = Field(5, ge=1, le=7)
    minutes_per_day: int = Field(MINUTES_PER_DAY, ge=1, le=60)
    minutes_per_week: int | None = Field(None, ge=1, le=420)  # none: minutes_per_day x days_per_week
    pain_limit_nrs: int = Field(4, ge=0, le=MOST_PAIN_NRS)  # a report above it suspends the clearance
    template: Code | None = None
    reminders: bool = False  # by e-mail on due days, where the file has an address
    note: Annotated[str, AfterValidator(plain)] = Field("", max_length=1000)  # to the patient

    @model_validator(mode="after")
    def _whole(self) -> Self:
        names = [chosen.exercise for chosen in self.exercises]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"exercises names {', '.join(twice)} twice")
        if self.hernia != "none" and self.size is None:
            raise ValueError(f"size is missing: a {self.hernia} is slight, moderate or large")
        if self.hernia == "none" and self.size is not None:
            raise ValueError(f"size is {self.size} where hernia is none")
        return self


class Reason(BaseModel):
    """A rule that spoke: its id, whom it is of, its words, its source, and what is possible instead."""

    model_config = ConfigDict(frozen=True)

    rule: Code
    exercise: Code | None = None  # none: of the whole programme
    verdict: Verdict
    words: Text
    source: str
    instead: Text | None = None


class Judged(BaseModel):
    """One exercise after the gates: where it may be done, and at most how."""

    model_config = ConfigDict(frozen=True)

    exercise: Code
    verdict: Verdict
    supervised_sessions: int  # signed before it is done at home
    start_level: int
    ceiling_level: int
    force_n: float | None = None  # of traction, by formula
    most_minutes_per_session: int
    most_minutes_per_day: int


class Caps(BaseModel):
    """What no progress passes."""

    model_config = ConfigDict(frozen=True)

    minutes_per_day: int
    minutes_per_week: int
    days_per_week: int


class Decision(BaseModel):
    """What the gates make of what was wished. ``verdict``: the freest place where any of it may be done."""

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    exercises: tuple[Judged, ...]
    caps: Caps
    reasons: tuple[Reason, ...]


class Programme(BaseModel):
    """A programme in force: the newest version of what was set, and what was decided of it.

    ``decision`` is the stricter of what was decided when it was set and of what would be decided now.
    ``suspended``: screening has closed all of it for now, and why.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    patient: UUID
    site: str
    region: Region
    cure: UUID | None
    version: int
    state: Literal["supervised", "running", "paused", "completed", "ended"]
    language: Language
    wanted: Wanted
    decision: Decision
    suspended: Reason | None = None
