"""The accounts: list, add, roles, switch off and on, one-time passwords, PIN and badge."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from services.console.accounts.models import User
from services.console.accounts.users import checked_grant
from services.console.context import Console
from services.console.errors import AccountRefused, NameTaken
from services.console.routes.sign_in import address_of
from services.kit.auth.guard import allow
from services.kit.auth.principal import ALL_SITES, Grant, Principal
from services.kit.auth.roles import ROLES, RoleName
from services.kit.errors import SpondylError
from services.kit.moments import instant_of, now_us
from services.kit.pages import Language, language_of
from services.kit.routes import Routes

Manager = Annotated[Principal, allow("users.manage")]
Text = Annotated[str, Form()]
Texts = Annotated[list[str] | None, Form()]
SPARE_ROWS: Final = 2  # empty rows for further roles
MOST_ROLES: Final = 40
SHOWN: Final = ("all", "active", "disabled")
DONE: Final = {"roles", "disabled", "enabled", "pin", "pin_gone", "badge", "badge_gone"}
Change = Callable[[], Any]


def router(console: Console) -> APIRouter:
    """``/users`` and what is below it."""
    routes = Routes(include_in_schema=False)
    _add_list(routes, console)
    _add_new(routes, console)
    _add_one(routes, console)
    _add_changes(routes, console)
    _add_bedside(routes, console)
    return routes


def _add_list(routes: APIRouter, console: Console) -> None:
    @routes.get("/users")
    async def listed(
        request: Request, who: Manager, q: str = "", role: str = "", show: str = "all"
    ) -> Response:
        """Whom this one may manage, by name, role and state."""
        language = language_of(request)
        everybody = await run_in_threadpool(console.users.seen_by, who)
        show = show if show in SHOWN else "all"
        found = [user for user in everybody if _matches(user, q.strip().lower()[:80], role, show)]
        return console.page(
            request, "users.html", page="users", title=console.pages.texts(language)["nav_users"],
            rows=[row(user, language) for user in found], total=len(everybody),
            query={"q": q[:80], "role": role if role in ROLES else "", "show": show},
            roles_known=_titles(language),
        )  # fmt: skip


def _matches(user: User, words: str, role: str, show: str) -> bool:
    named = words in user.name or words in user.title.lower()
    has = role not in ROLES or any(grant.role == role for grant in user.grants)
    return named and has and (show == "all" or (show == "disabled") is user.disabled)


def _add_new(routes: APIRouter, console: Console) -> None:
    @routes.get("/users/new")
    async def ask(request: Request, who: Manager) -> Response:
        """The form for a new account."""
        return _new_form(console, request, who)

    @routes.post("/users/new")
    async def add(
        request: Request, who: Manager, name: Text = "", title: Text = "",
        role: Texts = None, site: Texts = None,
    ) -> Response:  # fmt: skip
        """Make it; its one-time password is on this answer and nowhere else."""
        try:
            grants = read_grants(role, site)
            user, password = await run_in_threadpool(
                console.users.add, who, name, title, grants, address_of(request)
            )
        except (AccountRefused, NameTaken) as error:
            typed = {"name": name[:80], "title": title[:80], "grants": _typed(role, site)}
            return _new_form(console, request, who, typed, error)
        return _one(console, request, who, user, password=password, done="added")


def _new_form(
    console: Console, request: Request, who: Principal, typed: dict[str, Any] | None = None,
    error: SpondylError | None = None,
) -> Response:  # fmt: skip
    language = language_of(request)
    texts = console.pages.texts(language)
    sites = _sites(console, who)
    typed = typed or {"name": "", "title": "", "grants": []}
    return console.page(
        request, "user_new.html", status=_status(error), page="users", title=texts["user_new"], typed=typed,
        error=_words(error, texts), rows=_rows(typed["grants"], sites), roles_known=_titles(language),
        sites=sites,
    )  # fmt: skip


def _add_one(routes: APIRouter, console: Console) -> None:
    @routes.get("/users/{user_id}")
    async def one(request: Request, who: Manager, user_id: str, done: str = "") -> Response:
        """One account."""
        user = await run_in_threadpool(console.users.find, who, user_id)
        return _one(console, request, who, user, done=done if done in DONE else "")


def _add_changes(routes: APIRouter, console: Console) -> None:
    users = console.users

    @routes.post("/users/{user_id}/roles")
    async def give(
        request: Request, who: Manager, user_id: str, role: Texts = None, site: Texts = None
    ) -> Response:
        """Replace the roles."""

        def change() -> User:
            return users.give(who, user_id, read_grants(role, site), address_of(request))

        return await _changed(console, request, who, user_id, change, "roles")

    @routes.post("/users/{user_id}/disable")
    async def disable(request: Request, who: Manager, user_id: str) -> Response:
        """Switch off."""
        change = partial(users.disable, who, user_id, address_of(request))
        return await _changed(console, request, who, user_id, change, "disabled")

    @routes.post("/users/{user_id}/enable")
    async def enable(request: Request, who: Manager, user_id: str) -> Response:
        """Switch on again."""
        change = partial(users.enable, who, user_id, address_of(request))
        return await _changed(console, request, who, user_id, change, "enabled")

    @routes.post("/users/{user_id}/reset")
    async def reset(request: Request, who: Manager, user_id: str) -> Response:
        """A new one-time password, on this answer and nowhere else."""
        try:
            user, password = await run_in_threadpool(users.reset, who, user_id, address_of(request))
        except AccountRefused as error:
            user = await run_in_threadpool(users.find, who, user_id)
            return _one(console, request, who, user, error=error)
        return _one(console, request, who, user, password=password, done="reset")


def _add_bedside(routes: APIRouter, console: Console) -> None:
    users = console.users

    @routes.post("/users/{user_id}/pin")
    async def pin(request: Request, who: Manager, user_id: str, pin: Text = "") -> Response:
        """Set the PIN for the bedside, or take it away."""
        change = partial(users.set_pin, who, user_id, pin.strip() or None, address_of(request))
        return await _changed(console, request, who, user_id, change, "pin" if pin.strip() else "pin_gone")

    @routes.post("/users/{user_id}/badge")
    async def badge(request: Request, who: Manager, user_id: str, badge: Text = "") -> Response:
        """Set the badge for the bedside, or take it away."""
        change = partial(users.set_badge, who, user_id, badge.strip() or None, address_of(request))
        return await _changed(
            console, request, who, user_id, change, "badge" if badge.strip() else "badge_gone"
        )


async def _changed(
    console: Console, request: Request, who: Principal, user_id: str, change: Change, done: str
) -> Response:
    """Do it and show the account; after a refusal with its words."""
    user = await run_in_threadpool(console.users.find, who, user_id)
    try:
        await run_in_threadpool(change)
    except SpondylError as error:
        return _one(console, request, who, user, error=error)
    return RedirectResponse(f"/users/{user.id}?done={done}", 303, headers={"cache-control": "no-store"})


def _one(
    console: Console, request: Request, who: Principal, user: User, *, password: str = "", done: str = "",
    error: SpondylError | None = None,
) -> Response:  # fmt: skip
    language = language_of(request)
    texts = console.pages.texts(language)
    sites = _sites(console, who)
    return console.page(
        request, "user.html", status=_status(error), page="users", title=user.title, it=row(user, language),
        password=password, done=done, error=_words(error, texts), own=user.id == who.account,
        rows=_rows([(grant.role, grant.site) for grant in user.grants], sites), roles_known=_titles(language),
        sites=sites, unknown=_unknown(console, user),
    )  # fmt: skip


def row(user: User, language: Language) -> dict[str, Any]:
    """An account as the pages show it."""
    return {
        "id": user.id,
        "name": user.name,
        "title": user.title,
        "roles": [(ROLES[it.role].title[language], it.site.strip(ALL_SITES)) for it in user.grants],
        "state": _state(user),
        "disabled": user.disabled,
        "by_provider": user.issuer is not None,
        "issuer": user.issuer or "",
        "pin": user.pin is not None,
        "badge": user.badge is not None,
        "made_at": instant_of(user.created_at_us),
    }


def _state(user: User) -> str:
    """The id of the text that says how it is: the first that holds."""
    states = {
        "disabled": user.disabled,
        "locked": user.locked_until_us > now_us(),
        "initial": user.must_change,
    }
    return next((name for name, holds in states.items() if holds), "active")


def read_grants(roles: list[str] | None, sites: list[str] | None) -> list[Grant]:
    """The rows of the form that name a role. Raises AccountRefused."""
    found = []
    for role, site in _typed(roles, sites):
        grant = Grant(cast("RoleName", role), site)
        checked_grant(grant)
        found.append(grant)
    return list(dict.fromkeys(found))


def _typed(roles: list[str] | None, sites: list[str] | None) -> list[tuple[str, str]]:
    pairs = list(zip(roles or (), [*(sites or ()), *[""] * len(roles or ())], strict=False))
    return [(role.strip()[:80], site.strip()[:80]) for role, site in pairs[:MOST_ROLES] if role.strip()]


def _rows(grants: list[tuple[str, str]], sites: list[str]) -> list[tuple[str, str]]:
    """The given roles and some empty rows: their site is chosen by a person, unless there is but one."""
    known = [site for site in sites if site != ALL_SITES]
    site = known[0] if len(known) == 1 else ""
    return [*grants, *[("", site)] * SPARE_ROWS]


def _titles(language: Language) -> list[tuple[str, str]]:
    return [(name, role.title[language]) for name, role in ROLES.items()]


def _sites(console: Console, who: Principal) -> list[str]:
    allowed = who.sites("users.manage")
    known = set(console.live.sites())
    return [ALL_SITES, *sorted(known)] if allowed is None else sorted(allowed)


def _unknown(console: Console, user: User) -> list[str]:
    """Sites of the account that no bed has been heard of at: new ones, or mistyped."""
    known = {ALL_SITES, *console.live.sites()}
    return sorted({grant.site for grant in user.grants} - known)


def _status(error: SpondylError | None) -> int:
    return int(getattr(error, "status", 422)) if error else 200


def _words(error: SpondylError | None, texts: dict[str, str]) -> str:
    if error is None:
        return ""
    if isinstance(error, AccountRefused):
        return texts[error.text].format(**error.values)
    return texts["name_taken"] if isinstance(error, NameTaken) else error.message
