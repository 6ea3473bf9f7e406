"""FHIR for every service that speaks it: resources held against FHIR's own definition, refusals as FHIR's.

FhirInvalid         a resource that breaks FHIR's definition or a rule of ours (422)
FhirStale           the version that was read is not the newest any more (412)
FhirUnsupported     what is not done in FHIR here, with the rule and the way that it is done (405)

The definition is R4B, the same as R4 for what is spoken here.
"""

import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, Literal

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from services.kit.errors import NotSignedIn, SpondylError
from services.kit.language import Text
from services.kit.routes import LateRoute

Kind = Literal[
    "Patient", "QuestionnaireResponse", "Consent", "Procedure", "Observation", "Appointment", "Bundle",
    "CapabilityStatement", "OperationOutcome", "Questionnaire", "Invoice",
]  # fmt: skip
Resource = dict[str, Any]
MEDIA_TYPE: Final = "application/fhir+json"
URN: Final = "urn:ietf:rfc:3986"  # the system of identifiers that are URIs
SITE: Final = "urn:spondyl:site"
MOST_ISSUES: Final = 20
_CODES: Final = {  # of an OperationOutcome's issue, by the status of the answer
    400: "invalid", 401: "login", 403: "forbidden", 404: "not-found", 405: "not-supported", 409: "conflict",
    412: "conflict", 422: "processing", 503: "transient",
}  # fmt: skip
_VERSION: Final = re.compile(r'(?:W/)?"(\d{1,9})"')


class FhirInvalid(SpondylError):  # noqa: N818  (the name is what a reader meets)
    """A resource that breaks FHIR's definition or a rule of ours; ``issues`` name each place.

    ``hints`` say what would do instead.
    """

    def __init__(
        self, issues: Sequence[tuple[str, str]], words: Text | None = None, *, status: int = 422,
        hints: Sequence[str] = (),
    ) -> None:  # fmt: skip
        super().__init__("; ".join(f"{place}: {what}" if place else what for place, what in issues))
        self.issues = list(issues)
        self.words = words
        self.status = status
        self.hints = list(hints)


class FhirStale(SpondylError):  # noqa: N818  (the same)
    """Somebody has changed the resource since it was read."""

    status = 412

    def __init__(self, asked: int, newest: int) -> None:
        super().__init__(f"If-Match asks for version {asked}, the newest is version {newest}: read it again")
        self.words: Text = {
            "de": f"If-Match verlangt die Fassung {asked}, die neueste ist {newest}: bitte neu lesen",
            "en": self.message,
        }


class FhirUnsupported(SpondylError):  # noqa: N818  (the same)
    """An interaction that there is not; ``allowed`` are the methods that there are."""

    status = 405

    def __init__(self, words: Text, allowed: str) -> None:
        super().__init__(words["en"])
        self.words = words
        self.headers = {"allow": allowed}


def checked(kind: Kind, resource: Any) -> Resource:
    """The resource, which is one of this kind. Raises FhirInvalid that names every place that is wrong."""
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    if not isinstance(resource, dict) or resource.get("resourceType") != kind:
        given = resource.get("resourceType") if isinstance(resource, dict) else type(resource).__name__
        shown = repr(str(given)[:40])
        raise _against(kind, [("resourceType", f"is {shown}: {kind} is expected here")])
    try:
        get_fhir_model_class(kind).model_validate(resource)
    except ValidationError as error:
        rows = error.errors(include_url=False, include_context=False)[:MOST_ISSUES]
        issues = [(".".join(map(str, row["loc"])), str(row["msg"])) for row in rows]
        raise _against(kind, issues) from None
    except RecursionError:
        raise _against(kind, [("", f"this {kind} is nested too deeply to be read")]) from None
    except (
        TypeError,
        KeyError,
        AttributeError,
    ) as error:  # the library's, at a resourceType that is none
        what = f"{type(error).__name__}: {str(error)[:80]}"
        raise _against(kind, [("", f"something in this {kind} is none of FHIR's ({what})")]) from None
    return resource


def _against(what: str, issues: Sequence[tuple[str, str]]) -> FhirInvalid:
    """In German the places alone: what is wrong there is said by the definition, in English."""
    error = FhirInvalid(issues)
    places = ", ".join(place for place, _ in issues if place)
    german = f"Das ist so nicht gültig ({what}){': ' if places else ''}{places}"
    error.words = {"de": german, "en": error.message}
    return error


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
    hints = error.hints if isinstance(error, FhirInvalid) else []
    rows += [{"severity": "information", "code": "informational", "diagnostics": hint} for hint in hints]
    return {"resourceType": "OperationOutcome", "issue": rows}


def bundle(resources: Sequence[Resource], base: str, total: int | None = None, further: str = "") -> Resource:
    """Resources as the answer to a search; ``further`` is the address of what comes behind them."""
    entries = [
        {"fullUrl": f"{base}/{one['resourceType']}/{one['id']}", "resource": one, "search": {"mode": "match"}}
        for one in resources
    ]
    found: Resource = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(resources) if total is None else total,
    }
    if further:
        found["link"] = [{"relation": "next", "url": further}]
    return found | ({"entry": entries} if entries else {})


def text_of(value: Mapping[str, Any] | None, *names: str) -> str:
    """What stands at a path of objects; empty where nothing does."""
    for name in names[:-1]:
        value = value.get(name) if isinstance(value, Mapping) else None
    found = value.get(names[-1]) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else ""


def version_of(if_match: str) -> int:
    """The version that an If-Match names. Raises FhirInvalid."""
    fits = _VERSION.fullmatch(if_match.strip())
    if fits is None:
        issue = ("If-Match", f'is {if_match!r}: a version is needed, as W/"3"')
        german = f'If-Match ist {if_match!r}: nötig ist eine Fassung wie W/"3"'
        raise FhirInvalid([issue], {"de": german, "en": ": ".join(issue)})
    return int(fits[1])


def base_of(request: Request) -> str:
    """Where this service speaks FHIR, as the caller addresses it."""
    return f"{str(request.base_url).rstrip('/')}/fhir"


class FhirAnswer(JSONResponse):
    """A resource, as descriptions of routes name it."""

    media_type = MEDIA_TYPE


class FhirRoute(LateRoute):
    """A route whose refusals are FHIR's."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options | {"response_class": FhirAnswer})

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with refusals as OperationOutcome."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except SpondylError as error:
                status = int(getattr(error, "status", 400))
                known = {"www-authenticate": "Bearer"} if isinstance(error, NotSignedIn) else {}
                headers = known | dict(getattr(error, "headers", {}))
                return JSONResponse(outcome(status, error), status, headers, MEDIA_TYPE)
            except RequestValidationError as error:
                rows = [(".".join(map(str, row["loc"])), str(row["msg"])) for row in error.errors()]
                return JSONResponse(outcome(422, _against("HTTP", rows)), 422, media_type=MEDIA_TYPE)

        return answer


def answered(resource: Resource, status: int = 200, base: str = "") -> JSONResponse:
    """A resource; one that was made or changed says where it is, and every one which version it has."""
    headers = {}
    version = (resource.get("meta") or {}).get("versionId")
    if version:
        headers["etag"] = f'W/"{version}"'
    if base:
        headers["location"] = f"{base}/{resource['resourceType']}/{resource['id']}"
    return JSONResponse(resource, status, headers, MEDIA_TYPE)


def statement(software: str, describes: str, since: str, resources: Sequence[Resource]) -> Resource:
    """What a server does, as FHIR says it; ``resources`` are rows of ``capable``."""
    from importlib.metadata import version

    made: Resource = {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": since,
        "kind": "instance",
        "fhirVersion": "4.0.1",
        "format": [MEDIA_TYPE],
        "software": {"name": software, "version": version("spondyl")},
        "implementation": {"description": f"{describes}; no certified medical device"},
        "rest": [
            {
                "mode": "server",
                "security": {"description": "a bearer token for this service; see docs/access.md"},
                "resource": list(resources),
            }
        ],
    }
    return checked("CapabilityStatement", made)


def capable(kind: Kind, does: Sequence[str], searched: Sequence[tuple[str, str]] = ()) -> Resource:
    """Of one kind of resource: what may be done with it, and by what it is searched."""
    row: Resource = {"type": kind, "interaction": [{"code": code} for code in does]}
    if searched:
        row["searchParam"] = [{"name": name, "type": of} for name, of in searched]
    return row
