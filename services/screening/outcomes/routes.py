"""The API of outcomes, adverse events and the report."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response

from services.kit.auth.guard import allow, signed_in
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.routes import Routes
from services.screening.clearance import gates, people
from services.screening.outcomes import adverse, entry, report, store
from services.screening.outcomes.change import courses_of
from services.screening.outcomes.instruments import instruments, pain_scale
from services.screening.settings import ScreeningSettings

Reader = Annotated[Principal, allow("outcomes.see")]
Writer = Annotated[Principal, allow("outcomes.write")]
Reporter = Annotated[Principal, allow("adverse.report")]
Slug = Annotated[str, Query(max_length=40, pattern=r"^[a-z0-9-]*$")]


def router(office: Office) -> APIRouter:
    """``/patients/{patient}/outcomes``, ``adverse``; ``/outcomes/report``; the tables behind them."""
    routes = Routes(tags=["outcomes"])
    _add_outcomes(routes, office)
    _add_adverse(routes, office)
    _add_tables(routes)
    _add_report(routes, office)
    return routes


def _add_outcomes(routes: APIRouter, office: Office) -> None:
    @routes.get("/patients/{patient}/outcomes")
    def outcomes(patient: UUID, who: Reader) -> dict[str, Any]:
        """Each cure with its sessions, pain, scores and changes; every row as it was kept; adverse events."""
        with reading(office.engine) as connection:
            file = people.require(connection, patient, who, "outcomes.see")
            ids = people.ids(connection, patient)
            found = {
                "patient": str(file.patient),
                "courses": [course.as_json() for course in courses_of(connection, ids)],
                "outcomes": [row.as_json() for row in store.outcomes(connection, ids)],
                "adverse": [event.as_json() for event in store.adverse(connection, ids)],
                "cures": [one.as_json() for one in gates.progress(connection, ids)],
                "pain": pain_scale().model_dump(),
            }
        office.seen(who, "outcomes.seen", str(file.patient), file.site)
        return found

    @routes.post("/patients/{patient}/outcomes", status_code=201)
    def record(patient: UUID, body: entry.NewOutcome, who: Writer) -> dict[str, Any]:
        """Keeps what was said or measured, once by its id."""
        site = people.site_of(office, patient, who, "outcomes.write")
        office.seen(who, "outcome.added", str(patient), site, kind=body.kind, id=str(body.id))
        with writing(office.engine) as connection:
            made = entry.record(connection, patient, body, who)
        return made.as_json()


def _add_adverse(routes: APIRouter, office: Office) -> None:
    @routes.get("/patients/{patient}/adverse")
    def events(patient: UUID, who: Reader) -> list[dict[str, Any]]:
        """Adverse events, newest first."""
        with reading(office.engine) as connection:
            file = people.require(connection, patient, who, "outcomes.see")
            found = store.adverse(connection, people.ids(connection, patient))
        office.seen(who, "outcomes.seen", str(file.patient), file.site)
        return [event.as_json() for event in found]

    @routes.post("/patients/{patient}/adverse", status_code=201)
    def report_one(patient: UUID, body: adverse.Report, who: Reporter) -> dict[str, Any]:
        """Reports an adverse event, once by its id; where its row says so it suspends at once."""
        site = people.site_of(office, patient, who, "adverse.report")
        office.seen(who, "adverse.reported", str(patient), site, kind=body.kind, grade=body.grade)
        with writing(office.engine) as connection:
            made = adverse.report(office, connection, patient, body, who)
        office.outbox.woken.set()
        return made.as_json()


def _add_tables(routes: APIRouter) -> None:
    @routes.get("/instruments", dependencies=[signed_in()])
    def known_instruments() -> list[dict[str, Any]]:
        """The questionnaires with their sections."""
        return [row.as_json() for row in instruments().values()]

    @routes.get("/adverse-kinds", dependencies=[signed_in()])
    def known_kinds() -> dict[str, Any]:
        """What may be reported, and the grades."""
        return {
            "kinds": [row.model_dump() for row in adverse.kinds().values()],
            "grades": [row.model_dump() for row in adverse.grades().values()],
        }


def _add_report(routes: APIRouter, office: Office) -> None:
    @routes.get("/outcomes/report", response_model=None)
    def whole(
        who: Reader,
        site: Slug = "",
        region: Literal["", "lumbar", "cervical"] = "",
        since: Annotated[date | None, Query(alias="from")] = None,
        until: Annotated[date | None, Query(alias="to")] = None,
        form: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
    ) -> Response | dict[str, Any]:
        """What came of treatment over all sites that the reader may see, or one; up to 366 days."""
        asked = report.Asked.of(since, until, site, region)
        settings = office.settings
        least = settings.report_least_group if isinstance(settings, ScreeningSettings) else 0
        with reading(office.engine) as connection:
            found = report.report(connection, asked, who.sites("outcomes.see"), least)
        office.seen(who, "outcomes.reported", "report", site or None, region=region, format=form)
        if form == "json":
            return found
        name = f"outcomes-{asked.since}-{asked.until}.csv"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(report.as_csv(found), media_type="text/csv; charset=utf-8", headers=headers)
