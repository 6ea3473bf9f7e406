"""The waiting list: who wants to come sooner, and cures that found no place."""

from typing import Annotated, Any, Final
from uuid import uuid4

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from services.console.context import Console
from services.console.errors import BadSearch, OfficeRefused
from services.console.planning.names import names_of
from services.console.planning.places import Site, offered, site_of, tabs
from services.console.planning.problems import Problem, problem_of
from services.console.planning.week import WEEKDAYS, Resources
from services.console.planning.wishes import Wishes
from services.console.texts import TEXTS
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("appointments.see")]
Writer = Annotated[Principal, allow("appointments.write")]
Text = Annotated[str, Form()]
DONE: Final = ("added", "removed", "taken")


def router(console: Console) -> APIRouter:
    """``/waiting``."""
    routes = Routes(include_in_schema=False)

    @routes.get("/waiting")
    async def listed(
        request: Request, who: Reader, site: str = "", done: str = "", appointment: str = ""
    ) -> Response:
        """Who waits, longest first."""
        place = await site_of(console, who, site)
        typed = {"appointment": appointment[:40], "request": str(uuid4())}
        return await _shown(console, request, who, place, done=done if done in DONE else "", typed=typed)

    _add_changes(routes, console)
    return routes


def _add_changes(routes: APIRouter, console: Console) -> None:
    @routes.post("/waiting")
    async def add(request: Request, who: Writer) -> Response:
        """An appointment that should come sooner; or, from the planner, a cure that found no place."""
        form = await request.form()
        place = await site_of(console, who, str(form.get("site") or ""))
        wishes = Wishes.of(form)
        names = ("appointment", "note", "automatic", "request")
        typed = {name: str(form.get(name) or "")[:500] for name in names}
        typed["request"] = typed["request"] or str(uuid4())
        try:
            what: dict[str, Any] = {"appointment": typed["appointment"]}
            if not typed["appointment"]:
                what = {"cure": wishes.body(place)}
            body = what | {
                "times": wishes.times(), "weekdays": list(wishes.weekdays), "note": typed["note"],
                "automatic": typed["automatic"] == "yes", "request": typed["request"],
            }  # fmt: skip
            await console.scheduler.send(who, "POST", "/waiting", body)
        except (BadSearch, OfficeRefused) as error:
            problem = problem_of(error, language_of(request))
            return await _shown(console, request, who, place, problem=problem, typed=typed, wishes=wishes)
        return RedirectResponse(f"/waiting?site={place.name}&done=added", 303)

    @routes.post("/waiting/{waiting}/remove")
    async def remove(request: Request, who: Writer, waiting: str, site: Text = "") -> Response:
        """Off the list."""
        return await _sent(console, request, who, site, "DELETE", f"/waiting/{waiting}")

    @routes.post("/waiting/{waiting}/accept")
    async def accept(request: Request, who: Writer, waiting: str, site: Text = "") -> Response:
        """Take what was offered."""
        return await _sent(console, request, who, site, "POST", f"/waiting/{waiting}/accept")


async def _sent(
    console: Console, request: Request, who: Principal, site: str, method: str, path: str
) -> Response:
    place = await site_of(console, who, site)
    try:
        await console.scheduler.send(who, method, path)
    except OfficeRefused as error:
        return await _shown(console, request, who, place, problem=problem_of(error, language_of(request)))
    done = "removed" if method == "DELETE" else "taken"
    return RedirectResponse(f"/waiting?site={place.name}&done={done}", 303)


async def _shown(
    console: Console, request: Request, who: Principal, site: Site, *, done: str = "",
    problem: Problem | None = None, typed: dict[str, str] | None = None,
    wishes: Wishes | None = None,
) -> Response:  # fmt: skip
    language = language_of(request)
    rows = await console.scheduler.ask(who, "/waiting", {"site": site.name})
    resources = Resources.of(await console.scheduler.ask(who, "/resources", {"site": site.name}))
    names = await names_of(console, who, (row["patient"] for row in rows))
    return console.page(
        request, "planning/waiting.html", status=problem.status if problem else 200, page="waiting",
        title=TEXTS["plan_tab_waiting"][language], tabs=tabs(who, site.name), site=site,
        sites=offered(console, who), rows=rows, names=names, therapists=resources.names(), done=done,
        problem=problem, typed={"appointment": "", **(typed or {})}, weekdays=WEEKDAYS,
        wishes=wishes or Wishes({}),
        may_change=who.may("appointments.write", site.name),
    )  # fmt: skip
