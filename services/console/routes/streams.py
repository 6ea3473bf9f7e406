"""What pages listen to: one event stream of summaries, one WebSocket of waveforms."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from starlette.requests import HTTPConnection

from services.console.context import Console
from services.console.fanout import MAX_VISIBLE, Fanout, Viewer
from services.console.lasting import Held, Right
from services.console.models import Key
from services.console.views import View, wall_view
from services.kit.auth.guard import signed_in, sites_for
from services.kit.auth.principal import Principal
from services.kit.pages import Language
from services.kit.routes import Routes

Known = Annotated[Principal, signed_in()]
Sites = Annotated[frozenset[str] | None, sites_for("beds.see")]
LOOK_UP_S: Final = 1.5  # between two looks whether the page is still wanted
CHECK_S: Final = 2.0  # between two looks whether its reader is still signed in
OF_WALL: Final = [  # parameters that `wall_view` reads
    {"name": name, "in": "query", "schema": {"type": "string"}, "description": "Of `view=wall`."}
    for name in ("q", "site", "show", "group", "size", "page")
]
REFUSED: Final = 1008  # a WebSocket's code: against the rules (RFC 6455, 7.4.1)


def router(console: Console) -> APIRouter:
    """``GET /events`` and ``WS /live``."""
    routes = Routes()
    fanout = console.fanout

    @routes.get("/events", response_class=StreamingResponse, openapi_extra={"parameters": OF_WALL})
    async def events(
        request: Request, who: Known, lang: Language = "en", device: str | None = None, view: str = ""
    ) -> StreamingResponse:
        """Server-sent events: `summary` once a second and at every alarm's edge; of beds that one may see.

        `device` is `{site}/{device}`: that bed with its events. `view=wall`: tiles, chosen by the wall's own
        query. Else the alarm header alone.
        """
        sites = who.sites("beds.see")
        wanted = View(lang, sites, key_of(device))
        if view == "wall":
            wanted = wall_view(request.query_params, lang, sites)
        return StreamingResponse(
            _summaries(fanout, wanted, request.app.state.stopping, _held(console, request, sites)),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    @routes.websocket("/live")
    async def waveforms(socket: WebSocket, sites: Sites) -> None:
        """Blocks of the beds in sight: `{"visible": ["site/device", ...]}` comes in, lists go out."""
        await socket.accept()
        async with fanout.viewing() as viewer:
            right = _held(console, socket, sites)
            tasks = [asyncio.create_task(it) for it in (_send(socket, viewer), _end_with(right, socket))]
            try:
                while (message := await socket.receive())["type"] != "websocket.disconnect":
                    _look(fanout, viewer, message.get("text") or "", sites)
            finally:
                for task in tasks:
                    task.cancel()

    return routes


def _held(console: Console, connection: HTTPConnection, sites: frozenset[str] | None) -> Held:
    return Held(Right(console.accounts, connection, sites).lasts)


async def _summaries(
    fanout: Fanout, view: View, stopping: asyncio.Event, right: Held
) -> AsyncIterator[bytes]:
    due = time.monotonic() + CHECK_S
    async with fanout.reading(view) as reader:
        while not stopping.is_set():
            if time.monotonic() > due:
                due = time.monotonic() + CHECK_S
                if not await right.lasts():
                    return
            try:
                data = await asyncio.wait_for(reader.queue.get(), LOOK_UP_S)
            except TimeoutError:
                continue
            yield b"event: summary\ndata: " + data + b"\n\n"


async def _send(socket: WebSocket, viewer: Viewer) -> None:
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # the page is gone: its reader ends the rest
        while True:
            await socket.send_text((await viewer.queue.get()).decode())


async def _end_with(right: Held, socket: WebSocket) -> None:
    """Close the socket when its right has ended."""
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # the page is gone already
        while await right.lasts():  # noqa: ASYNC110  (the database is asked; nothing tells)
            await asyncio.sleep(CHECK_S)
        await socket.close(REFUSED)


def _look(fanout: Fanout, viewer: Viewer, text: str, sites: frozenset[str] | None) -> None:
    """Take over what is visible; anything else that a page may send is ignored, so are others' beds."""
    try:
        names: Any = json.loads(text)["visible"]
        keys = {key_of(name) for name in names[:MAX_VISIBLE]}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return
    fanout.look(viewer, {key for key in keys if key is not None and (sites is None or key.site in sites)})


def key_of(name: str | None) -> Key | None:
    """The bed of `{site}/{device}`, None for anything else."""
    site, slash, device = (name or "").partition("/")
    return Key(site, device) if slash and site and device else None
