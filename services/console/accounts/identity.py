"""Who asks the console: a browser by its cookie, a program by its token; and what both must obey."""

import secrets
from typing import Final, cast

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response

from services.console.accounts.accounts import Accounts, is_command
from services.console.accounts.models import SignIn, User
from services.console.accounts.turns import COMMANDS
from services.console.errors import ForgedRequest, PasswordChangeFirst
from services.kit.auth.guard import Guard, by_token
from services.kit.auth.principal import Principal
from services.kit.auth.tokens import CONSOLE
from services.kit.errors import SpondylError

SIGN_IN: Final = "/sign-in"
PASSWORD: Final = "/password"  # noqa: S105  (a path)
BEFORE_THE_CHANGE: Final = (PASSWORD, "/sign-out")  # all that an initial password opens
HEADER: Final = "x-csrf-token"
FIELD: Final = "csrf"
COMMAND_WAITS_S: Final = 1.0  # of a STOP for the accounts
_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")


def guard(accounts: Accounts, public_pem: bytes) -> Guard:
    """The console's guard: a token where one is shown, else the cookie."""

    async def identify(connection: HTTPConnection) -> Principal | None:
        if "authorization" in connection.headers:
            # No browser sends one by itself: nothing to forge.
            return by_token(connection, public_pem, CONSOLE)
        found = await _find(accounts, connection)
        if found is None:
            return None
        sign_in, user = found
        await refuse_forgery(connection, sign_in.forgery)
        if user.must_change and connection.url.path not in BEFORE_THE_CHANGE:
            raise PasswordChangeFirst("the initial password is changed first, at /password")
        return user.principal

    return Guard(identify, sign_in=SIGN_IN)


async def _find(accounts: Accounts, connection: HTTPConnection) -> tuple[SignIn, User] | None:
    """Who it is. A STOP waits neither behind other requests' threads nor long for a database."""
    if not is_command(connection):
        return await run_in_threadpool(accounts.find, connection)
    with anyio.move_on_after(COMMAND_WAITS_S):
        return await COMMANDS.run(accounts.find, connection)
    return accounts.remembered(connection) or await COMMANDS.run(accounts.find, connection)


async def refuse_forgery(connection: HTTPConnection, forgery: str) -> None:
    """A request that changes something must bring what only our own pages know. Raises ForgedRequest."""
    if not isinstance(connection, Request) or connection.method in _SAFE:
        return
    brought = connection.headers.get(HEADER)
    kind = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    if brought is None and kind in _FORMS:
        brought = str((await connection.form()).get(FIELD, ""))
    if not secrets.compare_digest((brought or "").encode("utf-8", "replace"), forgery.encode()):
        raise ForgedRequest(
            f"this request does not come from a page of the console: the header {HEADER} or the field "
            f"{FIELD} of this sign-in is needed; open the page again"
        )


async def lead_to_password(connection: Request, error: Exception) -> Response:
    """A page of somebody whose initial password stands leads to its change; anything else is refused."""
    is_page = connection.scope.get("method") in ("GET", "HEAD")  # (a WebSocket comes here too, and has none)
    if is_page and "text/html" in connection.headers.get("accept", ""):
        return RedirectResponse(PASSWORD, status_code=303, headers={"cache-control": "no-store"})
    return cast("Response", await connection.app.exception_handlers[SpondylError](connection, error))
