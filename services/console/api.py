"""The console's routes: pages, one event stream, one WebSocket, history and the two remote commands."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool

from services.console import history, present
from services.console.errors import UnknownDevice
from services.console.fanout import MAX_VISIBLE, Fanout, Viewer
from services.console.live import Live
from services.console.models import ConsoleSettings, Device, Key
from services.console.remote import Action, Remote
from services.console.texts import TEXTS
from services.kit import http
from services.kit.health import Check
from services.kit.pages import STRICT_POLICY, Language, Pages, language_of, preferences
from services.kit.words import PHASES

HERE = Path(__file__).parent
SCRIPT_TEXTS = (
    "announce_worse", "announce_clear", "broker_down", "console_down", "ceiling", "peak", "counter", "target",
    "tension", "time", "least", "history_empty", "history_down", "command_sent", "command_done",
    "command_failed",
)  # fmt: skip


def create(
    live: Live, remote: Remote, settings: ConsoleSettings, version: str, checks: list[Check]
) -> FastAPI:
    """The console's application; its fan-out runs as long as the application does."""
    fanout = Fanout(live)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        pump = asyncio.create_task(fanout.run())
        try:
            yield
        finally:
            pump.cancel()

    routers = [
        _pages(live, fanout, settings),
        _streams(fanout),
        _data(live, remote, settings),
        preferences(),
    ]
    app = http.create_app(
        "console", version, checks, routers, lifespan=lifespan, content_security_policy=STRICT_POLICY
    )
    http.mount_static(app)
    app.mount("/assets", StaticFiles(directory=HERE / "static"), name="assets")
    return app


class _Renderer:
    """Pages in the reader's language, with the alarm header and what the scripts need."""

    def __init__(self) -> None:
        self._pages = Pages([HERE / "templates"], TEXTS)

    def __call__(
        self, request: Request, template: str, header: Any, *, status: int = 200, **context: Any
    ) -> Response:
        language = language_of(request)
        texts = script_texts(self._pages.texts(language), language)
        return self._pages.render(request, template, status=status, header=header, texts=texts, **context)


def _pages(live: Live, fanout: Fanout, settings: ConsoleSettings) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    render = _Renderer()
    _add_wall(router, live, fanout, render)
    _add_bed(router, live, fanout, settings, render)
    return router


def _add_wall(router: APIRouter, live: Live, fanout: Fanout, render: _Renderer) -> None:
    @router.get("/")
    async def wall(request: Request, q: str = "", site: str = "", show: str = "all") -> Response:
        """Every bed of every site, worst alarm first."""
        language = language_of(request)
        summary = fanout.summary(language)
        tiles: Any = summary["tiles"]
        order: Any = summary["order"]
        return render(
            request,
            "wall.html",
            summary["header"],
            page="wall",
            title=TEXTS["title_wall"][language],
            tiles=[tiles[key] for key in order],
            sites=live.sites(),
            query={"q": q, "site": site, "show": show if show in ("session", "alarm") else "all"},
            blank=present.tile(live, Device(Key("", "")), live.clock(), language),
        )


def _add_bed(
    router: APIRouter, live: Live, fanout: Fanout, settings: ConsoleSettings, render: _Renderer
) -> None:
    @router.get("/beds/{device}")
    async def bed(request: Request, device: str, site: str | None = None) -> Response:
        """One bed: its trace, its session, its events, its history."""
        language = language_of(request)
        header = fanout.summary(language)["header"]
        try:
            found = live.find(device, site)
        except UnknownDevice as error:
            title = TEXTS["not_found"][language]
            return render(
                request, "error.html", header, status=404, page="error", title=title, detail=error.message
            )
        shown = fanout.bed(found, language)
        return render(
            request,
            "bed.html",
            header,
            page="bed",
            title=device,
            it=shown["tile"],
            events=shown["events"],
            panel=settings.panels.get(device),
        )


def script_texts(texts: dict[str, str], language: Language) -> dict[str, Any]:
    """What the scripts need of the texts, in one language."""
    phases = [
        {"name": name, "text": words.name[language], "tone": words.tone} for name, words in PHASES.items()
    ]
    return {**{name: texts[name] for name in SCRIPT_TEXTS}, "phases": phases}


def _streams(fanout: Fanout) -> APIRouter:
    router = APIRouter()

    @router.get("/events", response_class=StreamingResponse)
    async def events(request: Request, lang: Language = "en", device: str | None = None) -> StreamingResponse:
        """Server-sent events: `summary` once a second and at every alarm's edge.

        `device` is `{site}/{device}`: then that bed with its events instead of all tiles.
        """
        stopping: asyncio.Event = request.app.state.stopping
        return StreamingResponse(
            _summaries(fanout, lang, key_of(device), stopping),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    @router.websocket("/live")
    async def waveforms(socket: WebSocket) -> None:
        """Blocks of the beds in sight: `{"visible": ["site/device", ...]}` comes in, lists go out."""
        await socket.accept()
        async with fanout.viewing() as viewer:
            sender = asyncio.create_task(_send(socket, viewer))
            try:
                while True:
                    _look(fanout, viewer, await socket.receive_text())
            except WebSocketDisconnect:
                pass
            finally:
                sender.cancel()

    return router


async def _summaries(
    fanout: Fanout, language: Language, device: Key | None, stopping: asyncio.Event
) -> AsyncIterator[bytes]:
    async with fanout.reading(language, device) as reader:
        while not stopping.is_set():
            try:
                data = await asyncio.wait_for(reader.queue.get(), 1.5)
            except TimeoutError:
                continue
            yield b"event: summary\ndata: " + data + b"\n\n"


async def _send(socket: WebSocket, viewer: Viewer) -> None:
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # the page is gone: its reader ends the rest
        while True:
            await socket.send_text((await viewer.queue.get()).decode())


def _look(fanout: Fanout, viewer: Viewer, text: str) -> None:
    """Take over what is visible; anything else that a page may send is ignored."""
    try:
        names = json.loads(text)["visible"]
        keys = {key_of(name) for name in names[:MAX_VISIBLE]}
    except (ValueError, TypeError, KeyError, AttributeError):
        return
    fanout.look(viewer, {key for key in keys if key is not None})


def key_of(name: str | None) -> Key | None:
    """The bed of `{site}/{device}`, None for anything else."""
    site, slash, device = (name or "").partition("/")
    return Key(site, device) if slash and site and device else None


def _data(live: Live, remote: Remote, settings: ConsoleSettings) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.get("/beds")
    async def beds() -> dict[str, Any]:
        """Every bed as the wall shows it in English."""
        with live.lock:
            now = live.clock()
            tiles = [present.tile(live, device, now, "en") for device in live.devices.values()]
        return {"beds": tiles}

    @router.get("/beds/{device}/history")
    async def stored(
        device: str, site: str | None = None, minutes: Annotated[int, Query(ge=1, le=120)] = 15
    ) -> dict[str, Any]:
        """The stored history of a bed, thinned for a screen; 503 while telemetry does not answer."""
        found = live.find(device, site)
        return await history.read(settings.telemetry_url, found.key, minutes)

    @router.post("/beds/{device}/{action}")
    async def command(device: str, action: Action, site: str | None = None) -> dict[str, Any]:
        """Stop or pause a bed from remote; never starts, resumes or raises."""
        found = live.find(device, site)
        reply = await run_in_threadpool(remote.ask, found.key, action)
        return reply.model_dump(mode="json")

    return router
