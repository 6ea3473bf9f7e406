"""One request or WebSocket opening to an application, in this process: the answer's status and beginning.

Unlike a client it does not wait for the end of an answer that has none: a stream is read to its first words.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI

ANSWER_S = 10.0
OPEN = 101  # a socket that was accepted


@dataclass(slots=True)
class Answer:
    """What came back."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def text(self) -> str:
        """The body, or as much as came of it."""
        return self.body.decode(errors="replace")


async def ask(
    app: FastAPI,
    method: str | None,
    address: str,
    headers: Mapping[str, str],
    body: bytes = b"",
) -> Answer:
    """The answer; ``method`` None opens a WebSocket, whose acceptance is told as 101."""
    parts = urlsplit(address)
    scope: dict[str, Any] = {
        "type": "http" if method else "websocket", "method": method, "path": parts.path, "root_path": "",
        "raw_path": parts.path.encode(), "query_string": parts.query.encode(), "http_version": "1.1",
        "headers": [(b"host", b"127.0.0.1"), *((a.encode(), b.encode()) for a, b in headers.items())],
        "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "subprotocols": [],
        "extensions": {"websocket.http.response": {}}, "asgi": {"version": "3.0"}, "state": {},
    }  # fmt: skip
    answer, told, incoming = Answer(), asyncio.Event(), asyncio.Queue[dict[str, Any]]()
    first = {"type": "http.request", "body": body} if method else {"type": "websocket.connect"}
    incoming.put_nowait(first)

    async def send(message: Any) -> None:
        if message["type"].endswith("response.start"):
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        elif message["type"].endswith("response.body"):
            answer.body += message.get("body", b"")
            if answer.body or not message.get("more_body", False):
                told.set()
        elif message["type"] == "websocket.accept":
            answer.status = OPEN
            told.set()

    running = asyncio.create_task(app(scope, incoming.get, send))
    waiting = asyncio.create_task(told.wait())
    await asyncio.wait({running, waiting}, timeout=ANSWER_S, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    for task in (running, waiting):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert answer.status, f"{method or 'WS'} {address} was not answered within {ANSWER_S:g} s"
    return answer
