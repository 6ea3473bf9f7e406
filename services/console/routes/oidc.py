"""Signing in through an OpenID Connect provider: there, and back."""

from typing import Final

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from services.console.accounts.mapping import PROVIDER, Arrivals
from services.console.accounts.oidc import BEGUN_S, CALLBACK, Provider
from services.console.context import Console
from services.console.errors import ProviderRefused, ProviderUnavailable
from services.console.routes.sign_in import address_of, form, welcome
from services.kit.auth.guard import public
from services.kit.pages import language_of, own_path
from services.kit.routes import Routes

COOKIE: Final = "spondyl-oidc"
PATH: Final = "/sign-in/oidc"
SHOWN_CHARACTERS: Final = 200  # of what the provider says, in the trail
UNTOLD: Final = "oidc_token"  # of many reasons: only the message tells them apart
log = structlog.get_logger(__name__)


def router(console: Console) -> APIRouter:
    """``/sign-in/oidc`` and its callback; no route where no provider is configured."""
    routes = Routes(include_in_schema=False, dependencies=[public()])
    if console.settings.oidc_issuer:
        _add(routes, console, Provider(console.settings, console.key))
    return routes


def _add(routes: APIRouter, console: Console, provider: Provider) -> None:
    settings = console.settings
    arrivals = Arrivals(console.store, console.trail, settings.oidc_roles, settings.oidc_groups_claim)

    @routes.get(PATH)
    async def leave(request: Request, next: str = "/") -> Response:  # noqa: A002  (the query's name)
        """To the provider; what must come back with the answer waits in a cookie."""
        try:
            begun = await provider.begin(_redirect_uri(console, request), own_path(next))
        except ProviderUnavailable as error:
            return await _sorry(console, request, error)
        answer = RedirectResponse(begun.address, status_code=303, headers={"cache-control": "no-store"})
        answer.set_cookie(
            COOKIE, begun.cookie, max_age=BEGUN_S, path=PATH, httponly=True, samesite="lax",
            secure=settings.secure,
        )  # fmt: skip
        return answer

    @routes.get(CALLBACK)
    async def back(request: Request) -> Response:
        """Whoever comes back with an answer that holds is signed in."""
        cookie = request.cookies.get(COOKIE, "")
        try:
            vouched = await provider.finish(_redirect_uri(console, request), request.query_params, cookie)
            user = await run_in_threadpool(arrivals.admit, vouched, address_of(request))
        except (ProviderRefused, ProviderUnavailable) as error:
            return await _sorry(console, request, error)
        answer = await welcome(console, request, user, vouched.next, by="provider")
        answer.delete_cookie(COOKIE, path=PATH)
        return answer


def _redirect_uri(console: Console, request: Request) -> str:
    base = console.settings.public_url or str(request.base_url).rstrip("/")
    return f"{base}{CALLBACK}"


async def _sorry(
    console: Console, request: Request, error: ProviderRefused | ProviderUnavailable
) -> Response:
    """The sign-in page with the reason; details are for the log and the trail."""
    log.warning("sign-in by provider failed", detail=error.message)
    texts = console.pages.texts(language_of(request))
    if isinstance(error, ProviderUnavailable):
        said = texts["oidc_away"].format(label=console.settings.oidc_label)
    else:
        said = texts[error.text].format(**error.values)
        values = {name: str(value)[:SHOWN_CHARACTERS] for name, value in error.values.items()}
        detail = {"reason": error.text, **values}
        if error.text == UNTOLD:
            detail["message"] = error.message[:SHOWN_CHARACTERS]
        await console.record_refused(request, PROVIDER, detail, known=False)
    answer = form(console, request, "/", said=said, status=error.status)
    answer.delete_cookie(COOKIE, path=PATH)
    return answer
