"""FHIR R4 over HTTP, below `/fhir`: Appointment, at the sites where the caller may."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Body, Header, Query, Request
from fastapi.responses import JSONResponse

from services.kit import fhir
from services.kit.auth.guard import allow, public, sites_for
from services.kit.auth.principal import Principal, Sites
from services.kit.fhir import FhirInvalid, FhirRoute, FhirUnsupported, answered, base_of, bundle
from services.kit.language import Text
from services.kit.routes import Routes
from services.scheduler.booking.acting import appointment_seen
from services.scheduler.booking.desk import Desk
from services.scheduler.exchange import changing, store
from services.scheduler.exchange.appointments import STATUS, resource
from services.scheduler.exchange.days import when
from services.scheduler.exchange.store import Asked
from services.scheduler.resources.store import no_such

Used = Annotated[Principal, allow("exchange.use")]
UsedAt = Annotated[Sites, sites_for("exchange.use")]
Seeing = Annotated[Principal, allow("appointments.see")]
SeeingAt = Annotated[Sites, sites_for("appointments.see")]
Writing = Annotated[Principal, allow("appointments.write")]
Sent = Annotated[dict[str, Any], Body()]
Whose = Annotated[str, Query(max_length=60, description="Patient/ID, or the id alone.")]
Dates = Annotated[list[Annotated[str, Query(max_length=40)]], Query(alias="date", max_length=4)]
Status = Annotated[str, Query(max_length=200, description="One or several, with commas between them.")]
Count = Annotated[int, Query(ge=1, le=200, alias="_count")]
Offset = Annotated[int, Query(ge=0, le=1_000_000, alias="_offset")]
SINCE: Final = "2026-11-22"  # this statement of capabilities is of that day
_STATUSES: Final = (
    "proposed", "pending", "booked", "arrived", "fulfilled", "cancelled", "noshow", "entered-in-error",
    "checked-in", "waitlist",
)  # fmt: skip
_SEARCHED: Final = (("patient", "reference"), ("date", "date"), ("status", "token"))
_WHOLE: Final[Text] = {
    "de": "Ein einzelner Termin wird nicht angelegt: eine Kur wird ganz geplant, mit Rhythmus, Pausen, Liege "
    "und Therapeut. Dafür gibt es POST /cures (vorher POST /cures/preview)",
    "en": "a single appointment is not made: a cure is planned whole, with cadence, rest, bed and therapist; "
    "use POST /cures (and POST /cures/preview before it)",
}


def router(desk: Desk) -> APIRouter:
    """The routes."""
    routes = Routes(prefix="/fhir", tags=["fhir"], route_class=FhirRoute)
    _reading(routes, desk)
    _writing(routes, desk)

    @routes.get("/metadata", dependencies=[public()])
    def metadata() -> JSONResponse:
        """What this server does."""
        rows = [fhir.capable("Appointment", ("read", "search-type", "update"), _SEARCHED)]
        return answered(fhir.statement("Spondyl scheduler", "Appointments of cures", SINCE, rows))

    return routes


def _reading(routes: APIRouter, desk: Desk) -> None:
    @routes.get("/Appointment")
    def search(
        request: Request, who: Used, sites: UsedAt, _also: Seeing, seen_at: SeeingAt, patient: Whose = "",
        dates: Dates = [], status: Status = "", count: Count = 50, offset: Offset = 0,  # noqa: B006  (FastAPI copies it)
    ) -> JSONResponse:  # fmt: skip
        """Appointments by patient, date of the start and status; all that is asked must hold."""
        asked = _asked(patient, dates, status, count, offset)
        allowed = sites if seen_at is None else seen_at if sites is None else sites & seen_at
        with desk.reading() as connection:
            total, found = store.search(connection, allowed, asked)
            known = store.versions(connection, found)
        record = f"patient {asked.patient}" if asked.patient else "Appointment"
        places: list[str | None] = [*sorted({one.site for one in found})]
        for site in places or [None]:
            desk.office.seen(who, "fhir.searched", record, site, shown=len(found))
        further = ""
        if offset + len(found) < total and found:
            further = str(request.url.include_query_params(_count=count, _offset=offset + len(found)))
        rows = [resource(one, known[one.appointment]) for one in found]
        return answered(bundle(rows, base_of(request), total, further))

    @routes.get("/Appointment/{appointment}")
    def read(appointment: str, who: Used, _also: Seeing) -> JSONResponse:
        """One appointment; its version is in `ETag`."""
        with desk.reading() as connection:
            one = appointment_seen(connection, _id(appointment), who, "appointments.see", "exchange.use")
            found = changing.shown(connection, one)
        desk.office.seen(who, "fhir.read", f"appointment {one.appointment}", one.site, kind="Appointment")
        return answered(found)


def _writing(routes: APIRouter, desk: Desk) -> None:
    @routes.put("/Appointment/{appointment}")
    def update(
        request: Request, appointment: str, body: Sent, who: Writing, _also: Used,
        if_match: Annotated[str | None, Header(max_length=40)] = None,
    ) -> JSONResponse:  # fmt: skip
        """Move it (`start`, `end`) or end it (`status` cancelled, noshow); `If-Match`: that version alone."""
        found = changing.change(desk, who, _id(appointment), body, if_match)
        return answered(found, 200, base_of(request))

    @routes.post("/Appointment")
    def create(_who: Writing, _also: Used) -> JSONResponse:
        """Refused: a cure is planned whole, by `POST /cures`."""
        raise FhirUnsupported(_WHOLE, "GET")


def _asked(patient: str, dates: list[str], status: str, count: int, offset: int) -> Asked:
    """What is searched by. Raises FhirInvalid."""
    if not (patient or dates):
        raise _refused("", "eine Suche braucht patient oder date", "a search needs patient or date")
    return Asked(_patient(patient) if patient else None, [when(text) for text in dates], _states(status),
                 count, offset)  # fmt: skip


def _patient(text: str) -> UUID:
    try:
        return UUID(text.removeprefix("Patient/"))
    except ValueError:
        shown = repr(text[:60])
        raise _refused(
            "patient", f"patient ist {shown}: Patient/ID ist nötig", f"is {shown}: Patient/ID is needed"
        ) from None


def _states(text: str) -> frozenset[str] | None:
    """Our states of FHIR's; none: of every one."""
    if not text:
        return None
    wanted = [part.rpartition("|")[2] for part in text.split(",")]
    if strange := [part for part in wanted if part not in _STATUSES]:
        shown, known = repr(strange[0][:40]), ", ".join(_STATUSES)
        raise _refused(
            "status", f"status ist {shown}, nicht eines von {known}", f"is {shown}, none of {known}"
        )
    return frozenset(state for state, name in STATUS.items() if name in wanted)


def _refused(place: str, german: str, english: str) -> FhirInvalid:
    return FhirInvalid([(place, english)], {"de": german, "en": f"{place} {english}".strip()})


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise no_such("appointment", "Termin", text) from None
