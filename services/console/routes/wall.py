"""The wall: every bed of every site that the reader may see, worst alarm first, a page at a time."""

from typing import Annotated, Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.console import present
from services.console.context import Console
from services.console.models import Device, Key
from services.console.starting import Starting
from services.console.texts import TEXTS
from services.console.views import SHOWS, SIZES, View, wall_view
from services.kit.auth.guard import sites_for
from services.kit.pages import COOKIE_S, Language, language_of
from services.kit.routes import Routes

Sites = Annotated[frozenset[str] | None, sites_for("beds.see")]
COOKIE: Final = "wall"  # the view that opens first


def router(console: Console) -> APIRouter:
    """``GET /``, ``GET /api/beds`` and ``GET /api/starting``."""
    routes = Routes()

    @routes.get("/", include_in_schema=False)
    async def wall(request: Request, sites: Sites) -> Response:
        """One page of the beds, worst alarm first; without a query the view that the reader kept."""
        language = language_of(request)
        query = dict(request.query_params)
        kept = "" if query else request.cookies.get(COOKIE, "")
        view = wall_view(query or dict(parse_qsl(kept)), language, sites)
        if "keep" in query:
            return _keep(view)
        return _page(console, request, view, kiosk=query.get("kiosk") == "1", kept="kept" in query)

    @routes.get("/api/beds")
    def beds(sites: Sites) -> dict[str, Any]:
        """Every bed as the wall shows it in English."""
        with console.live.lock:
            now = console.fanout.round()
            seen = [name for name, it in now.glances.items() if sites is None or it.site in sites]
            return {"beds": [now.tile(name, "en") for name in seen]}

    waiting = Starting(console.settings.panels)

    @routes.get("/api/starting")
    async def starting(request: Request, sites: Sites) -> dict[str, Any]:
        """Sites whose control loop starts or is being compiled: until then no bed of theirs is heard of."""
        return {"starting": await waiting.rows(sites, language_of(request))}

    return routes


def _keep(view: View) -> Response:
    """Remember a view in this browser and open it."""
    answer = RedirectResponse("/?" + "&".join(filter(None, (view.address(), "kept=1"))), status_code=303)
    answer.set_cookie(COOKIE, view.address(page=1), max_age=COOKIE_S, samesite="lax", httponly=True)
    return answer


def _page(console: Console, request: Request, view: View, *, kiosk: bool, kept: bool) -> Response:
    language = view.language
    frame = console.fanout.frame(view)
    shown = frame["page"]
    return console.page(
        request,
        "wall.html",
        page="wall",
        title=TEXTS["title_wall"][language],
        tiles=[frame["tiles"][name] for name in frame["order"]],
        view=view,
        shown=shown,
        choices=_choices(view, shown["counts"], language),
        sizes=SIZES,
        kiosk=kiosk,
        kept=kept,
        blank=_blank(console, language),
        header=frame["header"],
    )


def _choices(view: View, counts: dict[str, int], language: Language) -> list[dict[str, Any]]:
    """The states to filter by, each with how many beds it has."""
    return [
        {
            "show": show,
            "label": TEXTS[f"show_{show}"][language],
            "count": counts[show],
            "on": show == view.show,
        }
        for show in SHOWS
    ]


def _blank(console: Console, language: Language) -> dict[str, Any]:
    """A tile of no bed, for the script to fill."""
    return present.tile(console.live, Device(Key("", "")), console.live.clock(), language)
