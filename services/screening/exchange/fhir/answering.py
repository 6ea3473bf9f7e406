"""Routes that answer in FHIR: resources as application/fhir+json, refusals as OperationOutcome."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from services.kit.errors import NotSignedIn, SpondylError
from services.screening.exchange.fhir.checking import MEDIA_TYPE, FhirInvalid, Resource, outcome


class FhirRoute(APIRoute):
    """A route whose refusals are FHIR's."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with refusals as OperationOutcome."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except SpondylError as error:
                status = int(getattr(error, "status", 400))
                headers = {"www-authenticate": "Bearer"} if isinstance(error, NotSignedIn) else {}
                return JSONResponse(outcome(status, error), status, headers, MEDIA_TYPE)
            except RequestValidationError as error:
                rows = [(".".join(map(str, row["loc"])), str(row["msg"])) for row in error.errors()]
                return JSONResponse(outcome(422, FhirInvalid(rows)), 422, media_type=MEDIA_TYPE)

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
