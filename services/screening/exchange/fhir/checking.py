"""FHIR resources against FHIR's own definition (R4B, the same as R4 for these), both ways."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from services.kit.errors import SpondylError
from services.kit.language import Text
from services.screening.errors import Invalid

Kind = Literal[
    "Patient", "QuestionnaireResponse", "Consent", "Procedure", "Observation", "Appointment", "Bundle",
    "CapabilityStatement", "OperationOutcome", "Questionnaire",
]  # fmt: skip
MEDIA_TYPE: Final = "application/fhir+json"
MOST_ISSUES: Final = 20
Resource = dict[str, Any]
_CODES: Final = {  # of an OperationOutcome's issue, by the status of the answer
    400: "invalid", 401: "login", 403: "forbidden", 404: "not-found", 409: "conflict", 412: "conflict",
    422: "processing", 503: "transient",
}  # fmt: skip


class FhirInvalid(Invalid):
    """A resource that breaks FHIR's definition or a rule of ours; ``issues`` name each place."""

    def __init__(self, issues: list[tuple[str, str]], words: Text | None = None) -> None:
        said = "; ".join(f"{place}: {what}" if place else what for place, what in issues)
        super().__init__(said, words)
        self.issues = issues


def checked(kind: Kind, resource: Any) -> Resource:
    """The resource, which is one of this kind. Raises FhirInvalid that names every place that is wrong."""
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    if not isinstance(resource, dict) or resource.get("resourceType") != kind:
        given = resource.get("resourceType") if isinstance(resource, dict) else type(resource).__name__
        raise FhirInvalid([("resourceType", f"is {str(given)[:40]!r}: {kind} is expected here")])
    try:
        get_fhir_model_class(kind).model_validate(resource)
    except ValidationError as error:
        rows = error.errors(include_url=False, include_context=False)[:MOST_ISSUES]
        raise FhirInvalid([(".".join(map(str, row["loc"])), str(row["msg"])) for row in rows]) from None
    except RecursionError:
        raise FhirInvalid([("", f"this {kind} is nested too deeply to be read")]) from None
    return resource


def outcome(status: int, error: SpondylError) -> Resource:
    """A refusal as FHIR says one: a line an issue, in English, and in German where there are words."""
    issues = error.issues if isinstance(error, FhirInvalid) else [("", error.message)]
    words: Text | None = getattr(error, "words", None)
    rows: list[Resource] = [
        {
            "severity": "error",
            "code": _CODES.get(status, "processing"),
            "diagnostics": f"{place}: {what}" if place else what,
            **({"expression": [place]} if place else {}),
        }
        for place, what in issues
    ]
    if words and words.get("de"):
        rows[0]["details"] = {"text": words["de"]}
    return {"resourceType": "OperationOutcome", "issue": rows}


def bundle(resources: list[Resource], base: str, kind: str = "searchset") -> Resource:
    """Resources as the answer to a search."""
    entries = [
        {"fullUrl": f"{base}/{one['resourceType']}/{one['id']}", "resource": one, "search": {"mode": "match"}}
        for one in resources
    ]
    found = {"resourceType": "Bundle", "type": kind, "total": len(resources)}
    return found | ({"entry": entries} if entries else {})


def text_of(value: Mapping[str, Any] | None, *names: str) -> str:
    """What stands at a path of objects; empty where nothing does."""
    for name in names[:-1]:
        value = value.get(name) if isinstance(value, Mapping) else None
    found = value.get(names[-1]) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else ""
