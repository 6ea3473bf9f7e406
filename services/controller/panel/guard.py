"""From where the panel may be reached: a foreign web page must not get at it through a browser.

The kit's gate refuses foreign origins. Here: only known host names (a name that an attacker points at
loopback is none of them), acting only from known addresses, no request that the browser itself calls
cross-site, and JSON only, which a form cannot send.
"""

import ipaddress
import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from services.controller.errors import GivenTwice, NotAtTheBed
from services.kit.http import problem

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_CROSS_SITE = frozenset({"cross-site", "same-site"})


class KnownHosts:
    """ASGI middleware; ``names`` are host names and addresses beside loopback, ``*`` allows any."""

    def __init__(self, app: ASGIApp, names: Iterable[str] = ()) -> None:
        self._app = app
        self._names = LOOPBACK_NAMES | {name.strip().lower() for name in names if name.strip()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the connection on, or refuse it here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        reason = self._refusal(scope, headers)
        if reason is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            await problem(403, "Not permitted", reason)(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> str | None:
        name = host_name(headers.get("host", ""))
        if "*" not in self._names and name not in self._names:
            return f"this panel is not called {name[:60]!r}: name it in SPONDYL_PANEL_HOSTS"
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
        if changes and headers.get("sec-fetch-site") in _CROSS_SITE:
            return "a page of another origin may not do this here"
        return None


class KnownClients:
    """From which addresses a browser may sign in and act: this machine's own, and those of ``networks``."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = [ipaddress.ip_network(text) for text in networks]

    def require(self, scope: Scope) -> None:
        """Raise NotAtTheBed for anybody else."""
        client, server = (_address(scope.get(end)) for end in ("client", "server"))
        if client is None or not (
            client.is_loopback or client == server or any(client in network for network in self._networks)
        ):
            told = client or "an unknown address"
            raise NotAtTheBed(
                f"only the bedside acts: {told} is neither this machine nor named in SPONDYL_PANEL_CLIENTS",
                f"nur am Bett wird bedient: {told} ist nicht hier und fehlt in SPONDYL_PANEL_CLIENTS",
            )


def _address(end: tuple[str, int] | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(end[0].partition("%")[0] if end else "")
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def host_name(host: str) -> str:
    """The name in a Host header, without its port; a bracketed IPv6 address without its brackets."""
    name = host.partition("]")[0][1:] if host.startswith("[") else host.partition(":")[0]
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower().rstrip(".")


async def json_only(request: Request) -> None:
    """For routes that change something: a form of another page cannot send JSON; nothing is given twice.

    Of two peaks in one prescription a reader of JSON takes the last: neither is meant for sure.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, "send application/json: a form of another page cannot")
    with suppress(json.JSONDecodeError, UnicodeDecodeError):  # what is no JSON is refused where it is read
        json.loads(await request.body() or b"null", object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object; raises GivenTwice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        name = next(name for name in names if names.count(name) > 1)[:40]
        raise GivenTwice(
            f"{name!r} is given twice: say it once, nothing was done",
            f"{name!r} ist zweimal angegeben: einmal angeben, nichts wurde getan",
        )
    return found
