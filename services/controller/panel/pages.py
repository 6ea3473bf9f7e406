"""The bedside pages: the list of beds, and one bed."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from services.controller.bedside.reports import GRADES, KINDS
from services.controller.errors import BedUnavailable, LoopStarting
from services.controller.kernel.faults import BITS
from services.controller.panel import rules
from services.controller.panel.sign_in_api import view
from services.controller.panel.texts import TEXTS
from services.controller.panel.view import Json, open_view
from services.kit.auth.guard import public
from services.kit.pages import Pages, language_of, preferences
from services.kit.words import for_script

if TYPE_CHECKING:
    from services.controller.panel.api import Panel

SURVIVED = 4  # the highest grade that is asked at a bed; a death is reported in the file
TEMPLATES = Path(__file__).with_name("templates")


def router(panel: "Panel") -> APIRouter:
    """``GET /``, ``GET /{device}`` and ``GET /preferences``."""
    pages = Pages([TEMPLATES], TEXTS)
    routes = APIRouter(include_in_schema=False)
    routes.include_router(preferences(), dependencies=[public()])

    def common() -> Json:
        memory = panel.bedside.link.memory()
        return {
            "site": memory.site,
            "gateway": memory.gateway,
            "version": panel.version,
            "segments": panel.segments(),
            "fault_kinds": tuple(BITS),
            "kinds": {name: {"words": kind.words.as_json()} for name, kind in KINDS.items()},
            "grades": {number: words.as_json() for number, words in GRADES.items() if number <= SURVIVED},
        }

    def waiting(request: Request, error: BedUnavailable) -> HTMLResponse:
        """Before the loop's first tick: why there is no bed to see, and how far it is."""
        starts = isinstance(error, LoopStarting)
        percent = error.percent if isinstance(error, LoopStarting) else None
        return pages.render(request, "starting.html", status=error.status, starts=starts, percent=percent)

    @routes.get("/", dependencies=[public()])
    async def index(request: Request) -> HTMLResponse:
        """The beds, open: what each does, nothing of a patient."""
        try:
            beds = await asyncio.to_thread(panel.rows)
        except BedUnavailable as error:
            return waiting(request, error)
        return pages.render(request, "index.html", beds=beds, **common())

    @routes.get("/{device}", dependencies=[public()])
    async def bed(request: Request, device: str) -> HTMLResponse:
        """One bed, open, with STOP: the session's person and notes only for whoever may see them."""
        sees = await rules.sight(request)
        try:
            state = await asyncio.to_thread(panel.state, device)
        except BedUnavailable as error:
            return waiting(request, error)
        state = state if sees() else open_view(state)
        words = for_script(language_of(request))
        door = panel.signed
        await asyncio.to_thread(door.operators.refresh)
        sign_in = view(door, door.find(rules.cookie_of(request, door)))
        return pages.render(
            request, "device.html", device=device, state=state, words=words, sign_in=sign_in, **common()
        )

    return routes
