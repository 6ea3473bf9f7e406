"""Routes of the patient's page. They ask nothing of the database: whether a link is good, its JSON says."""

from typing import Annotated, Final

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import JSONResponse

from services.homecare.errors import NotFound, said
from services.homecare.page.files import File, drawing, files, manifest, shell, worker
from services.kit.auth.guard import public
from services.kit.business.service import Office
from services.kit.language import Language
from services.kit.moments import Now
from services.kit.routes import Routes

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# The address is the secret: no other page is told it, no search engine keeps it, no shared cache either.
HEADERS: Final = {
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex, nofollow",
    "cache-control": "no-store",
}
LASTING: Final = HEADERS | {"cache-control": "public, no-cache"}  # kept, and asked for again by its tag
Secret = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_-]+$")]
Tag = Annotated[str | None, Header()]


def router(office: Office, now: Now) -> APIRouter:
    """The page, its files, its worker and its manifest, for any link alike."""
    del office, now
    routes = Routes(prefix="/h", tags=["patient's page"], dependencies=[public()], include_in_schema=False)

    @routes.get("/worker.js")
    def the_worker(if_none_match: Tag = None) -> Response:
        return _sent(worker(), if_none_match)

    @routes.get("/app/drawings/{name}.svg")
    def a_drawing(name: str, if_none_match: Tag = None) -> Response:
        return _sent(drawing(name), if_none_match)

    @routes.get("/app/{name:path}")
    def a_file(name: str, if_none_match: Tag = None) -> Response:
        return _sent(files().get(name), if_none_match)

    @routes.get("/{secret}/manifest.webmanifest")
    def the_manifest(secret: Secret, language: Annotated[Language, Query()] = "de") -> Response:
        return JSONResponse(
            manifest(secret, language), headers=HEADERS, media_type="application/manifest+json"
        )

    @routes.get("/{secret}")
    def page(secret: str) -> Response:
        del secret
        return Response(shell().body, media_type=shell().media_type, headers=HEADERS)

    return routes


def _sent(file: File | None, known: str | None) -> Response:
    if file is None:
        raise said(NotFound, {"de": "Diese Datei hat die Seite nicht.", "en": "The page has no such file."})
    headers = LASTING | {"etag": file.tag}
    if known == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.body, media_type=file.media_type, headers=headers)
