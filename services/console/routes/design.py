"""The design system on a page of its own."""

import re
from typing import Final

from fastapi import APIRouter, Request, Response

from services.console import design
from services.console.context import Console
from services.kit.auth.guard import signed_in
from services.kit.http import STATIC_DIRECTORY
from services.kit.pages import language_of
from services.kit.routes import Routes

_SYMBOL: Final = re.compile(r'<symbol id="([a-z-]+)"')


def router(console: Console) -> APIRouter:
    """``GET /design``: for whoever is signed in; it shows no data."""
    routes = Routes(dependencies=[signed_in()])
    icons = _SYMBOL.findall((STATIC_DIRECTORY / "icons.svg").read_text(encoding="utf-8"))

    @routes.get("/design", include_in_schema=False)
    def page(request: Request) -> Response:
        """Every component in every state, dark and light side by side, with the markup to copy."""
        return console.page(
            request,
            "design.html",
            page="design",
            title=console.pages.texts(language_of(request))["design_title"],
            specimens=design.specimens(console.pages, request, csrf=""),
            formats=design.formats(),
            colours=design.COLOURS,
            icons=icons,
        )

    return routes
