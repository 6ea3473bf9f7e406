"""The wall: every bed of every site, worst alarm first."""

from typing import Any

from fastapi import APIRouter, Request, Response

from services.console import present
from services.console.context import Console
from services.console.models import Device, Key
from services.console.texts import TEXTS
from services.kit.pages import language_of


def router(console: Console) -> APIRouter:
    """``GET /`` and ``GET /api/beds``."""
    routes = APIRouter()
    live = console.live

    @routes.get("/", include_in_schema=False)
    async def wall(request: Request, q: str = "", site: str = "", show: str = "all") -> Response:
        """Every bed of every site, worst alarm first."""
        language = language_of(request)
        summary = console.fanout.summary(language)
        tiles: Any = summary["tiles"]
        order: Any = summary["order"]
        return console.page(
            request,
            "wall.html",
            page="wall",
            title=TEXTS["title_wall"][language],
            tiles=[tiles[key] for key in order],
            sites=live.sites(),
            query={"q": q, "site": site, "show": show if show in ("session", "alarm") else "all"},
            blank=present.tile(live, Device(Key("", "")), live.clock(), language),
        )

    @routes.get("/api/beds")
    async def beds() -> dict[str, Any]:
        """Every bed as the wall shows it in English."""
        with live.lock:
            now = live.clock()
            tiles = [present.tile(live, device, now, "en") for device in live.devices.values()]
        return {"beds": tiles}

    return routes
