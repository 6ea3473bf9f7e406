"""An appointment as FHIR shows it."""

from typing import Final
from uuid import UUID

from services.kit.fhir import SITE, URN, Resource, checked
from services.kit.moments import instant_of
from services.scheduler.booking.models import Appointment, State
from services.scheduler.exchange.store import Version

STATUS: Final[dict[State, str]] = {
    "booked": "booked",
    "completed": "fulfilled",
    "missed": "noshow",
    "cancelled": "cancelled",
    "undecided": "arrived",  # they came, the session was broken off: somebody decides what it counts as
    "aborted": "arrived",  # decided: it counts as none
}
_WITH_REASON: Final = ("cancelled", "missed")  # FHIR's rule app-4
DEVICE: Final = "urn:spondyl:device"
PROCEDURE: Final = {
    "coding": [{"system": "urn:spondyl:procedure", "code": "spinal-decompression"}],
    "text": "Spinal decompression",
}
_REGIONS: Final = {"lumbar": "lumbar spine", "cervical": "cervical spine"}


def resource(one: Appointment, version: Version) -> Resource:
    """Held against FHIR's definition."""
    made: Resource = {
        "resourceType": "Appointment",
        "id": str(one.appointment),
        "meta": {
            "versionId": str(version.number), "lastUpdated": instant_of(version.at_us).isoformat(),
        },
        "identifier": [_urn(one.appointment)],
        "status": STATUS[one.state],
        "serviceType": [PROCEDURE],
        "description": f"Spinal decompression, {_REGIONS[one.region]}, session {one.number}",
        "start": one.starts_at.isoformat(),
        "end": one.ends_at.isoformat(),
        "basedOn": [{"type": "ServiceRequest", "identifier": _urn(one.cure)}],
        "participant": _participants(one),
    }  # fmt: skip
    if one.state in _WITH_REASON and version.reason:
        made["cancelationReason"] = {"text": version.reason}
    return checked("Appointment", made)


def _participants(one: Appointment) -> list[Resource]:
    """Who and what comes together; a patient who was told has accepted."""
    patient = {"reference": f"Patient/{one.patient}", "type": "Patient", "identifier": _urn(one.patient)}
    device = {"type": "Device", "identifier": {"system": DEVICE, "value": f"{one.site}/{one.device}"}}
    return [
        {"actor": patient, "status": "accepted" if one.confirmed else "needs-action"},
        {"actor": device, "status": "accepted"},
        {"actor": {"type": "Practitioner", "identifier": _urn(one.therapist)}, "status": "accepted"},
        {
            "actor": {"type": "Location", "identifier": {"system": SITE, "value": one.site}},
            "status": "accepted",
        },
    ]


def _urn(name: UUID) -> dict[str, str]:
    return {"system": URN, "value": f"urn:uuid:{name}"}
