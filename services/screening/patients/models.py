"""What a patient's file says, each field with its rule, and how a refusal of one is said."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from services.kit.language import Text
from services.screening import zones
from services.screening.errors import Invalid

FIRST_BIRTH_YEAR: Final = 1900
MOST_NOTE: Final = 4000
_ALLOWED_CONTROLS: Final = frozenset("\n\t")
_WORDS: Final[Mapping[str, Text]] = {  # of what pydantic finds; {…} is filled in from its context
    "missing": {"de": "fehlt", "en": "is missing"},
    "string_too_short": {"de": "fehlt", "en": "is missing"},
    "string_too_long": {
        "de": "hat mehr als {max_length} Zeichen", "en": "has more than {max_length} characters",
    },
    "too_short": {"de": "fehlt", "en": "is missing"},
    "too_long": {"de": "hat mehr als {max_length} Zeichen", "en": "has more than {max_length} characters"},
    "string_type": {"de": "ist kein Text", "en": "is no text"},
    "literal_error": {"de": "muss eins sein von: {expected}", "en": "must be one of: {expected}"},
    "greater_than_equal": {"de": "ist kleiner als {ge}", "en": "is below {ge}"},
    "less_than_equal": {"de": "ist größer als {le}", "en": "is above {le}"},
    "finite_number": {"de": "ist keine Zahl", "en": "is no number"},
    "float_parsing": {"de": "ist keine Zahl", "en": "is no number"},
    "float_type": {"de": "ist keine Zahl", "en": "is no number"},
    "date_from_datetime_parsing": {
        "de": "ist kein Tag im Kalender (JJJJ-MM-TT)", "en": "is no day of the calendar (YYYY-MM-DD)",
    },
    "extra_forbidden": {"de": "gibt es in der Akte nicht", "en": "is not part of a file"},
    "string_pattern_mismatch": {"de": "hat nicht die übliche Form", "en": "does not have the usual form"},
}  # fmt: skip
_OTHERWISE: Final[Text] = {"de": "ist ungültig", "en": "is not valid"}
NAMES: Final[Mapping[str, Text]] = {  # of the fields, as a person calls them
    "family_name": {"de": "Nachname", "en": "family name"},
    "given_name": {"de": "Vorname", "en": "given name"},
    "birth_date": {"de": "Geburtsdatum", "en": "date of birth"},
    "sex": {"de": "Geschlecht", "en": "sex"},
    "street": {"de": "Straße", "en": "street"},
    "postal_code": {"de": "Postleitzahl", "en": "postal code"},
    "city": {"de": "Ort", "en": "city"},
    "country": {"de": "Land", "en": "country"},
    "phone": {"de": "Telefon", "en": "phone"},
    "email": {"de": "E-Mail", "en": "e-mail"},
    "language": {"de": "Sprache", "en": "language"},
    "insurance": {"de": "Art der Versicherung", "en": "kind of insurance"},
    "insurer": {"de": "Versicherer", "en": "insurer"},
    "insurance_number": {"de": "Versicherungsnummer", "en": "insurance number"},
    "body_weight_kg": {"de": "Körpergewicht (kg)", "en": "body weight (kg)"},
    "body_weight_on": {"de": "gewogen am", "en": "weighed on"},
    "body_height_cm": {"de": "Körpergröße (cm)", "en": "body height (cm)"},
    "diagnosis": {"de": "Diagnose", "en": "diagnosis"},
    "region": {"de": "Region", "en": "region"},
    "segment": {"de": "Segment", "en": "segment"},
    "referral_by": {"de": "überwiesen von", "en": "referred by"},
    "referral_on": {"de": "überwiesen am", "en": "referred on"},
    "note": {"de": "Bemerkung", "en": "remark"},
}


def refused(kind: str, de: str, en: str) -> PydanticCustomError:
    """A rule of ours, in both languages."""
    return PydanticCustomError("ours", "{en}", {"de": de, "en": en, "kind": kind})


def plain(value: Any) -> Any:
    """Text without blanks around it, in Unicode's composed form (NFC); control characters are refused."""
    if not isinstance(value, str):
        return value
    text = unicodedata.normalize("NFC", value.replace("\r\n", "\n")).strip()
    wrong = next((it for it in text if unicodedata.category(it) in ("Cc", "Cs", "Co", "Cn")
                  and it not in _ALLOWED_CONTROLS), None)  # fmt: skip
    if wrong is not None:
        name = f"U+{ord(wrong):04X}"
        raise refused("control", f"enthält das Steuerzeichen {name}", f"holds the control character {name}")
    return text


def _nothing(value: Any) -> Any:
    """An empty field says nothing."""
    text = plain(value)
    return None if text == "" else text


def _day(value: Any) -> Any:
    """A day as ISO text; nothing else is taken for one (a number would be seconds since 1970)."""
    text = _nothing(value)
    if text is None or type(text) is date:
        return text
    try:
        return date.fromisoformat(text if isinstance(text, str) and len(text) == len("2026-11-22") else "")
    except ValueError:
        shown = str(value)[:20]
        de = f"ist {shown!r}: kein Tag im Kalender (JJJJ-MM-TT)"
        raise refused("day", de, f"is {shown!r}: no day of the calendar (YYYY-MM-DD)") from None


def _number(value: Any) -> Any:
    """A number, also with a decimal comma."""
    text = _nothing(value)
    return text.replace(",", ".") if isinstance(text, str) else text


Line = Annotated[str, BeforeValidator(plain), Field(max_length=120)]
Name = Annotated[str, BeforeValidator(plain), Field(min_length=1, max_length=80)]
Long = Annotated[str, BeforeValidator(plain), Field(max_length=MOST_NOTE)]
Day = Annotated[date, BeforeValidator(_day)]
_ADDRESS: Final = r"^$|^[^@\s<>\",;]+@[^@\s<>\",;]+\.[^@\s<>\",;.]+$"
Email = Annotated[str, BeforeValidator(plain), Field(max_length=254, pattern=_ADDRESS)]
Phone = Annotated[str, BeforeValidator(plain), Field(max_length=40, pattern=r"^$|^[+(]?[0-9][0-9 ()/.+-]+$")]
Country = Annotated[str, BeforeValidator(plain), Field(pattern=r"^[A-Z]{2}$")]

_Kilograms = Annotated[float, Field(ge=20.0, le=350.0)]  # a limit around `None` would be held against it
_Centimetres = Annotated[float, Field(ge=80.0, le=250.0)]


class Content(BaseModel):
    """One version of a file. What nobody has said is None or empty, never a guess."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    family_name: Name
    given_name: Name
    birth_date: Day
    sex: Literal["female", "male", "diverse", "unspecified"] = "unspecified"
    street: Line = ""
    postal_code: Annotated[str, BeforeValidator(plain), Field(max_length=12)] = ""
    city: Line = ""
    country: Country = "DE"  # ISO 3166-1
    phone: Phone = ""
    email: Email = ""
    language: Literal["de", "en"] = "de"
    insurance: Annotated[Literal["private", "beihilfe", "self-payer"] | None, BeforeValidator(_nothing)] = (
        None
    )
    insurer: Line = ""
    insurance_number: Annotated[str, BeforeValidator(plain), Field(max_length=40)] = ""
    body_weight_kg: Annotated[_Kilograms | None, BeforeValidator(_number)] = None
    body_weight_on: Annotated[date | None, BeforeValidator(_day)] = None
    body_height_cm: Annotated[_Centimetres | None, BeforeValidator(_number)] = None
    diagnosis: Annotated[str, BeforeValidator(plain), Field(max_length=400)] = ""
    region: Annotated[Literal["lumbar", "cervical"] | None, BeforeValidator(_nothing)] = None
    segment: Annotated[str, BeforeValidator(plain), Field(max_length=20)] = ""
    referral_by: Line = ""
    referral_on: Annotated[date | None, BeforeValidator(_day)] = None
    note: Long = ""

    @model_validator(mode="after")
    def _days(self) -> "Content":
        """Nobody is born tomorrow, or referred before birth."""
        today = zones.latest_day()  # by site it may be a day less: whoever types it is there
        if self.birth_date.year < FIRST_BIRTH_YEAR or self.birth_date > today:
            raise refused(
                "birth_date",
                f"ist {self.birth_date}: erlaubt sind Tage vom 1.1.{FIRST_BIRTH_YEAR} bis heute",
                f"is {self.birth_date}: days from {FIRST_BIRTH_YEAR}-01-01 to today are allowed",
            )
        for name, day in (("referral_on", self.referral_on), ("body_weight_on", self.body_weight_on)):
            if day is not None and not self.birth_date <= day <= today:
                raise refused(
                    name,
                    f"ist {day}: erlaubt sind Tage von der Geburt bis heute",
                    f"is {day}: days from birth to today are allowed",
                )
        return self

    @property
    def title(self) -> str:
        """``Mustermann, Erika``."""
        return f"{self.family_name}, {self.given_name}"


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is now. ``patient`` is the one that it was merged into, if it was."""

    patient: UUID
    site: str
    version: int
    at: datetime
    by: str
    content: Content


def read(document: Any) -> Content:
    """The content that somebody sent. Raises Invalid that names every field that is wrong, in both
    languages: ``more["errors"]`` has a row {field, de, en} of each.
    """
    if not isinstance(document, dict):
        english = f"the file's content is {type(document).__name__}: an object is needed"
        raise Invalid(english, {"de": "Der Inhalt der Akte ist kein Objekt.", "en": english})
    try:
        return Content.model_validate(document)
    except ValidationError as error:
        rows = [_said(dict(row)) for row in error.errors(include_url=False)]
    summary = _joined(rows)
    raise Invalid(summary["en"], summary, {"errors": rows})


def read_day(text: str, field: str, german: str) -> date | None:
    """A past day that somebody sent as ISO text, or nothing. Raises Invalid."""
    try:
        day: date | None = _day(text)
        if day is not None and day.year < FIRST_BIRTH_YEAR:
            raise refused("day", f"ist {day}: zu lange her", f"is {day}: too long ago")
        if day is not None and day > zones.latest_day():
            raise refused("day", f"ist {day}: liegt in der Zukunft", f"is {day}: lies in the future")
    except PydanticCustomError as error:
        context: dict[str, Any] = dict(error.context or {})
        row = {"field": field, "de": context["de"], "en": context["en"]}
        words: Text = {"de": f"{german} {row['de']}.", "en": f"{field} {row['en']}"}
        raise Invalid(words["en"], words, {"errors": [row]}) from None
    return day


def _joined(rows: list[dict[str, str]]) -> Text:
    def one(row: dict[str, str], language: Any) -> str:
        name = NAMES.get(row["field"])
        return f"{name[language] if name else row['field']} {row[language]}"

    return {language: "; ".join(one(row, language) for row in rows) for language in ("de", "en")}


def _said(row: dict[str, Any]) -> dict[str, str]:
    """One finding in both languages, at its field."""
    context = row.get("ctx") or {}
    if row["type"] == "ours":
        field = row["loc"][0] if row["loc"] else context["kind"]
        return {"field": str(field), "de": context["de"], "en": context["en"]}
    field = str(row["loc"][0])[:40] if row["loc"] else ""
    words = _WORDS.get(row["type"], _OTHERWISE)
    told = "" if row["type"] in ("missing", "string_too_short", "too_short") else _shown(row["input"])
    limits = {name: f"{it:g}" if isinstance(it, float) else it for name, it in context.items()}
    return {
        "field": field,
        "de": (f"„{told}“ " if told else "") + words["de"].format_map(limits),
        "en": (f"“{told}” " if told else "") + words["en"].format_map(limits),
    }


def _shown(value: Any) -> str:
    """The value, short."""
    text = str(value)
    return f"{text[:30]}{'…' if len(text) > 30 else ''}"  # noqa: PLR2004  (as much as a line)
