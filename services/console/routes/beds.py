"""One bed: its page, its stored history, and the two commands that a remote may give."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from services.console import history
from services.console.context import Console
from services.console.errors import UnknownDevice
from services.console.remote import Action
from services.console.texts import TEXTS
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.pages import language_of


def router(console: Console) -> APIRouter:
    """``GET /beds/{device}`` and ``/api/beds/{device}/...``."""
    routes = APIRouter()
    _add_page(routes, console)
    _add_data(routes, console)
    return routes


def _add_page(routes: APIRouter, console: Console) -> None:
    @routes.get("/beds/{device}", include_in_schema=False)
    async def bed(request: Request, device: str, site: str | None = None) -> Response:
        """One bed: its trace, its session, its events, its history."""
        language = language_of(request)
        try:
            found = console.live.find(device, site)
        except UnknownDevice as error:
            title = TEXTS["not_found"][language]
            return console.page(
                request, "error.html", status=404, page="error", title=title, detail=error.message
            )
        shown = console.fanout.bed(found, language)
        return console.page(
            request,
            "bed.html",
            page="bed",
            title=device,
            it=shown["tile"],
            events=shown["events"],
            panel=console.settings.panels.get(device),
        )


def _add_data(routes: APIRouter, console: Console) -> None:
    @routes.get("/api/beds/{device}/history")
    async def stored(
        who: Annotated[Principal, allow("samples.see")],
        device: str,
        site: str | None = None,
        minutes: Annotated[int, Query(ge=1, le=120)] = 15,
    ) -> dict[str, Any]:
        """The stored history of a bed, thinned for a screen; 503 while telemetry does not answer."""
        found = console.live.find(device, site)
        return await history.read(console.archive, who, found.key, minutes)

    @routes.post("/api/beds/{device}/{action}")
    async def command(device: str, action: Action, site: str | None = None) -> dict[str, Any]:
        """Stop or pause a bed from remote; never starts, resumes or raises."""
        found = console.live.find(device, site)
        reply = await run_in_threadpool(console.remote.ask, found.key, action)
        return reply.model_dump(mode="json")
