"""What was answered to a rule's question: yes, no, not sure, with a day or a figure where it asks for one."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from services.kit.language import Text
from services.screening.errors import Invalid
from services.screening.rules.models import Rule, Test
from services.screening.rules.ruleset import Ruleset

Said = Literal["yes", "no", "unsure"]
DETAILS: Final[Mapping[Test, tuple[str, ...]]] = {  # what a kind of question asks beside yes or no
    "answer": (),
    "since": ("on",),
    "bone-loss": ("bone_loss_percent", "fresh_fracture"),
    "age": (),
    "some-bone-loss": (),
}


class Answer(BaseModel):
    """One answer. A detail without yes or no is a yes; a detail that contradicts the no is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    answer: Said = "yes"
    on: date | None = Field(None, strict=False)
    bone_loss_percent: float | None = Field(None, ge=0, le=100)
    fresh_fracture: bool | None = None

    @field_validator("on", mode="before")
    @classmethod
    def _day(cls, value: Any) -> Any:
        """A day as text: a number would be read as seconds since 1970."""
        return iso_day(value)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        told = self.on is not None or bool(self.bone_loss_percent) or bool(self.fresh_fracture)
        if self.answer == "no" and told:
            raise PydanticCustomError(
                "contradiction",
                "the answer is no, yet a day or a finding is given: one of the two is wrong",
                {"de": "die Antwort ist nein, aber ein Tag oder Befund ist angegeben: eines stimmt nicht"},
            )
        return self

    def body(self) -> dict[str, Any]:
        """As it is stored and told."""
        return self.model_dump(mode="json", exclude_none=True)


Answers = Mapping[str, Answer]  # by rule


def iso_day(value: Any) -> Any:
    """A day as it stands in JSON: text like 2026-11-22. Raises PydanticCustomError."""
    if value is None or isinstance(value, date):
        return value
    try:
        if isinstance(value, str) and len(value) == len("2026-11-22"):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise PydanticCustomError(
        "day",
        "a day of the calendar is needed, as text like 2026-11-22",
        {"de": "ein Tag des Kalenders wird gebraucht, als Text wie 2026-11-22"},
    )


def read(ruleset: Ruleset, rule: str, value: Any, field: str = "answers") -> Answer:
    """An answer as somebody gave it: a word, or an object with details. Raises Invalid, naming the field."""
    name = f"{field}.{rule[:60]}"
    if not ruleset.knows(rule):
        raise unknown_rule(name, rule, ruleset.version.name)
    found = ruleset.of(rule)
    if not found.is_question:
        raise refused(name, _shown(value), "nobody is asked about it: it follows from the other fields",
                      "danach wird nicht gefragt: es folgt aus den anderen Angaben")  # fmt: skip
    try:
        answer = Answer.model_validate({"answer": value} if isinstance(value, str) else value)
    except ValidationError as error:
        raise wrong(error, name) from None
    _require_own_details(found, answer, name)
    return answer


def _require_own_details(rule: Rule, answer: Answer, name: str) -> None:
    for detail in answer.body():
        if detail != "answer" and detail not in DETAILS[rule.test]:
            raise refused(f"{name}.{detail}", getattr(answer, detail), "this rule does not ask for it",
                          "danach fragt diese Regel nicht")  # fmt: skip


def refused(field: str, value: object, english: str, german: str) -> Invalid:
    """The refusal of a field: its name, its value, the rule."""
    shown = _shown(value)
    named = NAMES.get(field.rpartition(".")[2], {"de": field, "en": field})
    words: Text = {
        "de": f"{named['de']} ist {shown}: {german}.", "en": f"{named['en']} is {shown}: {english}.",
    }  # fmt: skip
    return Invalid(f"{field} is {shown}: {english}", words)


NAMES: Final[Mapping[str, Text]] = {  # of fields as pages call them
    "on": {"de": "Der Tag", "en": "The day"},
    "answer": {"de": "Die Antwort", "en": "The answer"},
    "bone_loss_percent": {"de": "Der Knochenverlust", "en": "The bone loss"},
    "birth_date": {"de": "Das Geburtsdatum", "en": "The date of birth"},
    "reason": {"de": "Die Begründung", "en": "The reason"},
    "informed_by": {"de": "Wer aufgeklärt hat,", "en": "Who informed"},
    "informed_at": {"de": "Der Zeitpunkt der Aufklärung", "en": "The moment of the information"},
    "signer": {"de": "Der Name", "en": "The name"},
    "role": {"de": "Wer unterschreibt,", "en": "Who signs"},
    "signature": {"de": "Die Unterschrift", "en": "The signature"},
    "file": {"de": "Die Datei", "en": "The file"},
    "at": {"de": "Der Zeitpunkt", "en": "The moment"},
    "title": {"de": "Der Titel", "en": "The title"},
    "body": {"de": "Der Text", "en": "The text"},
}


def unknown_rule(field: str, rule: str, version: str) -> Invalid:
    """The refusal of a rule that is not in force."""
    return refused(
        field, rule, f"no rule of this id is in force in version {version} of the rules",
        f"in der Fassung {version} der Regeln gilt keine dieser Kennung",
    )  # fmt: skip


_GERMAN: Final = {  # by pydantic's kind of error
    "literal_error": "erlaubt sind {expected}",
    "extra_forbidden": "ein solches Feld gibt es nicht",
    "missing": "die Angabe fehlt",
    "bool_type": "true oder false wird gebraucht",
    "float_type": "eine Zahl wird gebraucht",
    "greater_than_equal": "mindestens {ge}",
    "less_than_equal": "höchstens {le}",
    "greater_than": "mehr als {gt}",
    "less_than": "weniger als {lt}",
    "finite_number": "eine endliche Zahl wird gebraucht",
}


def wrong(error: ValidationError, name: str = "") -> Invalid:
    """The first thing that is wrong, with the field's whole name."""
    row = error.errors()[0]
    field = ".".join(part for part in (name, *map(str, row["loc"])) if part)
    context = row.get("ctx", {})
    english = str(row["msg"])[:1].lower() + str(row["msg"])[1:]
    german = context.get("de") or _GERMAN.get(row["type"], english).format(**context)
    return refused(field, "missing" if row["type"] == "missing" else row["input"], english, german)


def _shown(value: object) -> str:
    return repr(value)[:60]
