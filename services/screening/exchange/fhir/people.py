"""Patient: a patient's file as FHIR says it, and back."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import RowMapping

from services.kit.fhir import SITE, URN, FhirInvalid, Resource, checked
from services.screening.patients.models import Content, File
from services.screening.patients.models import read as read_content

INSURANCE: Final = "http://fhir.de/sid/pkv/kvid-10"
_GENDERS: Final = {"female": "female", "male": "male", "diverse": "other", "unspecified": "unknown"}
_SEXES: Final = {"female": "female", "male": "male", "other": "diverse", "unknown": "unspecified"}
# What a Patient says of a file: a PUT replaces these, and leaves the rest of the file as it is.
FIELDS: Final = (
    "family_name", "given_name", "birth_date", "sex", "street", "postal_code", "city", "country", "phone",
    "email", "language",
)  # fmt: skip


def resource(file: File, numbers: Sequence[RowMapping | Mapping[str, Any]]) -> Resource:
    """The file as a Patient, with its numbers elsewhere."""
    content = file.content
    made: Resource = {
        "resourceType": "Patient",
        "id": str(file.patient),
        "meta": {"versionId": str(file.version), "lastUpdated": file.at.isoformat()},
        "identifier": [
            {"system": URN, "value": f"urn:uuid:{file.patient}"},
            *({"system": row["system"], "value": row["value"]} for row in numbers),
        ],
        "active": True,
        "name": [{"use": "official", "family": content.family_name, "given": [content.given_name]}],
        "gender": _GENDERS[content.sex],
        "birthDate": content.birth_date.isoformat(),
        "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": content.language}]},
                           "preferred": True}],
        "managingOrganization": {"identifier": {"system": SITE, "value": file.site}},
    }  # fmt: skip
    if telecom := _telecom(content):
        made["telecom"] = telecom
    if address := _address(content):
        made["address"] = [address]
    return checked("Patient", made)


def _telecom(content: Content) -> list[dict[str, str]]:
    rows = (("phone", content.phone), ("email", content.email))
    return [{"system": system, "value": value} for system, value in rows if value]


def _address(content: Content) -> dict[str, Any]:
    lines = [content.street] if content.street else []
    rows = {
        "line": lines,
        "postalCode": content.postal_code,
        "city": content.city,
        "country": content.country,
    }
    return {name: value for name, value in rows.items() if value} if content.street or content.city else {}


def fields(patient: Resource) -> dict[str, Any]:
    """What a Patient says of a file. Raises FhirInvalid for what a file must have."""
    name = _first(patient.get("name"), "official")
    address = _first(patient.get("address"), "home")
    family = name.get("family") or ""
    given = " ".join(name.get("given") or [])
    missing = [
        (place, "is needed: nobody can be told from others without it")
        for place, value in (
            ("Patient.name.family", family), ("Patient.name.given", given),
            ("Patient.birthDate", patient.get("birthDate")),
        )
        if not value
    ]  # fmt: skip
    gender = str(patient.get("gender") or "unknown")
    if gender not in _SEXES:
        missing.append(("Patient.gender", f"is {gender[:40]!r}: one of {', '.join(_SEXES)}"))
    if missing:
        raise FhirInvalid(missing)
    return {
        "family_name": family, "given_name": given, "birth_date": str(patient["birthDate"]),
        "sex": _SEXES[gender], "street": ", ".join(address.get("line") or []),
        "postal_code": address.get("postalCode") or "", "city": address.get("city") or "",
        "country": address.get("country") or "DE", "phone": _contact(patient, "phone"),
        "email": _contact(patient, "email"), "language": _language(patient),
    }  # fmt: skip


def content_of(patient: Resource, before: Content | None = None) -> Content:
    """The file's content with what the Patient says. Raises FhirInvalid, Invalid."""
    kept = before.model_dump(mode="json") if before else {}
    return read_content(kept | fields(patient))


def identifiers(patient: Resource) -> list[tuple[str, str]]:
    """Its numbers in other systems: system and value."""
    return [
        (row["system"], row["value"])
        for row in patient.get("identifier") or []
        if row.get("system") and row.get("value") and row["system"] != URN
    ]


def site_of(patient: Resource) -> str | None:
    """At which site, where it says so."""
    found = (patient.get("managingOrganization") or {}).get("identifier") or {}
    return found.get("value") if found.get("system") == SITE else None


def _first(rows: list[dict[str, Any]] | None, use: str) -> dict[str, Any]:
    """The row of this use, else the first."""
    return next((row for row in rows or [] if row.get("use") == use), (rows or [{}])[0])


def _contact(patient: Resource, system: str) -> str:
    rows = patient.get("telecom") or []
    return next((row["value"] for row in rows if row.get("system") == system and row.get("value")), "")


def _language(patient: Resource) -> str:
    for row in patient.get("communication") or []:
        for coding in (row.get("language") or {}).get("coding") or []:
            if str(coding.get("code")).lower().startswith("en"):
                return "en"
    return "de"
