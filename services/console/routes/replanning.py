"""Planning anew when a bed or somebody is out: who would move, shown before it is done."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from services.console.context import Console
from services.console.errors import BadSearch, OfficeRefused
from services.console.planning.names import names_of
from services.console.planning.places import Site, offered, site_of, tabs
from services.console.planning.plant import span_of
from services.console.planning.problems import Problem, problem_of
from services.console.planning.week import Resources
from services.console.texts import TEXTS
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.pages import language_of
from services.kit.routes import Routes

Planner = Annotated[Principal, allow("plan.replan")]
Text = Annotated[str, Form()]
TYPED = ("out", "from", "to", "reason")
MOST_REASON: Final = 500


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying came to: the outage that was entered, and how many appointments still stand there."""

    outage: str
    left: int
    moved: int

    def row(self, resources: Resources) -> Mapping[str, Any] | None:
        """The outage as the site knows it; none where none was entered, or it is lifted."""
        return next((row for row in resources.outages if row["outage"] == self.outage), None)


def router(console: Console) -> APIRouter:
    """``/replanning``."""
    routes = Routes(include_in_schema=False)

    @routes.get("/replanning")
    async def form(
        request: Request,
        who: Planner,
        site: str = "",
        done: str = "",
        outage: str = "",
        left: int = 0,
        moved: int = 0,
    ) -> Response:
        """What is out, and when; what was done before."""
        place = await site_of(console, who, site, "plan.replan")
        typed = {name: request.query_params.get(name, "")[:60] for name in TYPED}
        applied = Applied(outage[:40], left, moved) if done == "applied" else None
        return await _shown(console, request, who, place, typed, applied=applied)

    @routes.post("/replanning")
    async def plan(request: Request, who: Planner) -> Response:
        """Who would have to move; nothing is changed yet."""
        sent = await request.form()
        place = await site_of(console, who, str(sent.get("site") or ""), "plan.replan")
        typed = {name: str(sent.get(name) or "")[:MOST_REASON] for name in TYPED}
        reason = typed["reason"].strip() or TEXTS["replanning_reason_default"][language_of(request)]
        try:
            asked = span_of(sent, place) | {"reason": reason}
            found = await console.scheduler.send(who, "POST", "/replan", asked, thinks=True)
        except (BadSearch, OfficeRefused) as error:
            problem = problem_of(error, language_of(request))
            return await _shown(console, request, who, place, typed, problem=problem)
        return await _shown(console, request, who, place, typed, found=found)

    @routes.post("/replanning/{replan}/apply")
    async def apply(
        request: Request, who: Planner, replan: str, site: Text = "", outage: Text = ""
    ) -> Response:
        """Move them, and say that what is out is out."""
        place = await site_of(console, who, site, "plan.replan")
        try:
            body = {"outage": outage == "yes"}
            done = await console.scheduler.send(who, "POST", f"/replan/{replan}/apply", body)
        except OfficeRefused as error:
            problem = problem_of(error, language_of(request))
            typed = dict.fromkeys(TYPED, "")
            return await _shown(console, request, who, place, typed, problem=problem)
        told = {
            "site": place.name,
            "done": "applied",
            "outage": done["outage"] or "",
            "left": len(done["left"]),
            "moved": len(done["moved"]),
        }
        return RedirectResponse(f"/replanning?{urlencode(told)}", 303)

    return routes


async def _shown(
    console: Console, request: Request, who: Principal, site: Site, typed: Mapping[str, str], *,
    found: Mapping[str, Any] | None = None, problem: Problem | None = None, applied: Applied | None = None,
) -> Response:  # fmt: skip
    language = language_of(request)
    resources = Resources.of(await console.scheduler.ask(who, "/resources", {"site": site.name}))
    moved = (found or {}).get("moved") or []
    unplaced = (found or {}).get("unplaced") or []
    names = await names_of(console, who, (row.get("patient", "") for row in (*moved, *unplaced)))
    outs = resources.choices()
    return console.page(
        request, "planning/replanning.html", status=problem.status if problem else 200, page="replanning",
        title=TEXTS["plan_tab_replanning"][language], tabs=tabs(who, site.name), site=site,
        sites=offered(console, who, "plan.replan"), typed=typed, outs=outs, found=found, moved=moved,
        unplaced=unplaced, names=names, therapists=resources.names(), problem=problem, applied=applied,
        out=applied.row(resources) if applied else None,
    )  # fmt: skip
