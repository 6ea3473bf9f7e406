"""What pages listen to: one event stream of summaries, one WebSocket of waveforms."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

from services.console.context import Console
from services.console.fanout import MAX_VISIBLE, Fanout, Viewer
from services.console.models import Key
from services.console.views import View, wall_view
from services.kit.auth.guard import sites_for
from services.kit.pages import Language

Sites = Annotated[frozenset[str] | None, sites_for("beds.see")]
LOOK_UP_S: Final = 1.5  # between two looks whether the page is still wanted


def router(console: Console) -> APIRouter:
    """``GET /events`` and ``WS /live``."""
    routes = APIRouter()
    fanout = console.fanout

    @routes.get("/events", response_class=StreamingResponse)
    async def events(
        request: Request, sites: Sites, lang: Language = "en", device: str | None = None, view: str = ""
    ) -> StreamingResponse:
        """Server-sent events: `summary` once a second and at every alarm's edge.

        `device` is `{site}/{device}`: that bed with its events. `view=wall`: tiles, chosen by the wall's own
        query. Else the alarm header alone.
        """
        wanted = View(lang, sites, key_of(device))
        if view == "wall":
            wanted = wall_view(request.query_params, lang, sites)
        return StreamingResponse(
            _summaries(fanout, wanted, request.app.state.stopping),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    @routes.websocket("/live")
    async def waveforms(socket: WebSocket, sites: Sites) -> None:
        """Blocks of the beds in sight: `{"visible": ["site/device", ...]}` comes in, lists go out."""
        await socket.accept()
        async with fanout.viewing() as viewer:
            sender = asyncio.create_task(_send(socket, viewer))
            try:
                while True:
                    _look(fanout, viewer, await socket.receive_text(), sites)
            except WebSocketDisconnect:
                pass
            finally:
                sender.cancel()

    return routes


async def _summaries(fanout: Fanout, view: View, stopping: asyncio.Event) -> AsyncIterator[bytes]:
    async with fanout.reading(view) as reader:
        while not stopping.is_set():
            try:
                data = await asyncio.wait_for(reader.queue.get(), LOOK_UP_S)
            except TimeoutError:
                continue
            yield b"event: summary\ndata: " + data + b"\n\n"


async def _send(socket: WebSocket, viewer: Viewer) -> None:
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # the page is gone: its reader ends the rest
        while True:
            await socket.send_text((await viewer.queue.get()).decode())


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
