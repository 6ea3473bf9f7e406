"""Signing in and out, and the change of one's own password."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from services.console import navigation
from services.console.accounts import limits
from services.console.accounts.accounts import WALL_US, Opened, is_wall
from services.console.accounts.entry import Entry
from services.console.accounts.identity import PASSWORD, SIGN_IN
from services.console.accounts.known import DEMO_NAME, DEMO_PASSWORD
from services.console.accounts.models import User
from services.console.accounts.turns import PASSWORDS
from services.console.context import Console
from services.console.errors import AccountRefused, SignInRefused
from services.kit import formats
from services.kit.auth.guard import public, signed_in
from services.kit.auth.principal import Principal
from services.kit.pages import COOKIE_S, LANGUAGES, THEMES, Language, language_of, own_path
from services.kit.routes import Routes

Text = Annotated[str, Form()]
CHOICES: Final = {"language": LANGUAGES, "theme": THEMES}


def router(console: Console) -> APIRouter:
    """``/sign-in``, ``/sign-out`` and ``/password``."""
    routes = Routes(include_in_schema=False)
    entry = Entry(console.store, console.settings.work)
    _add_sign_in(routes, console, entry)
    _add_sign_out(routes, console)
    _add_password(routes, console, entry)
    return routes


def _add_sign_in(routes: APIRouter, console: Console, entry: Entry) -> None:
    @routes.get(SIGN_IN, dependencies=[public()])
    async def ask(request: Request, next: str = "/") -> Response:  # noqa: A002  (the query's name)
        """The form; whoever is signed in already goes on."""
        if found := await run_in_threadpool(console.accounts.find, request):
            return to(_landing(found[1].principal, next))
        return form(console, request, next)

    @routes.post(SIGN_IN, dependencies=[public()])
    async def enter(request: Request, name: Text = "", password: Text = "", next: Text = "/") -> Response:  # noqa: A002  (the form's names)
        """Check name and password; a new cookie each time, so that none can be planted beforehand."""
        try:
            user = await PASSWORDS.run(entry.admit, name, password, address_of(request))
        except SignInRefused as error:
            detail = {"reason": error.reason}
            known = error.user is not None
            await console.record_refused(request, stranger(name, error), detail, known=known)
            return form(console, request, next, name=name, error=error)
        return await welcome(console, request, user, next, by="password")


def _add_sign_out(routes: APIRouter, console: Console) -> None:
    @routes.post("/here", dependencies=[signed_in()])
    async def here() -> Response:
        """Somebody touched the page: that this was asked is all."""
        return Response(status_code=204)

    @routes.post("/sign-out")
    async def leave(request: Request, who: Annotated[Principal, signed_in()]) -> Response:
        """End this browser's sign-in."""
        await run_in_threadpool(console.accounts.end, request)
        await console.record(request, who, "sign_out")
        answer = to(SIGN_IN)
        answer.delete_cookie(
            console.accounts.cookie, secure=console.accounts.secure, httponly=True, samesite="lax"
        )
        return answer


def _add_password(routes: APIRouter, console: Console, entry: Entry) -> None:
    @routes.get(PASSWORD, dependencies=[signed_in()])
    async def ask(request: Request) -> Response:
        """The form for one's own password."""
        return await _password_form(console, request)

    @routes.post(PASSWORD, dependencies=[signed_in()])
    async def change(request: Request, current: Text = "", new: Text = "", again: Text = "") -> Response:
        """Change it; every other browser of this person is signed out, this one gets a new cookie."""
        user = await _user(console, request)
        try:
            same_twice(new, again)
            change = partial(console.users.change_password, user, current, new, address_of(request))
            changed = await PASSWORDS.run(entry.counted, user, address_of(request), change)
        except AccountRefused as error:
            return await _password_form(console, request, error)
        except SignInRefused as error:
            return await _guessed(console, request, user, error)
        return await remember(console, request, changed, to(_landing(changed.principal, "/")))


async def _guessed(console: Console, request: Request, user: User, error: SignInRefused) -> Response:
    """A present password that was wrong, as at the sign-in; too often, and this sign-in is over."""
    detail = {"reason": error.reason, "at": PASSWORD}
    await console.record_refused(request, user.principal, detail, known=True)
    if error.reason == "locked":
        await run_in_threadpool(console.accounts.end, request)
        return form(console, request, "/", name=user.name, error=error)
    wrong = "password_current_wrong" if error.reason == "wrong" else f"sign_in_{error.reason}"
    refusal = AccountRefused(error.message, text=wrong, **_limits(error, language_of(request)))
    refusal.status = error.status
    answer = await _password_form(console, request, refusal)
    if error.wait_s:
        answer.headers["retry-after"] = str(error.wait_s)
    return answer


async def _password_form(console: Console, request: Request, error: AccountRefused | None = None) -> Response:
    user = await _user(console, request)
    language = language_of(request)
    texts = console.pages.texts(language)
    said = texts[error.text].format(**error.values) if error else ""
    return console.page(
        request, "password.html", status=error.status if error else 200, page="password",
        title=texts["title_password"], forced=user.must_change, known=user.password is not None, error=said,
    )  # fmt: skip


async def _user(console: Console, request: Request) -> User:
    found = await run_in_threadpool(console.accounts.find, request)
    if found is None:
        raise AccountRefused("a token has no password to change", text="password_none")
    return found[1]


async def welcome(console: Console, request: Request, user: User, next_path: str, *, by: str) -> Response:
    """Begin the sign-in of somebody who has shown who it is, and go where they wanted to."""
    await run_in_threadpool(console.accounts.end, request)
    if handed := request.cookies.get(console.tablet_cookie):
        await run_in_threadpool(console.handovers.end, handed)
    await console.record(request, user.principal, "sign_in", detail={"by": by})
    leads = PASSWORD if user.must_change else _landing(user.principal, next_path)
    return await remember(console, request, user, to(leads))


def _landing(who: Principal, next_path: str) -> str:
    """Where somebody goes who is signed in: where they wanted to, else the first page they may open."""
    wanted = own_path(next_path)
    return navigation.home(who).path if wanted == "/" else wanted


async def remember(console: Console, request: Request, user: User, answer: Response) -> Response:
    """Open a sign-in and hand its cookie to the browser, with the person's language and theme."""
    opened = await run_in_threadpool(console.accounts.open, user, address_of(request))
    hand_cookie(console, opened, answer)
    for name, value in (("language", user.language), ("theme", user.theme)):
        if value:
            answer.set_cookie(name, value, max_age=COOKIE_S, samesite="lax", httponly=True)
    return answer


def same_twice(new: str, again: str) -> None:
    """Raises AccountRefused when a password was mistyped."""
    if new != again:
        raise AccountRefused("the new password was not typed the same twice", text="password_differs")


def hand_cookie(console: Console, opened: Opened, answer: Response) -> None:
    """Gone with the browser's end, but for a screen on a wall, which outlives its restarts."""
    answer.set_cookie(
        console.accounts.cookie, opened.cookie, path="/", httponly=True, samesite="lax",
        secure=console.accounts.secure, max_age=WALL_US // 1_000_000 if is_wall(opened.user) else None,
    )  # fmt: skip


def form(
    console: Console,
    request: Request,
    next_path: str,
    *,
    name: str = "",
    error: SignInRefused | None = None,
    said: str = "",
    status: int = 200,
) -> Response:
    """The sign-in page, after a refusal with its words."""
    language = language_of(request)
    texts = console.pages.texts(language)
    if error:
        said = texts[f"sign_in_{error.reason}"].format(**_limits(error, language))
    settings = console.settings
    answer = console.page(
        request, "sign_in.html", status=error.status if error else status, page="sign-in",
        title=texts["title_sign_in"], next=own_path(next_path), name=name[:80], error=said,
        demo={"name": DEMO_NAME, "password": DEMO_PASSWORD} if settings.demo else None,
        oidc=settings.oidc_label if settings.oidc_issuer else None,
    )  # fmt: skip
    if error and error.wait_s:
        answer.headers["retry-after"] = str(error.wait_s)
    return answer


def _limits(error: SignInRefused, language: Language) -> dict[str, object]:
    """What the words of a refusal say: the value, the limit, how long that is."""
    return {
        "seconds": error.wait_s,
        "failures": error.failures,
        "limit": limits.FREE_FAILURES,
        "first": formats.duration(limits.FIRST_WAIT_S, language),
        "longest": formats.duration(limits.LONGEST_WAIT_S, language),
        "tries": limits.TRIES_AT_ONCE,
        "every": formats.duration(limits.TRY_EVERY_S, language),
    }


def keep_choices(console: Console) -> Callable[..., Awaitable[None]]:
    """What keeps a person's language and theme with the account, so that every browser has them."""

    async def keep(request: Request, language: str = "", theme: str = "") -> None:
        found = await run_in_threadpool(console.accounts.find, request)
        chosen = {"language": language, "theme": theme}
        values = {name: chosen[name] for name, known in CHOICES.items() if chosen[name] in known}
        if found and values:
            await run_in_threadpool(console.store.change_user, found[1].id, values)

    return keep


def stranger(name: str, error: SignInRefused) -> Principal:
    """Who it may have been, for the trail: a name that is no account's may be a password typed too early."""
    user: Any = error.user
    return user.principal if isinstance(user, User) else Principal("", name[:3] + "…" if name else "", ())


def to(path: str) -> RedirectResponse:
    """Go there, and let nobody keep this answer."""
    return RedirectResponse(path, status_code=303, headers={"cache-control": "no-store"})


def address_of(request: Request) -> str:
    """Where the request comes from."""
    return request.client.host if request.client else ""
