"""The live socket: one page follows one bed for as long as it looks, and sees what its sign-in allows."""

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from services.controller.panel import rules
from services.controller.panel.live import Listener
from services.controller.panel.view import open_view
from services.kit.auth.guard import public
from services.kit.errors import SpondylError

if TYPE_CHECKING:
    from services.controller.panel.api import Panel

SEND_S = 10.0  # a socket that takes nothing for so long is closed


def following(router: APIRouter, panel: "Panel") -> None:
    """The route of the live sockets."""

    async def follow(socket: WebSocket, device: str) -> None:
        """One socket's life: hello, then frames as they come; ends with the server."""
        try:
            state = await asyncio.to_thread(panel.state, device)
        except SpondylError as error:
            await socket.accept()
            await socket.close(1008, error.message[:120])
            return
        sees = await rules.sight(socket)
        await socket.accept()
        with (
            panel.live.listening(device, sees) as listener,
            contextlib.suppress(WebSocketDisconnect, TimeoutError),
        ):
            state = state if sees() else open_view(state)
            recent = panel.live.recent(device)  # before the first await: the queue goes on where it ends
            await socket.send_text(orjson.dumps({"type": "hello", "state": state}).decode())
            for text in recent:
                await asyncio.wait_for(socket.send_text(text), SEND_S)
            await _until_first(_send(socket, listener), _drain(socket), socket.app.state.stopping.wait())
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # the client closed it first
            await socket.close()

    router.add_api_websocket_route("/devices/{device}/live", follow, dependencies=[public()])


async def _send(socket: WebSocket, listener: Listener) -> None:
    while True:
        await asyncio.wait_for(socket.send_text(await listener.queue.get()), SEND_S)


async def _drain(socket: WebSocket) -> None:
    """Clients have nothing to say; reading notices when they leave."""
    while True:
        await socket.receive_text()


async def _until_first(*work: Any) -> None:
    """Run until one ends, then end the others; what it raised is raised."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
