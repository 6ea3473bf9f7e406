"""Names, streets and numbers taken apart, for programs that want their parts in fields of their own."""

import re
from dataclasses import dataclass
from typing import Final

from services.billing.models import Clinic, Patient

_TITLE: Final = re.compile(r"(?:(?:Prof|PD|Priv|Doz|Dr|Dipl|med|rer|nat|habil|h|c)\.?(?:-[A-Z]\w+\.?)?\s+)+")
_HOUSE: Final = re.compile(r"(.*\S)\s+([0-9]{1,5}\s?[a-zA-Z]?(?:\s?[-/+]\s?[0-9]{1,5}\s?[a-zA-Z]?)?)")
_NINE: Final = re.compile(r"[0-9]{9}")
INSTITUTION: Final = "26"  # IK of doctors begin so, numbers of places (BSNR) never do (§ 293 SGB V)


@dataclass(frozen=True, slots=True)
class Name:
    """A person's name in parts; ``given`` is empty where there is one word only."""

    family: str
    given: str = ""
    title: str = ""


def of_text(whole: str) -> Name:
    """Of a name written in one: title, given names, then the last word."""
    found = _TITLE.match(whole)
    title = found[0].strip() if found else ""
    rest = (whole[found.end() :] if found else whole).strip() or whole
    given, _, family = rest.rpartition(" ")
    return Name(family, given.strip(), title)


def of_patient(patient: Patient) -> Name:
    """As the patient's file has it; of an older paper, out of the whole."""
    if patient.family_name:
        return Name(patient.family_name, patient.given_name or "")
    return of_text(patient.name)


def street(line: str) -> tuple[str, str]:
    """Street and number of a house; the number is empty where the line ends with none."""
    found = _HOUSE.fullmatch(line.strip())
    return (found[1], found[2]) if found else (line.strip(), "")


def institution(clinic: Clinic) -> int | None:
    """The IK, where the clinic's number is one."""
    told = (clinic.identifier or "").replace(" ", "")
    return int(told) if _NINE.fullmatch(told) and told.startswith(INSTITUTION) else None


def place(clinic: Clinic) -> int | None:
    """The BSNR, where the clinic's number is one."""
    told = (clinic.identifier or "").replace(" ", "")
    return int(told) if _NINE.fullmatch(told) and not told.startswith(INSTITUTION) else None
