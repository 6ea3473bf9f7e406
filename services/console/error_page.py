"""What a person reads when something was refused or failed: what it is, and a way on."""

import contextlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, cast
from urllib.parse import quote

import anyio
import structlog
from anyio import to_thread
from fastapi import FastAPI, Request, Response
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from services.console.context import Console
from services.console.errors import DatabaseAway
from services.kit.auth.principal import Principal
from services.kit.error_pages import ErrorPage
from services.kit.errors import SpondylError
from services.kit.language import Text
from services.kit.pages import language_of

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """A row: the ids of title and text, the symbol, whether trying again may help.

    ``asked`` is the text for who only asked, where the other says that nothing was saved.
    """

    id: str
    icon: str
    again: bool = False
    asked: str = ""

    def text(self, method: str) -> str:
        """The id of the text for a request of this method."""
        return self.asked if self.asked and method == "GET" else f"{self.id}_text"


KINDS: Final[dict[int, Kind]] = {
    401: Kind("error_401", "key"),
    403: Kind("error_403", "key"),
    404: Kind("error_404", "search"),
    409: Kind("error_409", "info"),
    413: Kind("error_413", "info"),
    422: Kind("error_422", "info", asked="error_422_asked"),
    429: Kind("error_429", "info", again=True),
    500: Kind("error_500", "error", again=True),
    502: Kind("error_503", "unlinked", again=True),
    503: Kind("error_503", "unlinked", again=True),
}
OTHER: Final = Kind("error_other", "info")
AWAY: Final = (OperationalError, InterfaceError, NoConnectionFree)  # of the database
WHO_S: Final = 1.0  # so long an error's page waits for who it is for
PHRASES: Final = tuple(status.phrase for status in HTTPStatus)


def kind_of(status: int) -> Kind:
    """The row of a status; a fault of ours for any that is not listed above 499."""
    fault = KINDS[500] if status >= HTTPStatus.INTERNAL_SERVER_ERROR else OTHER
    return KINDS.get(status, fault)


def error_page(console: Console) -> ErrorPage:
    """The console's page for an error: in the frame for whoever is signed in, else without any bed in it."""

    async def show(request: Request, status: int, detail: Text | str) -> Response:
        kind, language, who = kind_of(status), language_of(request), await _who(console, request)
        detail = _address(request) if detail in PHRASES else detail
        texts = console.pages.texts(language)
        return console.page(
            request,
            "error.html",
            status=status,
            principal=who,
            bare=who is None,
            page="error",
            title=texts[kind.id],
            words=texts[kind.text(request.method)],
            icon=kind.icon,
            status_code=status,
            again=kind.again and request.method == "GET",
            sign_in=f"/sign-in?next={quote(_back(request))}" if who is None else None,
            detail=detail if isinstance(detail, str) else detail[language],
            detail_language="en" if isinstance(detail, str) else language,
        )

    return show


def answer_for_database(app: FastAPI) -> None:
    """A database that does not answer is a 503 in the reader's language, and no fault of ours."""

    async def away(connection: Request, error: Exception) -> Response:
        reason = str(getattr(error, "orig", None) or error)
        log.error("the console's database does not answer", reason=reason[:500])
        answer: Any = app.exception_handlers[SpondylError]
        return cast("Response", await answer(connection, DatabaseAway()))

    for kind in AWAY:
        app.add_exception_handler(kind, away)


def _address(request: Request) -> Text:
    """What was asked for, in place of the framework's phrase: in English, and no more than the title."""
    asked = f"{request.method} {request.url.path}"
    return {"de": asked, "en": asked}


def _back(request: Request) -> str:
    return request.url.path if request.method == "GET" else "/"


async def _who(console: Console, request: Request) -> Principal | None:
    """Whose browser this is, also where no route was reached; nobody while that cannot be found out."""
    with contextlib.suppress(Exception), anyio.move_on_after(WHO_S):
        found = await to_thread.run_sync(console.accounts.find, request, abandon_on_cancel=True)
        if found is not None and not found[1].must_change:
            return found[1].principal
    return None
