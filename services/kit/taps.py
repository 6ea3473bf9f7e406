"""Where a tap arrives: every HTTP request has a correlation, tells it back, and is one span of its trace."""

import time
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.kit import correlation, tracing

log = structlog.get_logger(__name__)

PROBES: Final = frozenset({"/livez", "/readyz", "/metrics"})
LOOKING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS: Final = LOOKING | {"POST", "PUT", "PATCH", "DELETE"}
FAULTS: Final = 500


class Taps:
    """Plain ASGI, outermost: what asks is taken at its ``traceparent``, or begins a trace here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one connection on, with what it belongs to."""
        if scope["type"] == "lifespan" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        tap = correlation.given(Headers(scope=scope).get(correlation.HEADER))
        with correlation.holding(tap):
            if scope["type"] == "http":
                await self._request(scope, receive, send)
            else:
                await self._app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status = time.perf_counter(), FAULTS
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"

        async def telling(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[correlation.ANSWER] = correlation.current() or ""
            await send(message)

        with tracing.span(method, "server", {"http.request.method": method}) as step:
            try:
                await self._app(scope, receive, telling)
            finally:
                route = route_of(scope)
                step.named(f"{method} {route}")
                step.says({"http.route": route, "http.response.status_code": status})
                if status >= FAULTS:
                    step.failed(str(status))
                if method not in LOOKING:
                    took_ms = round((time.perf_counter() - began) * 1000, 1)
                    log.info("request", method=method, route=route, status=status, took_ms=took_ms)


def route_of(scope: Scope) -> str:
    """The route's template, never the path: no identifier in a label, a log or a span."""
    return getattr(scope.get("route"), "path", "other")
