"""The calm page in front of the patient, its stream, and the links for screens that cannot sign in."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Body, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from services.console import patient
from services.console.context import Console
from services.console.errors import UnknownDevice
from services.console.lasting import Held, Right
from services.console.models import Key
from services.console.screens import LONGEST_DAYS, Screen, Screens
from services.kit import formats
from services.kit.auth.guard import Rule, allow, lacking
from services.kit.auth.principal import Principal
from services.kit.errors import NotSignedIn
from services.kit.language import Language
from services.kit.moments import instant_of
from services.kit.pages import language_of
from services.kit.routes import Routes

Lasts = Callable[[], Awaitable[bool]]  # whether a stream may go on
FRAME_S: Final = 0.2
IDLE_S: Final = 1.0  # between two frames that say the same
LOOK_S: Final = 1.0  # between two looks whether the link still opens, the sign-in still lasts
# What the page says by itself when it hears nothing, or when its link is over.
ALONE: Final = ("away", "over")
Stops = Annotated[Principal, allow("beds.stop")]
Site = Annotated[str | None, Query(max_length=40)]
Name = Annotated[str, Field(max_length=40)]


@dataclass(frozen=True, slots=True)
class ScreenRule(Rule):
    """For whoever may see beds, or for a screen by its own link (``?view=``), which opens that bed alone."""

    screens: Screens | None = None

    async def __call__(self, connection: HTTPConnection) -> Any:
        """The Principal, or the Screen. Raises NotSignedIn, NotPermitted."""
        secret = connection.query_params.get("view")
        if secret is None or self.screens is None:
            return await Rule.__call__(self, connection)
        return await run_in_threadpool(self.screens.open, secret)


class NewScreen(BaseModel):
    """Which bed a link is for, and how long."""

    site: Name
    device: Name
    days: int = LONGEST_DAYS


class OldScreen(BaseModel):
    """Which link is withdrawn."""

    screen: Name


def router(console: Console) -> APIRouter:
    """``/api/screens``: for whoever may stop the bed."""
    routes = Routes()
    _add_links(routes, console)
    return routes


def screen_router(console: Console) -> APIRouter:
    """``GET /beds/{device}/patient`` and its stream: also for a screen that nobody has signed in at."""
    routes = Routes()
    _add_page(routes, console)
    _add_stream(routes, console)
    return routes


def _key_of(console: Console, who: Principal | Screen, device: str, site: str | None) -> Key:
    """The bed that is asked for. Raises UnknownDevice for another one than the screen's own."""
    if isinstance(who, Principal):
        return console.live.find(device, site, who.sites("beds.see")).key
    if device != who.key.device or site not in (None, who.key.site):
        raise UnknownDevice(device, site)
    return who.key


def _add_page(routes: APIRouter, console: Console) -> None:
    rule = Depends(ScreenRule("beds.see", screens=console.screens))

    @routes.get("/beds/{device}/patient", include_in_schema=False)
    async def view(request: Request, who: Annotated[Any, rule], device: str, site: Site = None) -> Response:
        """What the patient sees: no name, no alarm, no navigation."""
        key = _key_of(console, who, device, site)
        language = language_of(request)
        if isinstance(who, Principal):
            await console.record_look(request, who, "patient-view.opened", record=str(key), site=key.site)
        return console.pages.render(
            request,
            "patient.html",
            title=console.pages.texts(language)["patient_title"],
            device=key.device,
            site=key.site,
            signed_in=isinstance(who, Principal),
            it=_now(console, key, language),
            alone={name: _alone(console, name, language) for name in ALONE},
        )


def _alone(console: Console, name: str, language: Language) -> dict[str, str]:
    texts = console.pages.texts(language)
    return {part: texts[f"patient_{name}_{part}"].removeprefix("-") for part in ("title", "hint", "next")}


def _now(console: Console, key: Key, language: Language) -> dict[str, Any]:
    with console.live.lock:
        device = console.live.devices.get(key)
        if device is None:
            return patient.nothing(language)
        return patient.shown(console.live, device, console.live.clock(), language)


def _past(console: Console, key: Key) -> dict[str, Any] | None:
    with console.live.lock:
        device = console.live.devices.get(key)
        return None if device is None else patient.past(console.live, device, console.live.clock())


def _add_stream(routes: APIRouter, console: Console) -> None:
    rule = Depends(ScreenRule("beds.see", screens=console.screens))

    @routes.get("/beds/{device}/patient/stream", response_class=StreamingResponse)
    async def stream(
        request: Request, who: Annotated[Any, rule], device: str, site: Site = None, lang: Language = "en"
    ) -> StreamingResponse:
        """Server-sent events: `past` once, `now` some times a second, `over` when link or sign-in ended."""
        key = _key_of(console, who, device, site)
        if isinstance(who, Principal):
            judge = Right(console.accounts, request, who.sites("beds.see")).lasts
        else:
            judge = partial(_opens, console.screens, request.query_params["view"])
        return StreamingResponse(
            _frames(console, key, lang, Held(judge).lasts, request.app.state.stopping),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )


async def _frames(
    console: Console, key: Key, language: Language, lasts: Lasts, stopping: asyncio.Event
) -> AsyncIterator[bytes]:
    """The bed as it is at the moment of each frame: a slow screen misses frames, nothing waits for it."""
    loop = asyncio.get_running_loop()
    said, said_at, looked_at = b"", 0.0, loop.time()
    with _watching(console.screens, key):
        if past := _past(console, key):
            yield b"event: past\ndata: " + orjson.dumps(past) + b"\n\n"
        while not stopping.is_set():
            now = loop.time()
            if now - looked_at >= LOOK_S:
                looked_at = now
                if not await lasts():
                    yield b"event: over\ndata: {}\n\n"
                    return
            frame = orjson.dumps(_now(console, key, language))
            if frame != said or now - said_at >= IDLE_S:
                said, said_at = frame, now
                yield b"event: now\ndata: " + frame + b"\n\n"
            await asyncio.sleep(FRAME_S)


async def _opens(screens: Screens, secret: str) -> bool:
    try:
        await run_in_threadpool(screens.open, secret)
    except NotSignedIn:
        return False
    return True


@contextmanager
def _watching(screens: Screens, key: Key) -> Any:
    screens.watching[key] += 1
    try:
        yield
    finally:
        screens.watching[key] -= 1


def _add_links(routes: APIRouter, console: Console) -> None:
    def own(who: Principal, key: Key) -> Key:
        """The bed, where this one may stop it. Raises UnknownDevice, NotPermitted."""
        found = console.live.find(key.device, key.site, who.sites("beds.see")).key
        if not who.may("beds.stop", found.site):
            raise lacking(who, "beds.stop", found.site)
        return found

    @routes.get("/api/screens")
    async def links(
        request: Request, who: Stops, site: Annotated[str, Query(max_length=40)],
        device: Annotated[str, Query(max_length=40)],
    ) -> dict[str, Any]:  # fmt: skip
        """The links of a bed that still open something, without their secrets."""
        key = own(who, Key(site, device))
        found = await run_in_threadpool(console.screens.of, key)
        return {"screens": [_row(screen, language_of(request)) for screen in found]}

    @routes.post("/api/screens", status_code=201)
    async def make(request: Request, who: Stops, wanted: Annotated[NewScreen, Body()]) -> dict[str, Any]:
        """A new link; its address is shown this once."""
        key = own(who, Key(wanted.site, wanted.device))
        screen, secret = await run_in_threadpool(console.screens.make, key, who, wanted.days)
        detail = {"screen": screen.id, "days": wanted.days}
        await console.record(request, who, "screen.made", record=str(key), site=key.site, detail=detail)
        address = f"/beds/{key.device}/patient?site={key.site}&view={secret}"
        return _row(screen, language_of(request)) | {"address": address}

    @routes.post("/api/screens/withdraw")
    async def withdraw(request: Request, who: Stops, old: Annotated[OldScreen, Body()]) -> dict[str, Any]:
        """The link opens nothing any more."""
        found = await run_in_threadpool(console.screens.visible, old.screen, who)
        key = own(who, found.key)
        await run_in_threadpool(console.screens.withdraw, found.id)
        detail = {"screen": found.id}
        await console.record(request, who, "screen.withdrawn", record=str(key), site=key.site, detail=detail)
        return {"screen": found.id, "withdrawn": True}


def _row(screen: Screen, language: Language) -> dict[str, str]:
    ends = instant_of(screen.ends_at_us)
    return {"id": screen.id, "by": screen.name, "ends": formats.day(ends, language)}
