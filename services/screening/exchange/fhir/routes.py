"""FHIR R4 over HTTP, below `/fhir`: Patient and what belongs to one, at the sites where the caller may."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Header, Query, Request
from fastapi.responses import JSONResponse

from services.kit.auth.guard import allow, public, sites_for
from services.kit.auth.principal import Principal, Sites
from services.kit.business.service import Office
from services.kit.database import reading
from services.kit.fhir import FhirRoute, answered, base_of, bundle
from services.kit.routes import Routes
from services.screening.errors import NotFound
from services.screening.exchange.fhir import reads, writes
from services.screening.exchange.fhir.capability import statement

Used = Annotated[Principal, allow("exchange.use")]
UsedAt = Annotated[Sites, sites_for("exchange.use")]
Writes = Annotated[Principal, allow("patients.write")]
Answers = Annotated[Principal, allow("screening.answer")]
Consents = Annotated[Principal, allow("consent.record")]
Measures = Annotated[Principal, allow("outcomes.write")]
Sees = Annotated[Principal, allow("outcomes.see")]
Sent = Annotated[dict[str, Any], Body()]
Text = Annotated[str, Query(max_length=200)]
Whose = Annotated[str, Query(max_length=200, description="Patient/ID, or the id alone.")]
Count = Annotated[int, Query(ge=1, le=200, alias="_count")]
STARTED = "2026-11-22"  # this statement of capabilities is of that day


def router(office: Office) -> APIRouter:
    """The routes."""
    routes = Routes(prefix="/fhir", tags=["fhir"], route_class=FhirRoute)
    _patients(office, routes)
    _kept(office, routes)
    _declared(routes, _Belongings(office))
    _treated(routes, _Belongings(office))
    _created(office, routes)

    @routes.get("/metadata", dependencies=[public()])
    def metadata() -> JSONResponse:
        """What this server does."""
        return answered(statement(STARTED))

    @routes.get("/Questionnaire/{region}")
    def questionnaire(
        region: str, _who: Used, language: Annotated[str, Query(pattern="^(de|en)$")] = "en"
    ) -> JSONResponse:
        """The questions of a region, `lumbar` or `cervical`."""
        return answered(reads.questionnaire(office, region, language))

    return routes


def _patients(office: Office, routes: APIRouter) -> None:
    @routes.get("/Patient")
    def search(
        request: Request, who: Used, sites: UsedAt, identifier: Text = "", name: Text = "", family: Text = "",
        given: Text = "", birthdate: Text = "", count: Count = 50,
    ) -> JSONResponse:  # fmt: skip
        """Patients by identifier (`system|value`), name, birth date; all that is asked must hold."""
        asked = reads.Asked(identifier, name, family, given, birthdate, count)
        with reading(office.engine) as connection:
            found = reads.patients(connection, sites, asked)
        office.seen(who, "fhir.searched", "Patient", None, shown=len(found))
        return answered(bundle(found, base_of(request)))

    @routes.get("/Patient/{patient}")
    def read(patient: str, who: Used) -> JSONResponse:
        """One patient."""
        with reading(office.engine) as connection:
            file = reads.file(connection, who, _id(patient, "Patient"))
            found = reads.patient(connection, file)
        office.seen(who, "fhir.read", found["id"], file.site, kind="Patient")
        return answered(found)

    @routes.get("/Patient/{patient}/$everything")
    def everything(request: Request, patient: str, who: Used, _also: Sees) -> JSONResponse:
        """One patient with everything that belongs to them."""
        with reading(office.engine) as connection:
            file = reads.file(connection, who, _id(patient, "Patient"))
            reads.require(who, "outcomes.see", file)
            found = [reads.patient(connection, file)]
            for take in reads.BELONGINGS.values():
                found += take(office, connection, file)
        office.seen(who, "fhir.read", str(file.patient), file.site, kind="everything")
        return answered(bundle(found, base_of(request)))


def _kept(office: Office, routes: APIRouter) -> None:
    @routes.post("/Patient")
    def create(request: Request, body: Sent, who: Writes, _also: Used) -> JSONResponse:
        """Open a file; whom it may be a duplicate of is refused."""
        return answered(writes.create_patient(office, who, body), 201, base_of(request))

    @routes.put("/Patient/{patient}")
    def update(
        request: Request, patient: str, body: Sent, who: Writes, _also: Used,
        if_match: Annotated[str | None, Header(max_length=40)] = None,
    ) -> JSONResponse:  # fmt: skip
        """A new version of what a Patient says; with `If-Match`, of the version that was read."""
        found = writes.update_patient(office, who, _id(patient, "Patient"), body, if_match)
        return answered(found, 200, base_of(request))


class _Belongings:
    """What belongs to a patient: a search by patient and a read by id of every kind."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def listed(self, kind: str, request: Request, who: Principal, whose: str) -> JSONResponse:
        """Everything of a kind."""
        office = self._office
        with reading(office.engine) as connection:
            file = reads.file(connection, who, _id(whose.removeprefix("Patient/"), "Patient"))
            _require(kind, who, file)
            found = reads.BELONGINGS[kind](office, connection, file)
        office.seen(who, "fhir.searched", str(file.patient), file.site, kind=kind)
        return answered(bundle(found, base_of(request)))

    def one(self, kind: str, who: Principal, name: str) -> JSONResponse:
        """One of them."""
        office = self._office
        with reading(office.engine) as connection:
            file = reads.owner(connection, who, kind, name)
            _require(kind, who, file)
            rows = [row for row in reads.BELONGINGS[kind](office, connection, file) if row["id"] == name]
        if not rows:
            raise _unknown(kind, name)
        office.seen(who, "fhir.read", str(file.patient), file.site, kind=kind)
        return answered(rows[0])


def _declared(routes: APIRouter, of: _Belongings) -> None:
    """What a patient said: answers and consents."""

    @routes.get("/QuestionnaireResponse")
    def responses(request: Request, who: Used, patient: Whose) -> JSONResponse:
        """What somebody answered, a response a region."""
        return of.listed("QuestionnaireResponse", request, who, patient)

    @routes.get("/QuestionnaireResponse/{response}")
    def response(response: str, who: Used) -> JSONResponse:
        """One response: `PATIENT-lumbar`, `PATIENT-cervical`."""
        return of.one("QuestionnaireResponse", who, response)

    @routes.get("/Consent")
    def consents(request: Request, who: Used, patient: Whose) -> JSONResponse:
        """Somebody's consents, withdrawn ones too."""
        return of.listed("Consent", request, who, patient)

    @routes.get("/Consent/{consent}")
    def consent(consent: str, who: Used) -> JSONResponse:
        """One consent."""
        return of.one("Consent", who, consent)


def _treated(routes: APIRouter, of: _Belongings) -> None:
    """What was done, and measured."""

    @routes.get("/Procedure")
    def procedures(request: Request, who: Used, patient: Whose) -> JSONResponse:
        """Somebody's sessions, and what others did."""
        return of.listed("Procedure", request, who, patient)

    @routes.get("/Procedure/{session}")
    def procedure(session: str, who: Used) -> JSONResponse:
        """One of them."""
        return of.one("Procedure", who, session)

    @routes.get("/Observation")
    def observations(request: Request, who: Used, _also: Sees, patient: Whose) -> JSONResponse:
        """What was measured and asked: sessions, outcomes, weight and height."""
        return of.listed("Observation", request, who, patient)

    @routes.get("/Observation/{observation}")
    def observation(observation: str, who: Used, _also: Sees) -> JSONResponse:
        """One observation."""
        return of.one("Observation", who, observation)


def _created(office: Office, routes: APIRouter) -> None:
    @routes.post("/QuestionnaireResponse")
    def answer(request: Request, body: Sent, who: Answers, _also: Used) -> JSONResponse:
        """Keep answers; all of them or, where one is wrong, none. A new answer suspends what it concerns."""
        return answered(writes.answer(office, who, body), 201, base_of(request))

    @routes.post("/Consent")
    def consent(request: Request, body: Sent, who: Consents, _also: Used) -> JSONResponse:
        """Keep a declaration that was signed on paper, with the oral information before it (BGB 630e)."""
        return answered(writes.consent(office, who, body), 201, base_of(request))

    @routes.put("/Consent/{consent}")
    def withdraw(request: Request, consent: str, body: Sent, who: Consents, _also: Used) -> JSONResponse:
        """Withdraw a consent (`inactive`); it suspends what it concerns at once."""
        return answered(writes.withdraw(office, who, consent, body), 200, base_of(request))

    @routes.post("/Procedure")
    def procedure(request: Request, body: Sent, who: Writes, _also: Used) -> JSONResponse:
        """Keep what was done elsewhere, an operation or injections; it decides nothing by itself."""
        return answered(writes.procedure(office, who, body), 201, base_of(request))

    @routes.post("/Observation")
    def observe(request: Request, body: Sent, who: Measures, _also: Used) -> JSONResponse:
        """Keep a pain score, a body weight or a body height."""
        return answered(writes.observe(office, who, body), 201, base_of(request))


def _require(kind: str, who: Principal, file: Any) -> None:
    if kind == "Observation":
        reads.require(who, "outcomes.see", file)


def _id(text: str, kind: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise _unknown(kind, text) from None


def _unknown(kind: str, name: str) -> NotFound:
    english = f"no {kind} {name[:80]} is known here"
    return NotFound(english, {"de": f"{kind} {name[:80]} ist hier nicht bekannt.", "en": english})
