"""What a telephone sends: exercises that were done, sessions, pain. Each entry is judged by itself."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from services.homecare.exercises.library import library
from services.homecare.models import MOST_PAIN_NRS, Code
from services.kit.invalid import wrong_in_german
from services.kit.language import Text
from services.kit.moments import us_of

MOST_ENTRIES: Final = 500  # of one request
MOST_WORDS: Final = 300
MOST_SIGNS: Final = 20
YEARS: Final = range(1969, 2200)  # a telephone without its time says 1970: what it says is kept all the same
OURS: Final = "homecare"  # errors that bring their own German
_SHAPES: Final = {"union_tag_not_found", "union_tag_invalid", "model_attributes_type"}
SHAPE: Final[Text] = {
    "de": "ist kein Eintrag: kind ist exercise, session oder pain",
    "en": "is no entry: kind is exercise, session or pain",
}
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


def _refused(de: str, en: str) -> PydanticCustomError:
    return PydanticCustomError(OURS, "{en}", {"de": de, "en": en})


def _text(value: Any) -> Any:
    """Times are texts: a number would be taken for seconds since 1970."""
    if not isinstance(value, str):
        raise _refused("ist kein Zeitpunkt als Text (2026-11-23T08:00:00+01:00)", "is no time as text")
    return value


def _day(value: Any) -> Any:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise _refused("ist kein Tag im Kalender (JJJJ-MM-TT)", "is no day of the calendar (YYYY-MM-DD)")
    return value


def _near(at: datetime) -> datetime:
    if at.year not in YEARS:
        raise _refused(
            f"ist im Jahr {at.year}: nur {YEARS[0]} bis {YEARS[-1]}",
            f"is in the year {at.year}: {YEARS[0]} to {YEARS[-1]} alone",
        )
    return at


def _whole(words: Any) -> Any:
    """What every database takes: a report is not lost for half a character that a keyboard left."""
    if not isinstance(words, str):
        return words
    whole = words.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\x00", "\ufffd").strip()


Words = Annotated[str, Field(max_length=MOST_WORDS), BeforeValidator(_whole)]
Nrs = Annotated[StrictInt, Field(ge=0, le=MOST_PAIN_NRS)]
Seconds = Annotated[StrictInt, Field(ge=0, le=24 * 3600)]
Small = Annotated[str, Field(pattern=r"^[a-z0-9]+([-_][a-z0-9]+)*$", max_length=40)]


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExerciseData(_Sent):
    """What was done of one exercise."""

    sets: Annotated[StrictInt, Field(ge=0, le=100)]
    repetitions: Annotated[StrictInt, Field(ge=0, le=1000)]
    seconds: Seconds
    stopped: StrictBool


class SessionData(_Sent):
    """A day's exercises are over; pain before and after on the 0-10 scale, where it was asked."""

    seconds: Seconds
    pain_before: Nrs | None = None
    pain_after: Nrs | None = None
    felt: Small | None = None


class PainData(_Sent):
    """It hurts. ``where`` and ``signs`` are ids of ``signs.toml``; ``during``: while exercising."""

    pain_nrs: Nrs
    where: Small = "elsewhere"
    signs: tuple[Small, ...] = Field((), max_length=MOST_SIGNS)
    during: StrictBool = False
    words: Words = ""


class _Entry(_Sent):
    id: UUID
    day: Annotated[date, BeforeValidator(_day)]  # as the telephone's wall says
    at: Annotated[AwareDatetime, AfterValidator(_near), BeforeValidator(_text)]
    version: Annotated[StrictInt, Field(ge=1, le=1_000_000)]  # of the programme that it had

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        said = self.at.astimezone(UTC).date()
        if abs(self.day - said) > timedelta(days=1):
            raise _refused(
                f"day ist {self.day}, at ist {said}: höchstens einen Tag auseinander",
                f"day is {self.day} and at is {said}: at most one day apart, wherever the telephone is",
            )
        return self

    @property
    def at_us(self) -> int:
        """By the telephone's clock."""
        return us_of(self.at)


class ExerciseEntry(_Entry):
    """One exercise was done, or begun."""

    kind: Literal["exercise"]
    exercise: Code
    data: ExerciseData

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.exercise not in library().exercises:
            raise _refused(
                f"exercise ist {self.exercise!r}: so heißt keine Übung der Bibliothek",
                f"exercise is {self.exercise!r}: the library has no such exercise",
            )
        return self


class SessionEntry(_Entry):
    """A session was done."""

    kind: Literal["session"]
    exercise: None = None
    data: SessionData


class PainEntry(_Entry):
    """A report of pain. One about an exercise that is not known is about all of them."""

    kind: Literal["pain"]
    exercise: Code | None = None
    data: PainData


Entry = ExerciseEntry | SessionEntry | PainEntry
_READ: Final[TypeAdapter[Entry]] = TypeAdapter(Annotated[Entry, Field(discriminator="kind")])


def read(sent: Any) -> Entry | Text:
    """An entry, or why it is none."""
    try:
        return _READ.validate_python(sent)
    except ValidationError as error:
        return _words(dict(error.errors(include_url=False, include_input=False)[0]))


def is_pain(sent: Any) -> bool:
    """Whether it means to be a report of pain."""
    return isinstance(sent, dict) and sent.get("kind") == "pain"


def id_of(sent: Any) -> str | None:
    """The id of what cannot be read otherwise, so that the telephone knows which it was."""
    try:
        return str(UUID(sent["id"]))
    except (TypeError, KeyError, ValueError, AttributeError):
        return None


def _words(row: dict[str, Any]) -> Text:
    """The place, never the value: a telephone knows what it sent."""
    loc = [_shown(part) for part in row["loc"]]
    place = ".".join(loc[1:])  # (the first is its kind)
    if row["type"] in _SHAPES:
        return SHAPE
    if row["type"] == OURS:
        return {language: f"{place}: {row['ctx'][language]}".removeprefix(": ") for language in ("de", "en")}
    said = {**row, "loc": loc, "ctx": {name: _shown(it) for name, it in (row.get("ctx") or {}).items()}}
    return {"de": wrong_in_german(said).strip(), "en": f"{place}: {_shown(row['msg'])}".removeprefix(": ")}


def _shown(part: object) -> str:
    """What can stand in an answer: half a character cannot."""
    return str(part)[:120].encode("utf-8", "replace").decode().replace("\x00", "?")
