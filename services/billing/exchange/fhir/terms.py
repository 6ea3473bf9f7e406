"""The names that the Digitale Patientenrechnung uses: profiles, extensions, code systems."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

Resource = dict[str, Any]
DIPAG: Final = "https://gematik.de/fhir/dipag"
PROFILE: Final = f"{DIPAG}/StructureDefinition"
SYSTEM: Final = f"{DIPAG}/CodeSystem"

PERIOD: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Invoice.period[x]"
TREATMENT: Final = f"{PROFILE}/dipag-behandlungsart"
SPECIALITY: Final = f"{PROFILE}/dipag-fachrichtung"
DIAGNOSIS: Final = f"{PROFILE}/DiPagAbrechnungsDiagnoseProzedurFreitext"
PAY_UNTIL: Final = f"{PROFILE}/dipag-zahlungsziel"
PARTIAL_SUM: Final = f"{PROFILE}/DiPagTeilsumme"
REPLACES: Final = "http://hl7.org/fhir/StructureDefinition/replaces"
POSITION_TYPE: Final = f"{PROFILE}/dipag-rechnungsposition-type"
ADDITION: Final = f"{PROFILE}/DiPagRechnungspositionZusatz"
SCHEDULE: Final = f"{PROFILE}/dipag-rechnungsposition-go-angaben"
DAY: Final = f"{PROFILE}/DiPagRechnungspositionBehandlungsdatum"

IDENTIFIER_TYPES: Final = f"{SYSTEM}/dipag-rechnung-identifier-type-cs"
KINDS: Final = f"{SYSTEM}/dipag-rechnung-abrechnungsart-cs"
INVOICE_KINDS: Final = f"{SYSTEM}/dipag-rechnungsart-cs"
ROLES: Final = f"{SYSTEM}/dipag-participant-role-cs"
SUMS: Final = f"{SYSTEM}/dipag-total-price-component-type-cs"
POSITION_TYPES: Final = f"{SYSTEM}/dipag-chargeitem-type-cs"
ADDITIONS: Final = f"{SYSTEM}/dipag-rechnungsposition-zusatz-cs"
FACTOR_REASONS: Final = f"{SYSTEM}/dipag-rechnungsposition-faktor-gruende-cs"
GOAE: Final = "http://fhir.de/CodeSystem/bäk/goä"
ACTS: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
SPECIALITIES: Final = "http://ihe-d.de/CodeSystems/AerztlicheFachrichtungen"
V2_0203: Final = "http://terminology.hl7.org/CodeSystem/v2-0203"
GERMAN_TYPES: Final = "http://fhir.de/CodeSystem/identifier-type-de-basis"
KVID: Final = "http://fhir.de/sid/gkv/kvid-10"
IKNR: Final = "http://fhir.de/sid/arge-ik/iknr"
BSNR: Final = "https://fhir.kbv.de/NamingSystem/KBV_NS_Base_BSNR"
UCUM: Final = "http://unitsofmeasure.org"
ABSENT: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
STREET: Final = "http://hl7.org/fhir/StructureDefinition/iso21090-ADXP-streetName"
HOUSE: Final = "http://hl7.org/fhir/StructureDefinition/iso21090-ADXP-houseNumber"
QUALIFIER: Final = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-qualifier"

# What the profiles have no place for, and what our own reading brings back unchanged.
OWN: Final = "urn:spondyl:invoice"
DURATION: Final = f"{OWN}:duration"
ILLNESS: Final = f"{OWN}:illness"
REASON: Final = f"{OWN}:reason"  # a code system: analogue, on-demand
OUTLAY: Final = f"{OWN}:outlay"
RECEIPT: Final = f"{OWN}:receipt"

FEE: Final = "GOÄ"
EXPENSE: Final = "SachkostenAuslagen"
POSITION_NAMES: Final[Mapping[str, str]] = {
    FEE: "Leistung nach Gebührenordnung GOÄ", EXPENSE: "Sachkosten/Auslagen",
}  # fmt: skip
ADDITION_NAMES: Final[Mapping[str, str]] = {
    "V": "auf Verlangen erbrachte Leistung", "A": "analoge Leistung",
}  # fmt: skip


def coding(system: str, code: str, display: str | None = None) -> Resource:
    """A code and whose it is."""
    return {"system": system, "code": code, **({"display": display} if display else {})}


def concept(system: str, code: str, display: str | None = None) -> Resource:
    """The same as a concept."""
    return {"coding": [coding(system, code, display)]}


def extension(url: str, **value: Any) -> Resource:
    """An extension with its value."""
    return {"url": url, **value}


def position(kind: str) -> Resource:
    """What kind of position it is."""
    return coding(POSITION_TYPES, kind, POSITION_NAMES[kind])


def money(amount: Decimal) -> Resource:
    """An amount in euro, as JSON's number: its text has at most nine digits, so nothing is lost."""
    return {"value": float(amount), "currency": "EUR"}


def extensions(element: Any, url: str) -> Iterator[Mapping[str, Any]]:
    """The extensions of an element that have this address."""
    for one in rows(element, "extension"):
        if one.get("url") == url:
            yield one


def value_of(element: Any, *urls: str) -> Any:
    """The value of an extension, or of one inside another; None where there is none."""
    for url in urls[:-1]:
        element = next(extensions(element, url), None)
    found = next(extensions(element, urls[-1]), None)
    return None if found is None else next((found[key] for key in found if key.startswith("value")), None)


def rows(element: Any, name: str) -> list[Mapping[str, Any]]:
    """The objects of a list; nothing where there is none."""
    found = element.get(name) if isinstance(element, Mapping) else None
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
