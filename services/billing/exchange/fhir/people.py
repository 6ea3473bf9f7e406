"""Who sends, who was treated and who pays, as resources of the Digitale Patientenrechnung."""

import re
from typing import Final
from uuid import NAMESPACE_OID, UUID, uuid5

from services.billing.errors import Invalid, said
from services.billing.exchange import names
from services.billing.exchange.fhir import terms
from services.billing.exchange.fhir.terms import Resource, coding, concept, extension
from services.billing.models import Address, Clinic, Paper

INSURED: Final = re.compile(r"[A-Z][0-9]{9}")  # § 290 SGB V
SPECIALITIES: Final = (  # IHE-D; the first whose word the clinic's speciality has
    ("orthopäd", "ORTH", "Orthopädie"),
    ("unfallchirurg", "UNFC", "Unfallchirurgie"),
    ("neurolog", "NEUR", "Neurologie"),
    ("chirurg", "CHIR", "Chirurgie"),
    ("innere", "INNE", "Innere Medizin"),
    ("internist", "INNE", "Innere Medizin"),
    ("allgemein", "ALLG", "Allgemeinmedizin"),
)
_GENDERS: Final = {"female": "female", "male": "male", "diverse": "other", "unknown": "unknown"}


def key(paper: Paper, what: str) -> str:
    """The id of a resource of this paper: the same whenever it is written."""
    return key_of(paper.id, what)


def key_of(identity: UUID, what: str) -> str:
    """The same, of a paper by its id."""
    return str(uuid5(NAMESPACE_OID, f"{identity}/{what}"))


def urn(identity: str) -> str:
    """How resources of one bundle name each other."""
    return f"urn:uuid:{identity}"


def speciality(clinic: Clinic, now: Clinic | None) -> Resource:
    """The clinic's field of medicine. Raises Invalid when nothing says which."""
    for told in filter(None, (clinic, now)):
        if told.speciality_code:
            return coding(terms.SPECIALITIES, told.speciality_code)
        words = (told.speciality or "").casefold()
        for word, code, display in SPECIALITIES:
            if word in words:
                return coding(terms.SPECIALITIES, code, display)
    raise said(
        Invalid,
        {
            "de": f"Fachrichtung „{clinic.speciality or ''}“: kein Schlüssel der IHE-D dazu bekannt; bitte "
            "bei den Praxisdaten eintragen (Digitale Patientenrechnung, Fachrichtung 1..1).",
            "en": f"speciality “{clinic.speciality or ''}”: no code of IHE-D is known for it; please enter "
            "one at the clinic's data (Digitale Patientenrechnung, Fachrichtung 1..1)",
        },
        missing=["speciality_code"],
    )


def patient(paper: Paper) -> Resource:
    """Who was treated."""
    told = names.of_patient(paper.patient)
    return {
        "resourceType": "Patient",
        "id": key(paper, "patient"),
        "meta": {"profile": [f"{terms.PROFILE}/dipag-patient"]},
        **({"identifier": [insured(paper)]} if _number(paper) else {}),
        "name": [_name(paper.patient.name, told)],
        "gender": _GENDERS[paper.patient.sex],
        "birthDate": paper.patient.birth_date.isoformat(),
        **({"address": [_address(paper.recipient.address)]} if paper.patient_pays else {}),
    }


def payer(paper: Paper) -> Resource:
    """Who pays, where somebody else does. The profile knows persons alone, with a day of birth."""
    told = names.of_text(paper.recipient.name)
    return {
        "resourceType": "Patient",
        "id": key(paper, "payer"),
        "meta": {"profile": [f"{terms.PROFILE}/dipag-patient"]},
        "name": [_name(paper.recipient.name, told)],
        "_birthDate": _unknown(),
        "address": [_address(paper.recipient.address)],
    }


def insured(paper: Paper | None) -> Resource:
    """The patient's insurance number; where nobody knows it, that it is unknown."""
    number = _number(paper) if paper else None
    return {
        "type": concept(terms.GERMAN_TYPES, "KVZ10"),
        "system": terms.KVID,
        **({"value": number} if number else {"_value": _unknown()}),
    }


def doctor(paper: Paper, field: Resource) -> Resource:
    """Who answers for the treatment."""
    name = paper.clinic.doctor or paper.clinic.name
    return {
        "resourceType": "Practitioner",
        "id": key(paper, "doctor"),
        "meta": {"profile": [f"{terms.PROFILE}/dipag-person"]},
        "name": [_name(name, names.of_text(name))],
        **({"address": [_address(paper.clinic.address)]} if paper.clinic.address else {}),
        "qualification": [{"code": {"coding": [field]}}],
    }


def clinic(paper: Paper, field: Resource) -> Resource:
    """Who sends the invoice."""
    told = paper.clinic
    return {
        "resourceType": "Organization",
        "id": key(paper, "clinic"),
        "meta": {"profile": [f"{terms.PROFILE}/dipag-institution"]},
        **({"identifier": found} if (found := _numbers(told)) else {}),
        "type": [{"coding": [field]}],
        "name": told.name,
        **({"telecom": [{"system": "phone", "value": told.phone}]} if told.phone else {}),
        **({"address": [_address(told.address)]} if told.address else {}),
    }


def _number(paper: Paper) -> str | None:
    told = (paper.patient.insurance_number or "").replace(" ", "").upper()
    return told if INSURED.fullmatch(told) else None


def _numbers(clinic: Clinic) -> list[Resource]:
    found: list[Resource] = []
    if (ik := names.institution(clinic)) is not None:
        found.append({"type": concept(terms.V2_0203, "XX"), "system": terms.IKNR, "value": str(ik)})
    if (place := names.place(clinic)) is not None:
        told = f"{place:09d}"
        found.append({"type": concept(terms.V2_0203, "BSNR"), "system": terms.BSNR, "value": told})
    if clinic.vat_id:
        found.append({"type": concept(terms.IDENTIFIER_TYPES, "ustid"), "value": clinic.vat_id})
    return found


def _name(whole: str, told: names.Name) -> Resource:
    made: Resource = {"use": "official", "text": whole, "family": told.family}
    if told.given:
        made["given"] = [told.given]
    if told.title:
        made["prefix"] = [told.title]
        made["_prefix"] = [{"extension": [extension(terms.QUALIFIER, valueCode="AC")]}]
    return made


def _address(address: Address) -> Resource:
    street, house = names.street(address.street)
    parts = [extension(terms.STREET, valueString=street)]
    if house:
        parts.append(extension(terms.HOUSE, valueString=house))
    return {
        "type": "both", "line": [address.street], "_line": [{"extension": parts}], "city": address.city,
        "postalCode": address.postal_code, "country": address.country,
    }  # fmt: skip


def _unknown() -> Resource:
    return {"extension": [extension(terms.ABSENT, valueCode="unknown")]}
