"""What every request passes: size limit, same-origin guard, safe headers, a measured duration."""

import asyncio
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import orjson
import structlog
from prometheus_client import CollectorRegistry
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.kit import metrics
from services.kit.error_pages import new_reference, page_of
from services.kit.taps import route_of

MAX_REQUEST_BYTES = 1_000_000
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
FAULT = "something went wrong here; the log of this service tells what"
TITLES = {
    400: "Refused",
    401: "Not signed in",
    403: "Not permitted",
    404: "Not found",
    405: "No such method here",
    409: "In conflict with the present state",
    413: "Too large",
    422: "Not valid",
    500: "Fault of this service",
    503: "Not available now",
}
_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
log = structlog.get_logger(__name__)


class Gate:
    """Plain ASGI, so that endless responses and WebSockets pass untouched."""

    def __init__(
        self,
        app: ASGIApp,
        registry: CollectorRegistry,
        max_request_bytes: int = MAX_REQUEST_BYTES,
        content_security_policy: str | None = None,
        public_origin: str = "",
        larger: Mapping[str, int] | None = None,
    ) -> None:
        self._app = app
        self._larger = larger or {}
        self._origin = public_origin.lower()
        self._max_bytes = max_request_bytes
        self._headers = {
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",  # with none at all, a form of ours would name its origin `null`
            "x-frame-options": "DENY",
            "cross-origin-opener-policy": "same-origin",
            "content-security-policy": content_security_policy or CONTENT_SECURITY_POLICY,
        }
        self._duration = metrics.latency(
            "spondyl_http_seconds", "Time to the first byte of an answer.", registry, ("route", "status")
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one connection on, or answer it here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            await self._admit(scope, receive, send)
        except asyncio.CancelledError:
            if not scope["app"].state.stopping.is_set():  # else cut at the server's end: no error
                raise

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        send = self._headed(send)
        if _is_foreign(scope, headers, self._origin):
            await _refuse(scope, receive, send, 403, "a page of another origin may not do this here")
        elif scope["type"] == "websocket":
            await self._app(scope, receive, send)
        elif _declared_bytes(headers) > (most := self._most_bytes(scope["path"])):
            await _refuse(scope, receive, send, 413, _too_large(most))
        else:
            await self._pass(scope, receive, send, most)

    def _most_bytes(self, path: str) -> int:
        """Of a request to this path: what takes files takes more than what does not."""
        return next((most for end, most in self._larger.items() if path.endswith(end)), self._max_bytes)

    def _headed(self, send: Send) -> Send:
        """Every answer with the safe headers, a refusal's too."""

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        return headed

    async def _pass(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        began = time.perf_counter()
        read = 0
        answered = False

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise HTTPException(413, _too_large(most))
            return message

        async def watched(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                self._observe(scope, message["status"], time.perf_counter() - began)
            await send(message)

        try:
            await self._app(scope, limited, watched)
        except Exception:
            reference = new_reference()
            log.exception(
                "request failed", method=scope["method"], route=route_of(scope), reference=reference
            )
            if not answered:
                await _refuse(scope, receive, watched, 500, f"{FAULT} (look for {reference})")

    def _observe(self, scope: Scope, status: int, seconds: float) -> None:
        self._duration.labels(route_of(scope), str(status)).observe(seconds)


def _is_foreign(scope: Scope, headers: Headers, public_origin: str) -> bool:
    """A browser names the page's origin; where it is not ours, nothing may be changed and no socket opened.

    Ours: the host that was asked for, or the public origin. Programs that are no browser send none and pass.
    """
    origin = headers.get("origin")
    if origin is None or (scope["type"] == "http" and scope["method"] in _SAFE_METHODS):
        return False
    try:
        return urlsplit(origin).netloc != headers.get("host", "") and origin != public_origin
    except ValueError:  # `http://[`: no browser's page has such an origin
        return True


def _too_large(most: int) -> str:
    return f"the request is larger than {most} bytes"


def _declared_bytes(headers: Headers) -> int:
    declared = headers.get("content-length", "0")
    return int(declared) if declared.isdigit() else 0


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, detail: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": detail})
        return
    if page := await page_of(scope, status, detail):
        await page(scope, receive, send)
        return
    body = orjson.dumps({"type": "about:blank", "title": TITLES[status], "status": status, "detail": detail})
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
