"""A patient as GDT says one, in the words of a patient's file; a doubtful detail is left out, and said."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from services.screening.errors import Invalid
from services.screening.exchange.gdt.reading import Record
from services.screening.patients.models import read as read_content

_SEXES: Final = {
    "1": "male", "2": "female", "M": "male", "W": "female", "F": "female", "D": "diverse", "X": "unspecified",
}  # fmt: skip
_COUNTRIES: Final = {
    "D": "DE",
    "A": "AT",
    "CH": "CH",
    "F": "FR",
    "NL": "NL",
    "PL": "PL",
    "L": "LU",
    "B": "BE",
}
_CITY_LINE: Final = re.compile(r"(?:[A-Z]{1,3}[- ])?(\d{4,5})\s+(.+)")
_SAMPLE: Final = {"family_name": "x", "given_name": "x", "birth_date": "1970-01-01"}
REQUIRED: Final = ("family_name", "given_name", "birth_date")


def _day(text: str) -> str | None:
    try:
        return datetime.strptime(text, "%d%m%Y").date().isoformat()  # noqa: DTZ007  (a day has no zone)
    except ValueError:
        return None


def _number(text: str) -> str | None:
    plain = text.replace(",", ".")
    return plain if re.fullmatch(r"\d{1,4}(\.\d{1,3})?", plain) else None


def _sex(text: str) -> str | None:
    return _SEXES.get(text.upper())


def _country(text: str) -> str | None:
    found = _COUNTRIES.get(text.upper(), text.upper())
    return found if re.fullmatch(r"[A-Z]{2}", found) else None


def _text(text: str) -> str | None:
    return text or None


# Which fields of GDT say what of a file; of several the later row counts.
_ROWS: Final[tuple[tuple[str, str, Callable[[str], str | None]], ...]] = (
    ("3101", "family_name", _text),
    ("3102", "given_name", _text),
    ("3103", "birth_date", _day),
    ("3110", "sex", _sex),
    ("3107", "street", _text),
    ("3112", "postal_code", _text),
    ("3113", "city", _text),
    ("3114", "country", _country),
    ("3618", "phone", _text),
    ("3626", "phone", _text),
    ("3619", "email", _text),
    ("3105", "insurance_number", _text),
    ("3119", "insurance_number", _text),
    ("3622", "body_height_cm", _number),
    ("3623", "body_weight_kg", _number),
)


@dataclass(slots=True)
class Person:
    """What a record says of somebody: the fields of a file that it names, and what was left out of them."""

    number: str | None
    fields: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def missing(self) -> list[str]:
        """Without these nobody can be told from others."""
        return [name for name in REQUIRED if name not in self.fields]

    @property
    def born(self) -> date | None:
        """The birth date."""
        return date.fromisoformat(self.fields["birth_date"]) if "birth_date" in self.fields else None


def person_of(record: Record) -> Person:
    """The person of a record 6301, 6302, 6310 or 6311."""
    record = record.of_patient()
    found = Person(record.first("3000"))
    if line := record.first("3106"):
        fits = _CITY_LINE.fullmatch(line)
        found.fields |= {"postal_code": fits[1], "city": fits[2]} if fits else {"city": line}
    for code, name, convert in _ROWS:
        said = record.first(code)
        if said is None:
            continue
        value = convert(said)
        if value is None:
            found.warnings.append(f"field {code} is {said[:40]!r}: left out, it is no {name}")
        else:
            found.fields[name] = value
    if prefix := record.first("3100"):
        _with_prefix(found, prefix)
    _only_what_a_file_takes(found)
    return found


def _with_prefix(found: Person, prefix: str) -> None:
    """`von` and the like belong to the family name."""
    family = found.fields.get("family_name")
    if family and not family.lower().startswith(f"{prefix.lower()} "):
        found.fields["family_name"] = f"{prefix} {family}"


def _only_what_a_file_takes(found: Person) -> None:
    """Leave out, one by one, what breaks a rule of the file."""
    for name, value in list(found.fields.items()):
        try:
            read_content({**_SAMPLE, name: value})
        except Invalid as error:
            del found.fields[name]
            found.warnings.append(f"{error.message}: left out")
