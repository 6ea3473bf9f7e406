"""The planner of a cure: for whom, which wishes, the whole series before it is booked, why not otherwise."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.console.context import Console
from services.console.errors import BadSearch, OfficeRefused, OfficeUnavailable
from services.console.planning import people
from services.console.planning.models import rules_of
from services.console.planning.places import Site, day_of, offered, site_of, tabs
from services.console.planning.problems import Problem, of_prescription, problem_of
from services.console.planning.series import Series, chosen_of
from services.console.planning.treatable import treatable
from services.console.planning.week import WEEKDAYS, Resources
from services.console.planning.wishes import (
    OF_PERSON,
    OPTIONAL,
    PRESCRIBED,
    Wishes,
    may_prescribe,
    segments,
)
from services.console.refusals import said
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.language import Language
from services.kit.pages import language_of
from services.kit.routes import Routes

Planner = Annotated[Principal, allow("cures.plan")]
CONFLICT: Final = 409
REFUSED: Final = 422
PRESCRIPTION: Final = (*PRESCRIBED, *OF_PERSON, *OPTIONAL)  # what the form shows of it


def router(console: Console) -> APIRouter:
    """``/planning``."""
    routes = Routes(include_in_schema=False)

    @routes.get("/planning")
    async def form(
        request: Request, who: Planner, site: str = "", patient: str = "", q: str = ""
    ) -> Response:
        """Whom it is for, then the form."""
        place = await site_of(console, who, site, "cures.plan")
        if not patient:
            return await _search(console, request, who, place, q[:80])
        known = await people.known(console, who, patient[:40], place.today())
        cadences = await console.scheduler.ask(who, "/cadences")
        wishes = Wishes.new(place, str(cadences[0]["id"]), known)
        return await _shown(console, request, who, place, wishes)

    @routes.post("/planning")
    async def answer(request: Request, who: Planner) -> Response:
        """Show the series, answer "why not?", or book it, by the button that was pressed."""
        sent = await request.form()
        place = await site_of(console, who, str(sent.get("site") or ""), "cures.plan")
        wishes = Wishes.of(sent)
        act = {"why": _why, "book": _book}.get(str(sent.get("act")), _preview)
        try:
            wishes = await _of_file(console, who, place, wishes)
            return await act(console, request, who, place, wishes)
        except (BadSearch, OfficeRefused) as error:
            problem = _problem(error, language_of(request))
            return await _shown(console, request, who, place, wishes, problem=problem)

    return routes


async def _of_file(console: Console, who: Principal, site: Site, wishes: Wishes) -> Wishes:
    """With weight, age and sex as the file says them on the first day. Raises BadSearch."""
    patient = str(wishes.patient())
    try:
        day = day_of(wishes["earliest"], site.today())
    except BadSearch:
        day = site.today()
    return wishes.of_file(await people.known(console, who, patient, day))


def _problem(error: BadSearch | OfficeRefused, language: Language) -> Problem:
    """A prescription's faults each at their field, anything else as it is."""
    body: Mapping[str, Any] = error.body if isinstance(error, OfficeRefused) else {}
    return of_prescription(body.get("rules") or (), PRESCRIPTION, language) or problem_of(error, language)


async def _search(console: Console, request: Request, who: Principal, site: Site, q: str) -> Response:
    language = language_of(request)
    found: Sequence[people.Person] = []
    problem = None
    if q.strip():
        try:
            found = await people.search(console, who, site.name, q)
        except (OfficeRefused, OfficeUnavailable) as error:
            problem = error.words[language]
    return console.page(
        request, "planning/patient.html", page="planning", title=TEXTS["plan_tab_planning"][language],
        tabs=tabs(who, site.name), site=site, sites=offered(console, who, "cures.plan"), q=q, found=found,
        problem=problem,
    )  # fmt: skip


async def _preview(
    console: Console, request: Request, who: Principal, site: Site, wishes: Wishes
) -> Response:
    """The series, and what the first prescription breaks: the same code looks at it as at the booking."""
    language = language_of(request)
    body, problem = wishes.body(site), None
    try:
        document = wishes.prescription() if may_prescribe(who, site.name) else None
        body |= {"prescription": document} if document else {}
    except BadSearch as error:
        problem = problem_of(error, language)
    answer = await console.scheduler.send(who, "POST", "/cures/preview", body, thinks=True)
    problem = problem or of_prescription(answer.get("prescription") or (), PRESCRIPTION, language)
    return await _shown(console, request, who, site, wishes, preview=answer, problem=problem)


async def _book(console: Console, _request: Request, who: Principal, site: Site, wishes: Wishes) -> Response:
    """All of it or nothing; who comes second is shown what is still free."""
    body = wishes.body(site) | {"request": wishes["request"]}
    if wishes.chosen:
        body["appointments"] = chosen_of(wishes.chosen)
    if may_prescribe(who, site.name) and (document := wishes.prescription()) is not None:
        body["prescription"] = document
    made = await console.scheduler.send(who, "POST", "/cures", body, thinks=True)
    return RedirectResponse(f"/cures/{made['cure']}?done=booked", 303)


async def _why(console: Console, request: Request, who: Principal, site: Site, wishes: Wishes) -> Response:
    """Say which rule forbids a time: why not Tuesday 10:00?"""
    query = {
        "site": site.name, "region": wishes["region"], "starts_at": why_moment(site, wishes).isoformat(),
        "patient": str(wishes.patient()),
    }  # fmt: skip
    query |= {"device": wishes["why_device"]} if wishes["why_device"] else {}
    answer = await console.scheduler.ask(who, "/why", query)
    rules = rules_of(answer, language_of(request))
    return await _shown(console, request, who, site, wishes, why={"ok": bool(answer["ok"]), "rules": rules})


def why_moment(site: Site, wishes: Wishes) -> datetime:
    """The time that was asked about. Raises BadSearch."""
    try:
        day = day_of(wishes["why_on"], site.today())
        clock = datetime.strptime(wishes["why_at"].strip()[:5], "%H:%M").time()  # noqa: DTZ007  (of a wall clock)
        return site.moment(datetime.combine(day, clock))
    except ValueError:
        words = said("plan_bad_time", value=wishes["why_at"] or formats.NOTHING)
        raise BadSearch(words, "why_at") from None
    except BadSearch as error:
        raise BadSearch(error.words, "why_on" if error.field == "day" else "why_at") from None


async def _shown(
    console: Console, request: Request, who: Principal, site: Site, wishes: Wishes, *,
    preview: Mapping[str, Any] | None = None, problem: Problem | None = None,
    why: Mapping[str, Any] | None = None,
) -> Response:  # fmt: skip
    language = language_of(request)
    resources = Resources.of(await console.scheduler.ask(who, "/resources", {"site": site.name}))
    cadences = await console.scheduler.ask(who, "/cadences")
    names = resources.names()
    alternatives = (preview or {}).get("alternatives") or (problem.alternatives if problem else ())
    series = Series.of(preview, site, names, language) if preview else None
    if problem and problem.status == REFUSED and series is None:  # what was shown stays
        series = Series.kept(wishes, site, names, language)
    stands = await treatable(
        console, who, site.name, wishes["patient"], wishes["region"], language, (preview or {}).get("care")
    )
    return console.page(
        request, "planning/plan.html", status=problem.status if problem else 200, page="planning",
        title=TEXTS["plan_tab_planning"][language], tabs=tabs(who, site.name), site=site, wishes=wishes,
        weekdays=WEEKDAYS, segments=segments(), series=series, problem=problem, why=why,
        is_loser=bool(problem and problem.status == CONFLICT and not (stands and stands.is_refused)),
        treatable=stands,
        alternatives=[Series.of(row, site, names, language) for row in alternatives],
        cadences=_cadences(cadences, language),
        devices=resources.named("device"),
        therapists=resources.named("therapist"),
        may_prescribe=may_prescribe(who, site.name), may_wait=who.may("appointments.write", site.name),
    )  # fmt: skip


def _cadences(rows: Sequence[Mapping[str, Any]], language: Language) -> list[tuple[str, str]]:
    return [(str(row["id"]), str(row[f"text_{language}"])) for row in rows]
