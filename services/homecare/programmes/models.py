"""What is sent to programmes, beyond what a clinician sets."""

from datetime import date
from typing import Annotated, Final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from broker.fields import Slug
from services.homecare.models import MOST_EXERCISES, Code, Hernia, Region, Size, Stage, Wanted, plain
from services.kit.language import Language

MOST_REASON: Final = 500
MOST_NOTE: Final = 1000


Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MOST_REASON), AfterValidator(plain)
]
Note = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=MOST_NOTE), AfterValidator(plain)
]  # fmt: skip


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewProgramme(_Sent):
    """A programme for somebody. ``cure``: the one that it goes on after."""

    request: UUID
    site: Slug
    patient: UUID
    cure: UUID | None = None
    language: Language
    wanted: Wanted


class Change(_Sent):
    """The next version of a programme. ``version``: the one that was changed.

    ``again``: exercises that were taken off after pain and may be done again; all others stay off.
    """

    request: UUID
    version: int = Field(ge=1)
    wanted: Wanted
    again: frozenset[Code] = Field(frozenset(), max_length=MOST_EXERCISES)


class Signing(_Sent):
    """A session beside a therapist, who signs it."""

    request: UUID
    exercise: Code
    day: date
    went_well: bool
    note: Note = ""


class Turning(_Sent):
    """A programme is paused, resumed or ended."""

    request: UUID
    reason: Reason


class Finding(_Sent):
    """What a template is looked for by."""

    region: Region
    stage: Stage
    hernia: Hernia
    size: Size | None = None
    body_weight_kg: float | None = Field(None, ge=20, le=300, allow_inf_nan=False)
    conditions: frozenset[Code] = Field(frozenset(), max_length=60)
    starts_on: date
