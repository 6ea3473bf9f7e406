"""Whose record it is: by the number, else by name and birth date; any doubt is a person's to decide."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Connection

from services.kit.language import Text
from services.screening.exchange import store
from services.screening.patients.folding import fold
from services.screening.patients.models import NAMES, Content, File
from services.screening.patients.models import read as read_content
from services.screening.patients.store import current

REQUIRED: Final = ("family_name", "given_name", "birth_date")
Do = Literal["open", "change", "known", "wait", "reject"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a record, and why where it is not simply done."""

    do: Do
    file: File | None = None
    content: Content | None = None
    why: Text = field(default_factory=dict)


def decide(
    connection: Connection, site: str, system: str, number: str | None, fields: Mapping[str, Any]
) -> Decision:
    """Whose record this is. ``system`` is whose number it is."""
    known = store.patient_of(connection, site, system, number) if number else None
    file = current(connection, known) if known else None
    if file is not None:
        return _by_number(file, number or "", fields)
    missing = [name for name in REQUIRED if name not in fields]
    if missing:
        return Decision("reject", why=_lacking(number, missing))
    named = (fields["family_name"], fields["given_name"], fields["birth_date"])
    same = store.namesakes(connection, site, *named)
    if len(same) == 1 and not _has_other_number(connection, site, system, number, same[0]):
        found = current(connection, same[0])
        return _changed(found, fields) if found else Decision("wait", why=_ALIKE)
    if same or store.alike(connection, site, *named):
        return Decision("wait", why=_NUMBERED if len(same) == 1 else _ALIKE)
    return Decision("open", content=read_content(dict(fields)))


def merged(content: Content, fields: Mapping[str, Any]) -> Content:
    """The file with what the record says; what it does not say stays. Raises Invalid."""
    return read_content(content.model_dump(mode="json") | dict(fields))


def _by_number(file: File, number: str, fields: Mapping[str, Any]) -> Decision:
    """The number is known: the same birth date and half the name at least, or somebody has to look."""
    born = fields.get("birth_date")
    names = [name for name in ("family_name", "given_name") if name in fields]
    same = [name for name in names if fold(fields[name]) == fold(getattr(file.content, name))]
    if (born is not None and born != file.content.birth_date.isoformat()) or (names and not same):
        return Decision("wait", file, why=_another(number))
    return _changed(file, fields)


def _changed(file: File, fields: Mapping[str, Any]) -> Decision:
    content = merged(file.content, fields)
    return Decision("known" if content == file.content else "change", file, content)


def _has_other_number(
    connection: Connection, site: str, system: str, number: str | None, patient: UUID
) -> bool:
    """Whether the practice system calls this one something else: then two people may have one name."""
    rows = store.numbers_of(connection, patient, system)
    return number is not None and any(row["site"] == site and row["value"] != number for row in rows)


_ALIKE: Final[Text] = {
    "de": "Es gibt ähnliche Akten (gleicher Name oder gleiches Geburtsdatum): bitte zuordnen.",
    "en": "There are similar files (the same name or birth date): please assign.",
}
_NUMBERED: Final[Text] = {
    "de": "Name und Geburtsdatum gibt es schon unter einer anderen Patientennummer: bitte zuordnen.",
    "en": "Name and birth date are known under another patient's number: please assign.",
}


def _another(number: str) -> Text:
    return {
        "de": f"Die Nummer {number} gehört hier zu jemandem mit anderem Namen oder Geburtsdatum: "
        "bitte zuordnen.",
        "en": f"Number {number} belongs to somebody of another name or birth date here: please assign.",
    }


def _lacking(number: str | None, missing: list[str]) -> Text:
    said = f"Nummer {number} ist hier unbekannt, und es" if number else "Es"
    told = f"number {number} is not known here, and it" if number else "it"
    return {
        "de": f"{said} fehlt: {', '.join(NAMES[name]['de'] for name in missing)}.",
        "en": f"{told} lacks: {', '.join(NAMES[name]['en'] for name in missing)}",
    }
