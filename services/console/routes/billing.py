"""Billing's door: the first of its pages that the reader may open."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.console.billing import tabs
from services.console.context import Console
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("billing.see")]


def router(console: Console) -> APIRouter:
    """``/billing``."""
    routes = Routes(include_in_schema=False)

    @routes.get("/billing")
    async def door(request: Request, who: Reader, site: str = "") -> Response:
        """On to the first tab."""
        place = tabs.site_of(console, who, site)
        rows = tabs.shown(request.app, who, place, language_of(request))
        return RedirectResponse(rows[0][2], 303, headers={"cache-control": "no-store"})

    return routes
