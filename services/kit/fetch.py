"""Asking our own processes by HTTP, past any proxy that the environment names for the world outside."""

import functools
import http.client
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Final
from urllib.parse import urlsplit

from services.kit import correlation, tracing

_PART_BYTES: Final = 1 << 16


def fetch(url: str, timeout_s: float, token: str | None = None) -> bytes:
    """The body of an answer that is no error, asked for in the name that a token speaks for.

    Raises urllib.error.HTTPError for an error, with its body, and OSError when nobody answers in time.
    """
    with _step(url), _opener(url).open(_request(url, token), timeout=timeout_s) as answer:
        body: bytes = answer.read()
        return body


def fetch_parts(url: str, timeout_s: float, token: str | None = None) -> Iterator[bytes]:
    """The same body piece by piece, never all of it in memory; an answer that breaks off is an OSError."""
    with _step(url), _opener(url).open(_request(url, token), timeout=timeout_s) as answer:
        try:
            while part := answer.read(_PART_BYTES):
                yield part
        except http.client.HTTPException as error:
            raise ConnectionError(f"the answer broke off: {error!r}") from None
        if answer.length:  # (what was promised and has not come)
            raise ConnectionError(f"the answer broke off {answer.length} bytes before its end")


def _step(url: str) -> AbstractContextManager[tracing.Step]:
    """One question, as a span: its host, never its path."""
    host = urlsplit(url).hostname or ""
    return tracing.span(f"GET {host}", "client", {"http.request.method": "GET", "server.address": host})


def _opener(url: str) -> urllib.request.OpenerDirector:
    return _openers(is_secure=url.startswith("https:"))


@functools.cache
def _openers(*, is_secure: bool) -> urllib.request.OpenerDirector:
    """Past every proxy; certificates are looked at only where there are some: to load them takes a while."""
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if is_secure:
        from services.kit.connections import verification

        handlers.append(urllib.request.HTTPSHandler(context=verification()))
    return urllib.request.build_opener(*handlers)


def _request(url: str, token: str | None) -> urllib.request.Request:
    headers = correlation.headers() | ({} if token is None else {"Authorization": f"Bearer {token}"})
    return urllib.request.Request(url, headers=headers)  # noqa: S310  (an address of ours)
