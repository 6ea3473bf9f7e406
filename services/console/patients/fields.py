"""The fields of a file as the pages ask for them and show them: a row a field, in groups."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from services.console.texts import TEXTS
from services.kit import formats
from services.kit.formats import NOTHING
from services.kit.language import Language


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name in the file, its kind on the page, and what it may be."""

    name: str
    kind: str = "text"  # text, date, number, select, area, email, tel
    most: int = 120
    required: bool = False
    choices: tuple[str, ...] = ()  # of a select: texts `patient_{name}_{choice}`
    unit: str = ""
    least: float | None = None
    top: float | None = None
    step: str = "any"

    @property
    def text(self) -> str:
        """The id of its name's text."""
        return f"patient_field_{self.name}"

    def options(self, language: Language) -> list[tuple[str, str]]:
        """The choices of a select, an empty one first where nothing need be said."""
        said = [(it, TEXTS[f"patient_{self.name}_{it}"][language]) for it in self.choices]
        return said if self.required else [("", TEXTS["patient_not_said"][language]), *said]

    def shown(self, value: Any, language: Language) -> str:
        """A value as a page shows it."""
        if value in (None, ""):
            return NOTHING
        if self.kind == "select":
            known = value in self.choices
            return TEXTS[f"patient_{self.name}_{value}"][language] if known else str(value)
        if self.kind == "date":
            return formats.day(date.fromisoformat(str(value)), language)
        if self.kind == "number":
            return f"{formats.number(float(value), language, 1)} {self.unit}"
        return str(value)


GROUPS: Final[tuple[tuple[str, tuple[Field, ...]], ...]] = (  # the id of a group's title, its fields
    (
        "patient_group_person",
        (
            Field("family_name", most=80, required=True),
            Field("given_name", most=80, required=True),
            Field("birth_date", "date", required=True),
            Field("sex", "select", required=True, choices=("unspecified", "female", "male", "diverse")),
            Field("language", "select", required=True, choices=("de", "en")),
        ),
    ),
    (
        "patient_group_contact",
        (
            Field("street"), Field("postal_code", most=12), Field("city"), Field("country", most=2),
            Field("phone", "tel", most=40), Field("email", "email", most=254),
        ),
    ),
    (
        "patient_group_insurance",
        (
            Field("insurance", "select", choices=("private", "beihilfe", "self-payer")),
            Field("insurer"), Field("insurance_number", most=40),
        ),
    ),
    (
        "patient_group_medical",
        (
            Field("diagnosis", most=400),
            Field("region", "select", choices=("lumbar", "cervical")),
            Field("segment", most=20),
            Field("body_weight_kg", "number", unit="kg", least=20, top=350, step="0.1"),
            Field("body_weight_on", "date"),
            Field("body_height_cm", "number", unit="cm", least=80, top=250, step="0.1"),
            Field("referral_by"), Field("referral_on", "date"),
        ),
    ),
    ("patient_group_note", (Field("note", "area", most=4000),)),
)  # fmt: skip
FIELDS: Final = tuple(field for _, fields in GROUPS for field in fields)
EMPTY: Final[Mapping[str, str]] = {field.name: "" for field in FIELDS} | {
    "sex": "unspecified", "language": "de", "country": "DE",
}  # fmt: skip
MOST_SENT: Final = 8000  # characters of a field; the service says how many are kept


def typed(form: Mapping[str, Any]) -> dict[str, str]:
    """What was typed into the fields."""
    return {field.name: str(form.get(field.name) or "")[:MOST_SENT] for field in FIELDS}


def of_content(content: Mapping[str, Any]) -> dict[str, str]:
    """A file's content as the form shows it."""
    return {
        field.name: f"{value:g}" if isinstance(value := content.get(field.name), float) else str(value or "")
        for field in FIELDS
    }


def errors(body: Mapping[str, Any], language: Language) -> dict[str, str]:
    """The refusal of a service by field: its name and what is wrong, as one sentence."""
    rows = body.get("errors")
    found: dict[str, str] = {}
    for row in rows if isinstance(rows, list) else ():
        name = str(row.get("field", ""))
        label = TEXTS.get(f"patient_field_{name}")
        words = str(row.get(language) or row.get("problem") or "")
        found.setdefault(name, f"{label[language]} {words}" if label and words[:1].islower() else words)
    return found


def facts(content: Mapping[str, Any], language: Language) -> list[tuple[str, list[tuple[str, str]]]]:
    """A content as groups of names and values; what is not said is left out."""
    groups = [
        (
            TEXTS[title][language],
            [
                (TEXTS[it.text][language], it.shown(content.get(it.name), language))
                for it in fields
                if content.get(it.name) not in (None, "")
            ],
        )
        for title, fields in GROUPS
    ]
    return [(title, rows) for title, rows in groups if rows]


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of two versions beside each other."""

    name: str
    one: str
    other: str

    @property
    def differs(self) -> bool:
        """Whether it was changed."""
        return self.one != self.other


def beside(one: Mapping[str, Any], other: Mapping[str, Any], language: Language) -> list[Difference]:
    """Every field that either says, as both say it."""
    return [
        Difference(
            TEXTS[it.text][language],
            it.shown(one.get(it.name), language),
            it.shown(other.get(it.name), language),
        )
        for it in FIELDS
        if one.get(it.name) not in (None, "") or other.get(it.name) not in (None, "")
    ]


def changed(versions: Iterable[Mapping[str, Any]], language: Language) -> list[list[str]]:
    """What each version changed against the one before, by the fields' names; nothing of the first."""
    rows = list(versions)
    return [
        [it.name for it in beside(before["content"], after["content"], language) if it.differs]
        for before, after in zip([*rows[:1], *rows], rows, strict=False)
    ]
