"""What this server does: FHIR's CapabilityStatement."""

from importlib.metadata import version
from typing import Any, Final

from services.screening.exchange.fhir.checking import MEDIA_TYPE, Resource, checked

_TOKEN, _STRING, _DATE, _REFERENCE = "token", "string", "date", "reference"
_PATIENT: Final = (("patient", _REFERENCE),)
# resource: what may be done with it, and by what it is searched
RESOURCES: Final[dict[str, tuple[tuple[str, ...], tuple[tuple[str, str], ...]]]] = {
    "Patient": (
        ("read", "search-type", "create", "update"),
        (
            ("identifier", _TOKEN),
            ("name", _STRING),
            ("family", _STRING),
            ("given", _STRING),
            ("birthdate", _DATE),
        ),
    ),
    "Questionnaire": (("read",), ()),
    "QuestionnaireResponse": (("read", "search-type", "create"), _PATIENT),
    "Consent": (("read", "search-type", "create", "update"), _PATIENT),
    "Procedure": (("read", "search-type", "create"), _PATIENT),
    "Observation": (("read", "search-type", "create"), _PATIENT),
    "Appointment": (("read", "search-type"), _PATIENT),
}


def statement(since: str) -> Resource:
    """The statement, as checked as everything else."""
    made: Resource = {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": since,
        "kind": "instance",
        "fhirVersion": "4.0.1",
        "format": [MEDIA_TYPE],
        "software": {"name": "Spondyl screening", "version": version("spondyl")},
        "implementation": {
            "description": "Patients' files of spinal decompression; no certified medical device"
        },
        "rest": [
            {
                "mode": "server",
                "security": {"description": "a bearer token for this service; see docs/access.md"},
                "resource": [_resource(kind, *row) for kind, row in RESOURCES.items()],
            }
        ],
    }
    return checked("CapabilityStatement", made)


def _resource(kind: str, does: tuple[str, ...], searched: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    row: dict[str, Any] = {"type": kind, "interaction": [{"code": code} for code in does]}
    if searched:
        row["searchParam"] = [{"name": name, "type": of} for name, of in searched]
    if kind == "Patient":
        row["operation"] = [
            {"name": "everything", "definition": "http://hl7.org/fhir/OperationDefinition/Patient-everything"}
        ]
    return row
