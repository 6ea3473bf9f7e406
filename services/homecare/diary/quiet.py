"""Headers of whatever is under a secret address: kept nowhere, told to no other page, found by no search."""

from typing import Final

from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

HEADERS: Final = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex, nofollow",
}


class Quiet(APIRoute):
    """A route whose every answer has them, refusals too."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as ever, with the headers."""

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await super().handle(scope, receive, headed)
