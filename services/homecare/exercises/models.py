"""An exercise or a kind of traction, its doses, and what it refers to."""

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.kit.language import LANGUAGES, Text

Kind = Literal["exercise", "traction"]
Region = Literal["lumbar", "thoracic", "cervical", "whole"]
Place = Literal["home", "supervised", "centre"]
Mechanics = Literal["board", "hanging", "hanging_knees_bent", "dry", "underwater"]

MOST_MINUTES: Final = 20  # a session and a day of one exercise: inversion and boards, every source but one
FIRST_HANG_S: Final = 10  # the home-traction article: at most so long at first
CODE: Final = r"^[a-z0-9]+(-[a-z0-9]+)*$"


def _both(value: dict[str, str]) -> dict[str, str]:
    """A text in every language, and in no other."""
    if set(value) != set(LANGUAGES) or not all(words.strip() for words in value.values()):
        raise PydanticCustomError("words", "words in de and en are needed, neither empty")
    return value


Words = Annotated[Text, AfterValidator(_both)]
Lines = Annotated[tuple[Words, ...], Field(min_length=1)]
Code = Annotated[str, Field(pattern=CODE, max_length=40)]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Level(_Row):
    """One step of how an exercise grows: a hold of 0 s is a movement without a stop."""

    sets: int = Field(ge=1, le=4)
    repetitions: int = Field(ge=1, le=20)
    hold_s: int = Field(ge=0, le=MOST_MINUTES * 60)
    rest_s: int = Field(ge=0, le=300)  # between two sets


class Traction(_Row):
    """What turns body weight into a pull; angle and friction are defaults a clinician may change."""

    mechanics: Mechanics
    angle_deg: float = Field(ge=0, le=90, allow_inf_nan=False)  # of the surface; 90: hanging freely
    friction: float = Field(ge=0, le=1, allow_inf_nan=False)


class Exercise(_Row):
    """An exercise or a kind of traction, as a patient is told it and as a clinician may dose it.

    ``place`` is the freest place where it may be done at all: at home, only beside a therapist of the clinic,
    or only in a rehabilitation centre. ``each_side``: a level's repetitions are done on either side.
    ``move_s`` is what one repetition takes beside its hold.
    """

    id: Code
    kind: Kind
    region: Region
    place: Place
    name: Words
    purpose: Words
    steps: Lines
    cues: Lines
    avoid: Lines
    stop_when: Lines
    not_for: tuple[Code, ...] = Field(min_length=1)
    equipment: tuple[Code, ...] = ()
    source: Code
    dose_source: Code
    supervised_first_sessions: int = Field(ge=0, le=10)
    each_side: bool = False
    move_s: int = Field(ge=0, le=120)
    levels: tuple[Level, ...] = Field(min_length=1)
    most_minutes_per_session: int = Field(ge=1, le=MOST_MINUTES)
    most_minutes_per_day: int = Field(ge=1, le=MOST_MINUTES)
    traction: Traction | None = None

    def seconds(self, level: Level) -> int:
        """How long a session of this exercise takes at a level, its rests among it."""
        sides = 2 if self.each_side else 1
        one_set = level.repetitions * sides * (level.hold_s + self.move_s)
        return level.sets * one_set + (level.sets - 1) * level.rest_s

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if (self.kind == "traction") != (self.traction is not None):
            raise _contradiction("traction", "stands at every kind of traction and at no exercise")
        if self.most_minutes_per_session > self.most_minutes_per_day:
            raise _contradiction("most_minutes_per_session", "is more than most_minutes_per_day")
        if self.kind == "traction" and self.supervised_first_sessions < 1:
            raise _contradiction(
                "supervised_first_sessions", "is 0: traction is first done under supervision"
            )
        self._levels_grow()
        return self

    def _levels_grow(self) -> None:
        lengths = [self.seconds(level) for level in self.levels]
        if sorted(set(lengths)) != lengths:
            raise _contradiction("levels", f"take {lengths} s: each must take longer than the one before")
        if lengths[-1] > self.most_minutes_per_session * 60:
            raise _contradiction("levels", f"take up to {lengths[-1]} s: more than most_minutes_per_session")
        hangs = self.traction is not None and self.traction.mechanics.startswith("hanging")
        if hangs and self.levels[0].hold_s > FIRST_HANG_S:
            raise _contradiction("levels", f"begin with a hang of more than {FIRST_HANG_S} s")


def _contradiction(field: str, what: str) -> PydanticCustomError:
    return PydanticCustomError("contradiction", "{field} {what}", {"field": field, "what": what})


class Condition(_Row):
    """A state of health that keeps somebody from an exercise: its words, what a clinician is asked, and why.

    ``screened``: the screening service asks it before treatment, by the same code.
    """

    code: Code
    screened: bool = False
    name: Words
    question: Words
    why: Words


class Rule(_Row):
    """A rule for every day; ``drawing``: there is one of this id."""

    id: Code
    name: Words
    text: Words
    source: Code
    drawing: bool = False


class Equipment(_Row):
    """A thing that an exercise needs, and what to look at before it is used."""

    code: Code
    name: Words
    check: Words


class Source(_Row):
    """Where an exercise or a dose comes from."""

    code: Code
    name: Words
