"""Errors as pages for people, where an application has pages; programs get problem+json."""

from collections.abc import Awaitable, Callable
from html import escape
from typing import Final
from uuid import uuid4

import structlog
from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from starlette.datastructures import Headers
from starlette.types import Scope

from services.kit.language import Text

log = structlog.get_logger(__name__)

ErrorPage = Callable[[Request, int, "Text | str"], Awaitable[Response]]
_HTML: Final = "text/html"


def new_reference() -> str:
    """What an error's page and its line in the log have in common."""
    return uuid4().hex[:8]


def wants_page(scope: Scope) -> bool:
    """Whether a browser shows the answer to a person: scripts and programs do not ask for HTML."""
    return scope["type"] == "http" and _HTML in Headers(scope=scope).get("accept", "")


async def page_of(scope: Scope, status: int, detail: Text | str) -> Response | None:
    """The application's page for this error; None where it has none or nobody would see it.

    An error inside the page itself ends in the plainest page there is.
    """
    make: ErrorPage | None = getattr(scope["app"].state, "error_page", None)
    if make is None or not wants_page(scope):
        return None
    try:
        return await make(Request(scope), status, detail)
    except Exception:
        log.exception("error page failed", status=status)
        return last_resort(status, detail)


def last_resort(status: int, detail: Text | str) -> Response:
    """A page without any template."""
    words = detail if isinstance(detail, str) else detail["en"]
    return HTMLResponse(
        f'<!doctype html><html lang="en"><title>{status}</title><h1>{status}</h1><p>{escape(words)}</p>'
        '<p><a href="/">/</a></p></html>',
        status_code=status,
        headers={"cache-control": "no-store"},
    )
