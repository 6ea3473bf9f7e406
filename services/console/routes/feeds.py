"""Calendar feeds: secret addresses that a patient's, a bed's or a therapist's calendar program reads."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from services.console.context import Console
from services.console.errors import OfficeRefused
from services.console.planning.names import names_of
from services.console.planning.places import Site, offered, site_of, tabs
from services.console.planning.problems import Problem, problem_of
from services.console.planning.week import Resources
from services.console.texts import TEXTS
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("appointments.see")]
Writer = Annotated[Principal, allow("appointments.write")]
Text = Annotated[str, Form()]


def router(console: Console) -> APIRouter:
    """``/feeds``."""
    routes = Routes(include_in_schema=False)

    @routes.get("/feeds")
    async def listed(
        request: Request, who: Reader, site: str = "", patient: str = "", done: str = ""
    ) -> Response:
        """The feeds of a site; the address of each was shown once."""
        place = await site_of(console, who, site)
        return await _shown(console, request, who, place, patient=patient[:40], done=done == "revoked")

    @routes.post("/feeds")
    async def make(request: Request, who: Writer, site: Text = "", of: Text = "") -> Response:
        """Make one; its secret address is on this answer and nowhere else."""
        place = await site_of(console, who, site)
        kind, _, identifier = of[:90].partition(":")
        try:
            language = language_of(request)
            body = {"site": place.name, "kind": kind, "of": identifier, "language": language}
            made = await console.scheduler.send(who, "POST", "/feeds", body)
        except OfficeRefused as error:
            problem = problem_of(error, language_of(request))
            return await _shown(console, request, who, place, problem=problem)
        return await _shown(console, request, who, place, made=made)

    @routes.post("/feeds/{feed}/revoke")
    async def revoke(request: Request, who: Writer, feed: str, site: Text = "") -> Response:
        """Its address leads nowhere from now on."""
        place = await site_of(console, who, site)
        try:
            await console.scheduler.send(who, "DELETE", f"/feeds/{feed}")
        except OfficeRefused as error:
            problem = problem_of(error, language_of(request))
            return await _shown(console, request, who, place, problem=problem)
        return RedirectResponse(f"/feeds?site={place.name}&done=revoked", 303)

    return routes


async def _shown(
    console: Console, request: Request, who: Principal, site: Site, *, patient: str = "",
    made: Mapping[str, Any] | None = None, problem: Problem | None = None, done: bool = False,
) -> Response:  # fmt: skip
    language = language_of(request)
    rows = await console.scheduler.ask(who, "/feeds", {"site": site.name})
    resources = Resources.of(await console.scheduler.ask(who, "/resources", {"site": site.name}))
    patients = [str(row["of"]) for row in rows if row["kind"] == "patient"]
    names = await names_of(console, who, [*patients, patient]) | resources.names()
    choices = resources.choices()
    if patient:
        choices.insert(0, (f"patient:{patient}", names.get(patient, patient[:8])))
    return console.page(
        request, "planning/feeds.html", status=problem.status if problem else 200, page="feeds",
        title=TEXTS["plan_tab_feeds"][language], tabs=tabs(who, site.name), site=site,
        sites=offered(console, who), rows=rows, names=names, choices=choices, made=made, problem=problem,
        done=done, may_change=who.may("appointments.write", site.name),
    )  # fmt: skip
