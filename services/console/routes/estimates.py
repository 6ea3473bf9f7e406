"""Estimates at a site: whose is still owed before treatment begins, and those that were made."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.console.billing import costs, tabs
from services.console.context import Console
from services.console.planning.names import names_of
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("billing.see")]


def router(console: Console) -> APIRouter:
    """``/billing/estimates``."""
    routes = Routes(include_in_schema=False)

    @routes.get("/billing/estimates")
    async def shown(
        request: Request, who: Reader, site: Annotated[str, Query(max_length=100)] = ""
    ) -> Response:
        """Cures without one first, then the newest."""
        place = tabs.site_of(console, who, site)
        waiting = (await console.billing.ask(who, "/estimates/due", {"site": place}))["due"]
        made = (await console.billing.ask(who, "/estimates", {"site": place}))["estimates"]
        due = [{**row, "planned_on": date.fromisoformat(row["planned_on"])} for row in waiting]
        estimates = [costs.head(row) for row in made]
        names = await names_of(console, who, [row["patient"] for row in (*due, *estimates)])
        return tabs.page(
            console, request, who, place, "billing/estimates.html", tab="estimates", due=due,
            estimates=estimates, names=names, may_write=who.may("estimates.write", place),
        )  # fmt: skip

    return routes
