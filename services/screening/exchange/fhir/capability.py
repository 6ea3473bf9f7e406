"""What this server does: FHIR's CapabilityStatement."""

from typing import Final

from services.kit import fhir
from services.kit.fhir import Kind, Resource

_TOKEN, _STRING, _DATE, _REFERENCE = "token", "string", "date", "reference"
_PATIENT: Final = (("patient", _REFERENCE),)
# resource: what may be done with it, and by what it is searched
RESOURCES: Final[dict[Kind, tuple[tuple[str, ...], tuple[tuple[str, str], ...]]]] = {
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
}
_EVERYTHING: Final = {
    "name": "everything", "definition": "http://hl7.org/fhir/OperationDefinition/Patient-everything",
}  # fmt: skip


def statement(since: str) -> Resource:
    """The statement, as checked as everything else."""
    rows = [fhir.capable(kind, *row) for kind, row in RESOURCES.items()]
    rows[0]["operation"] = [_EVERYTHING]
    return fhir.statement("Spondyl screening", "Patients' files of spinal decompression", since, rows)
