"""What a site plans with: opening hours, beds, therapists with their shifts, outages."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData

from services.console.context import Console
from services.console.errors import BadSearch, OfficeRefused
from services.console.planning import plant
from services.console.planning.places import Site, offered, site_of, tabs
from services.console.planning.problems import Problem, problem_of
from services.console.planning.week import WEEKDAYS, Resources
from services.console.texts import TEXTS
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("appointments.see")]
Keeper = Annotated[Principal, allow("resources.manage")]
DONE: Final = ("site", "therapist", "device", "outage", "outage_ended")


def router(console: Console) -> APIRouter:
    """``/resources`` and its changes."""
    routes = Routes(include_in_schema=False)
    _add_page(routes, console)
    _add_changes(routes, console)
    return routes


def _add_page(routes: APIRouter, console: Console) -> None:
    @routes.get("/resources")
    async def resources(request: Request, who: Reader, site: str = "", done: str = "") -> Response:
        """Everything that a site plans with."""
        place = await site_of(console, who, site)
        return await _shown(console, request, who, place, done=done if done in DONE else "")


def _add_changes(routes: APIRouter, console: Console) -> None:
    @routes.post("/resources/{site}/{what}")
    async def change(request: Request, who: Keeper, site: str, what: str) -> Response:
        """Keep the site, a bed, a therapist or an outage; what cannot be read stays as it was typed."""
        place = await site_of(console, who, site)
        form = await request.form()
        try:
            await _send(console, who, place, what, form)
        except (BadSearch, OfficeRefused) as error:
            problem = problem_of(error, language_of(request))
            return await _shown(console, request, who, place, problem=problem, at=what, form=form)
        done = "outage_ended" if what == "outage" and form.get("outage") else what
        return RedirectResponse(f"/resources?site={place.name}&done={done}", 303)


async def _send(console: Console, who: Principal, site: Site, what: str, form: FormData) -> None:
    """One change, as the scheduler is told. Raises BadSearch, OfficeRefused."""
    method, path, body = _change(site, what, form)
    await console.scheduler.send(who, method, path, body)


def _change(site: Site, what: str, form: FormData) -> tuple[str, str, Mapping[str, Any] | None]:
    one = str(form.get(what) or "")[:60]
    if what == "device":
        return "PUT", f"/devices/{site.name}/{one}", {"in_use": form.get("in_use") == "yes"}
    if what == "therapist":
        body = plant.therapist_body(form, site)
        return ("PUT", f"/therapists/{one}", body) if one else ("POST", "/therapists", body)
    if what == "outage":
        if one:
            return "DELETE", f"/outages/{one}", None
        return "POST", "/outages", plant.span_of(form, site) | {"reason": str(form.get("reason") or "")[:500]}
    return "PUT", f"/sites/{site.name}", plant.site_body(form)


async def _shown(
    console: Console, request: Request, who: Principal, site: Site, *, done: str = "",
    problem: Problem | None = None, at: str = "", form: FormData | None = None,
) -> Response:  # fmt: skip
    """The page; where a form was refused, with what was typed in it."""
    language = language_of(request)
    answer = await console.scheduler.ask(who, "/resources", {"site": site.name})
    resources = Resources.of(answer)
    typed = {name: str(value)[: plant.MOST] for name, value in form.items()} if form else {}
    names = resources.names()
    return console.page(
        request, "planning/resources.html", status=problem.status if problem else 200, page="resources",
        title=TEXTS["plan_tab_resources"][language], tabs=tabs(who, site.name), site=site,
        sites=offered(console, who), resources=resources, names=names, done=done, problem=problem, at=at,
        typed=typed, weekdays=WEEKDAYS, hours=plant.typed_week(site.body["hours"]),
        shifts={str(row["therapist"]): plant.typed_week(row["shifts"]) for row in resources.therapists},
        states=[(f"DE-{each}", TEXTS[f"state_{each.lower()}"][language]) for each in plant.STATES],
        outs=resources.choices(), left=len(answer.get("replan") or ()),
        may_change=who.may("resources.manage", site.name), may_replan=who.may("plan.replan", site.name),
    )  # fmt: skip
