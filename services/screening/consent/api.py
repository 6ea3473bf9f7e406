"""Consents and documents over HTTP."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, File, Form, Query, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from services.kit.auth.guard import allow
from services.kit.auth.principal import ALL_SITES, Principal
from services.kit.business.service import Office
from services.kit.database import reading
from services.kit.language import Language
from services.kit.routes import Routes
from services.screening import zones
from services.screening.consent import declaration, documents, signing, store, taking
from services.screening.consent.documents import Document
from services.screening.consent.words import COPIES, KINDS, POINTS, SIGNERS, WITHDRAWALS
from services.screening.errors import NotFound
from services.screening.patients import keeping
from services.screening.patients import store as patients
from services.screening.rules.taking import keeping_file

Reader = Annotated[Principal, allow("patients.see")]
Recorder = Annotated[Principal, allow("consent.record")]
Editor = Annotated[Principal, allow("documents.edit")]
Site = Annotated[str, Query(max_length=40)]
PDF = "application/pdf"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Informed(_Body):
    """The oral information: of which region, by whom, when, about what."""

    region: str = Field(max_length=20)
    informed_by: str = Field(max_length=1000)
    informed_at: str = Field("", max_length=40)
    points: list[str] = Field(max_length=40)
    questions: str = Field("", max_length=20_000)


class Drawn(_Body):
    """A signature drawn on a screen, as PNG in base64."""

    signer: str = Field(max_length=1000)
    role: str = Field("patient", max_length=20)
    png: str = Field(max_length=900_000)


class Copied(_Body):
    """How and when a copy was handed over."""

    how: str = Field(max_length=20)
    at: str = Field("", max_length=40)


class Withdrawn(Copied):
    """How and when it was withdrawn; no reason is asked for."""

    note: str = Field("", max_length=20_000)


class Edited(_Body):
    """A new version of a document on the one that was read."""

    site: str = Field(ALL_SITES, max_length=40)
    title: str = Field(max_length=2000)
    body: str = Field(max_length=100_000)
    note: str = Field("", max_length=4000)
    base: str = Field(max_length=64)


class Draft(_Body):
    """A text to be looked at before it is kept."""

    title: str = Field(max_length=2000)
    body: str = Field(max_length=100_000)
    language: Language = "de"


def router(office: Office) -> APIRouter:
    """``/patients/{patient}/consents`` and ``/documents``."""
    routes = Routes(tags=["consent"])
    _add_consents(routes, office)
    _add_steps(routes, office)
    _add_papers(routes, office)
    _add_documents(routes, office)
    _add_editing(routes, office)
    return routes


def _add_consents(routes: APIRouter, office: Office) -> None:
    @routes.get("/patients/{patient}/consents")
    def consents(who: Reader, patient: UUID) -> dict[str, Any]:
        """Every consent of a patient, newest first, and the tables that a form needs."""
        with reading(office.engine) as connection:
            head = keeping.find_head(connection, who, "patients.see", patient)
            found = store.of_patient(connection, patients.family(connection, patient))
            text = documents.current(connection, "consent", "de", head["site"])
            file = keeping_file(connection, patient)
            rows = [row.shown() | {"outgrown": store.is_outgrown(connection, file, row)} for row in found]
        office.seen(who, "consents.seen", head["id"], head["site"])
        return {
            "patient": head["id"], "site": head["site"], "consents": rows,
            "points": POINTS, "copies": COPIES, "withdrawals": WITHDRAWALS, "signers": SIGNERS,
            "document": text.shown(),
        }  # fmt: skip

    @routes.post("/patients/{patient}/consents", status_code=201)
    def begin(who: Recorder, patient: UUID, body: Informed) -> dict[str, Any]:
        """Keep the oral information; the declaration can be signed then."""
        return taking.begin(
            office, who, patient, body.region, by=body.informed_by, at=body.informed_at, points=body.points,
            questions=body.questions,
        ).shown()  # fmt: skip


def _add_steps(routes: APIRouter, office: Office) -> None:
    @routes.post("/patients/{patient}/consents/{consent}/signature")
    def draw(who: Recorder, patient: UUID, consent: UUID, body: Drawn) -> dict[str, Any]:
        """Sign on the screen."""
        content = signing.drawn(body.png)
        at = taking.moment("at", "")
        signed = taking.Signed(body.signer, body.role, content, "image/png", at, is_drawn=True)
        return taking.sign(office, who, patient, consent, signed).shown()

    @routes.post("/patients/{patient}/consents/{consent}/scan")
    def scan(
        who: Recorder, patient: UUID, consent: UUID, file: Annotated[UploadFile, File()],
        signer: Annotated[str, Form(max_length=1000)], role: Annotated[str, Form(max_length=20)] = "patient",
        at: Annotated[str, Form(max_length=40)] = "",
    ) -> dict[str, Any]:  # fmt: skip
        """File the declaration that was signed on paper."""
        content = file.file.read(signing.MOST_SCAN + 1)
        media_type = signing.scanned(content)
        signed = taking.Signed(signer, role, content, media_type, taking.moment("at", at), is_drawn=False)
        return taking.sign(office, who, patient, consent, signed).shown()

    @routes.post("/patients/{patient}/consents/{consent}/copy")
    def copy(who: Recorder, patient: UUID, consent: UUID, body: Copied) -> dict[str, Any]:
        """Keep that a copy was handed over."""
        return taking.copy(office, who, patient, consent, how=body.how, at=body.at).shown()

    @routes.post("/patients/{patient}/consents/{consent}/withdrawal")
    def withdraw(who: Recorder, patient: UUID, consent: UUID, body: Withdrawn) -> dict[str, Any]:
        """Keep the withdrawal; clearances are suspended at once."""
        made = taking.withdraw(office, who, patient, consent, how=body.how, at=body.at, note=body.note)
        return made.shown()


def _add_papers(routes: APIRouter, office: Office) -> None:
    @routes.get("/patients/{patient}/consents/{consent}/declaration")
    def paper(who: Reader, patient: UUID, consent: UUID) -> Response:
        """The declaration: as it was signed or scanned, else to be read and signed."""
        head, found = taking.found_of(office, who, patient, consent)
        office.seen(who, "declaration.seen", head["id"], head["site"], consent=str(consent))
        with reading(office.engine) as connection:
            held = store.paper(connection, consent, ("declaration", "scan"))
            file = keeping_file(connection, patient)
            zone = zones.zone_of(connection, file.site)
        if held is not None:
            return _file(bytes(held["content"]), held["media_type"], f"einwilligung-{consent}")
        return _file(declaration.unsigned(file, found, zone), PDF, f"einwilligung-{consent}")

    @routes.get("/patients/{patient}/consents/{consent}/signature")
    def signature(who: Reader, patient: UUID, consent: UUID) -> Response:
        """The signature as it was drawn."""
        head, _found = taking.found_of(office, who, patient, consent)
        with reading(office.engine) as connection:
            held = store.paper(connection, consent, ("signature",))
        if held is None:
            english = "nothing was drawn for this consent"
            raise NotFound(english, {"de": "Für diese Einwilligung wurde nichts gezeichnet.", "en": english})
        office.seen(who, "signature.seen", head["id"], head["site"], consent=str(consent))
        return _file(bytes(held["content"]), held["media_type"], f"unterschrift-{consent}")


def _add_documents(routes: APIRouter, office: Office) -> None:
    @routes.get("/documents")
    def overview(_who: Reader, site: Site = ALL_SITES) -> list[dict[str, Any]]:
        """Which version of every document counts at a site."""
        return documents.overview(office, site)

    @routes.get("/documents/{kind}/{language}")
    def one(_who: Reader, kind: str, language: str, site: Site = ALL_SITES) -> dict[str, Any]:
        """A document as it counts at a site, with the versions of that site's own text."""
        with reading(office.engine) as connection:
            found = documents.current(connection, kind, language, site)
            rows = documents.versions(connection, kind, language, site)
        return {**found.shown(), "kinds": KINDS, "versions": [row.shown(whole=False) for row in rows]}

    @routes.get("/documents/{kind}/{language}/pdf")
    def pdf(_who: Reader, kind: str, language: str, site: Site = ALL_SITES) -> Response:
        """The same as PDF."""
        with reading(office.engine) as connection:
            found = documents.current(connection, kind, language, site)
        return _printed(found)

    @routes.get("/document-versions/{version}")
    def version(_who: Reader, version: UUID) -> dict[str, Any]:
        """A version, whenever it counted."""
        with reading(office.engine) as connection:
            return documents.by_id(connection, version).shown()


def _add_editing(routes: APIRouter, office: Office) -> None:
    @routes.post("/documents/{kind}/{language}", status_code=201)
    def save(who: Editor, kind: str, language: str, body: Edited) -> dict[str, Any]:
        """A new version; the ones before stay."""
        return documents.save(
            office, who, kind, language, body.site, title=body.title, body=body.body, note=body.note,
            base=body.base,
        ).shown()  # fmt: skip

    @routes.post("/documents/preview")
    def preview(_who: Editor, body: Draft) -> Response:
        """A text as PDF before it is kept."""
        title, text = documents.checked(body.title, body.body)
        draft = Document(None, "draft", body.language, "", 0, title, text, "", "-" * 12, None, "")
        return _printed(draft)


def _printed(found: Document) -> Response:
    language: Language = "en" if found.language == "en" else "de"
    return _file(declaration.leaflet(found, language), PDF, f"{found.kind}-{found.language}")


def _file(content: bytes, media_type: str, name: str) -> Response:
    ending = signing.ENDINGS[media_type]
    headers = {
        "content-disposition": f'inline; filename="{name}.{ending}"', "cache-control": "no-store",
    }  # fmt: skip
    return Response(content, media_type=media_type, headers=headers)
