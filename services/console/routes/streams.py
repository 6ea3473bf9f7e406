"""What pages listen to: one event stream of summaries, one WebSocket of waveforms."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

from services.console.context import Console
from services.console.fanout import MAX_VISIBLE, Fanout, Viewer
from services.console.models import Key
from services.kit.pages import Language


def router(console: Console) -> APIRouter:
    """``GET /events`` and ``WS /live``."""
    routes = APIRouter()
    fanout = console.fanout

    @routes.get("/events", response_class=StreamingResponse)
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

    @routes.websocket("/live")
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

    return routes


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
