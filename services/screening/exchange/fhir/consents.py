"""Consent: the declarations of a patient's file with what became of each, and back.

What BGB 630e asks for has no place of its own in FHIR: who informed orally, when, about which points stands
in an extension, and a Consent without it is refused; a declaration without information is void.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import Connection, select

from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.fhir import FhirInvalid, Resource, checked
from services.screening.consent import signing, store, taking
from services.screening.consent.tables import CONSENT
from services.screening.exchange.fhir.treatments import reference
from services.screening.patients.models import File
from services.screening.patients.store import family

REGION: Final = "urn:spondyl:region"
INFORMATION: Final = "urn:spondyl:consent:information"
_SCOPE: Final = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "treatment"}
_CATEGORY: Final = {"system": "http://loinc.org", "code": "64293-4", "display": "Procedure consent"}
_POLICY: Final = "https://www.gesetze-im-internet.de/bgb/__630d.html"
_STATUS: Final = {"informed": "proposed", "signed": "active", "withdrawn": "inactive"}


# --- reading ----------------------------------------------------------------------------------------------
def consents(_office: Office, connection: Connection, found: File) -> list[Resource]:
    """Every consent of a patient, the newest first."""
    rows = store.of_patient(connection, family(connection, found.patient))
    return [resource(row, found.patient) for row in rows]


def patient_of(connection: Connection, name: str) -> UUID | None:
    """Whose consent it is."""
    found = connection.execute(select(CONSENT.c.patient).where(CONSENT.c.id == name[:36])).scalar()
    return UUID(found) if found else None


def resource(consent: store.Consent, patient: UUID) -> Resource:
    """One consent, without its papers: those are in the file."""
    informed = consent.information
    made: Resource = {
        "resourceType": "Consent",
        "id": str(consent.id),
        **({"extension": [_informed(informed)]} if informed.get("by") else {}),
        "status": _STATUS[consent.state],
        "scope": {"coding": [_SCOPE]},
        "category": [{"coding": [_CATEGORY]}],
        "patient": reference(patient),
        "policy": [{"uri": _POLICY}],
        "provision": {
            "type": "deny" if consent.state == "withdrawn" else "permit",
            "code": [{"coding": [{"system": REGION, "code": consent.region}]}],
        },
    }
    if signed := consent.last("signed"):
        made["dateTime"] = signed.at.isoformat()
        made["performer"] = [{"display": signed.detail.get("signer") or "unknown"}]
    if withdrawn := consent.last("withdrawn"):
        made["provision"]["period"] = {"start": withdrawn.at.isoformat()}
    return checked("Consent", made)


def _informed(said: dict[str, Any]) -> Resource:
    """Who informed, when, about what."""
    points = [{"url": "point", "valueCode": point} for point in said["points"]]
    about = [{"url": "by", "valueString": said["by"]}, {"url": "at", "valueDateTime": said["at"]}]
    return {"url": INFORMATION, "extension": [*about, *points]}


# --- writing ----------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Said:
    """What a Consent says of a declaration that was made."""

    region: str
    by: str
    informed_at: str
    points: list[str]
    signer: str
    role: str
    signed_at: str
    scan: bytes


def create(office: Office, who: Principal, file: File, sent: Resource) -> Resource:
    """Keep a declaration that was signed on paper: information, signature, scan. Raises Invalid."""
    if sent["status"] != "active":
        what = "a declaration is `active`; a withdrawal is a PUT of the consent that it is of, `inactive`"
        raise FhirInvalid([("Consent.status", f"is {sent['status']!r}: {what}")])
    said = _said(sent)
    media_type = signing.scanned(said.scan)
    signed_at = taking.moment("Consent.dateTime", said.signed_at)
    signed = taking.Signed(said.signer, said.role, said.scan, media_type, signed_at, is_drawn=False)
    made = taking.declare(
        office, who, file.patient, said.region, by=said.by, at=said.informed_at, points=said.points,
        signed=signed,
    )  # fmt: skip
    return resource(made, file.patient)


def withdraw(office: Office, who: Principal, file: File, consent: UUID, sent: Resource) -> Resource:
    """Keep a withdrawal, which needs no form (BGB 630d(3)). Raises FhirInvalid, Conflict."""
    if sent["status"] not in ("inactive", "rejected"):
        what = "what was declared is not rewritten, it can be withdrawn (`inactive`)"
        raise FhirInvalid([("Consent.status", f"is {sent['status']!r}: {what}")])
    at = str(((sent.get("provision") or {}).get("period") or {}).get("start") or "")
    done = taking.withdraw(office, who, file.patient, consent, how="written", at=at, note="FHIR")
    return resource(done, file.patient)


def _said(sent: Resource) -> _Said:
    """Read it; every place that lacks something is named. Raises FhirInvalid."""
    information = _information(sent)
    performer = (sent.get("performer") or [{}])[0]
    guardian = str(performer.get("reference", "")).startswith("RelatedPerson/")
    attachment = sent.get("sourceAttachment") or {}
    found = {
        "Consent.provision.code": _region(sent),
        f"Consent.extension({INFORMATION}).by": information.get("by"),
        f"Consent.extension({INFORMATION}).at": information.get("at"),
        "Consent.performer.display": performer.get("display"),
        "Consent.dateTime": sent.get("dateTime"),
        "Consent.sourceAttachment.data": attachment.get("data"),
    }
    missing = [(place, "is needed (BGB 630d, 630e)") for place, value in found.items() if not value]
    if missing:
        raise FhirInvalid(missing)
    region, by, informed_at, signer, signed_at, data = (str(value) for value in found.values())
    try:
        scan = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise FhirInvalid([("Consent.sourceAttachment.data", "is no base64")]) from None
    points = cast("list[str]", information["points"])
    role = "guardian" if guardian else "patient"
    return _Said(region, by, informed_at, points, signer, role, signed_at, scan)


def _information(sent: Resource) -> dict[str, Any]:
    found: dict[str, Any] = {"points": []}
    for outer in sent.get("extension") or []:
        for inner in (outer.get("extension") or []) if outer.get("url") == INFORMATION else []:
            if inner.get("url") == "point":
                found["points"].append(str(inner.get("valueCode")))
            else:
                found[str(inner.get("url"))] = inner.get("valueString") or inner.get("valueDateTime")
    return found


def _region(sent: Resource) -> str | None:
    for concept in (sent.get("provision") or {}).get("code") or []:
        for coding in concept.get("coding") or []:
            if coding.get("system") == REGION:
                return str(coding.get("code"))
    return None
