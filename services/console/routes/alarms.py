"""The alarms that are on, and their acknowledgement."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from services.console import alarms
from services.console.context import Console
from services.console.occurrences import Acknowledged, Occurrence
from services.console.texts import TEXTS
from services.console.views import View
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.pages import Language, language_of
from services.kit.routes import Routes

Viewer = Annotated[Principal, allow("beds.see")]
_SHORT: Final = 80


class Wanted(BaseModel):
    """The occurrence that is acknowledged, as `GET /api/alarms` names it."""

    site: str = Field(max_length=_SHORT, description="empty for the console's own broker_lost")
    device: str = Field(max_length=_SHORT)
    condition: str = Field(min_length=1, max_length=_SHORT)
    occurrence: str = Field(min_length=1, max_length=_SHORT)


def router(console: Console) -> APIRouter:
    """``GET /alarms``, ``GET /api/alarms``, ``POST /api/alarms/acknowledge``."""
    routes = Routes()

    @routes.get("/alarms", include_in_schema=False)
    async def page(request: Request, who: Viewer) -> Response:
        """Every alarm that the reader may see, those that signal first."""
        language = language_of(request)
        rows = listed(console, who, language)
        return console.page(
            request, "alarms.html", page="alarms", title=TEXTS["title_alarms"][language], rows=rows
        )

    @routes.get("/api/alarms")
    async def on_now(who: Viewer, lang: Language = "en") -> dict[str, Any]:
        """The alarms that are on now, each with its occurrence and who acknowledged it."""
        return {"alarms": listed(console, who, lang)}

    @routes.post("/api/alarms/acknowledge")
    async def acknowledge(
        request: Request, who: Annotated[Principal, allow("alarms.acknowledge")], wanted: Wanted
    ) -> dict[str, Any]:
        """Silence flash and sound of this occurrence everywhere; the alarm itself stays.

        `first` is false when somebody had acknowledged it before. There is no way back.
        """
        one = Occurrence(wanted.site, wanted.device, wanted.condition, wanted.occurrence)
        known = await run_in_threadpool(console.desk.known, who, one)
        if known is not None:
            return answer(known, first=False)
        await console.record(
            request, who, "alarm.acknowledged", record=f"{one.device} {one.condition}".strip(),
            site=one.site or None, detail={"occurrence": one.id},
        )  # fmt: skip
        made, first = await run_in_threadpool(console.desk.acknowledge, who, one)
        return answer(made, first=first)

    return routes


def answer(known: Acknowledged, *, first: bool) -> dict[str, Any]:
    """Who acknowledged it, when, and whether it was this request."""
    return {"name": known.name, "at_us": known.at_us, "first": first}


def listed(console: Console, who: Principal, language: Language) -> list[dict[str, Any]]:
    """All alarms of the beds that this one may see."""
    with console.live.lock:
        beds = console.fanout.round().beds(View(language, who.sites("beds.see")))
        return alarms.everything(console.live, beds, language)
