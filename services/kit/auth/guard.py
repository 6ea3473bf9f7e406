"""The rule that every route carries, and the guard that knows who asks.

    @router.get("/devices")
    def devices(who: Annotated[Principal, allow("samples.see")]): ...

    @router.post("/beds/{device}/stop", dependencies=[allow("beds.stop")])

``allow`` asks for a permission at any site: the route itself keeps to ``who.sites(permission)``, which
``sites_for`` hands over at once. Another site's record is answered like one that does not exist.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from fastapi import Depends
from fastapi.routing import iter_route_contexts
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from services.kit.auth.principal import ALL_SITES, Principal
from services.kit.auth.roles import EVERY_ROLE, PERMISSIONS, Permission
from services.kit.errors import NotPermitted, NotSignedIn, SignInFirst, SpondylError
from services.kit.language import LANGUAGES, Language, Text
from services.kit.parameters import require_known
from services.kit.routes import LateRoute

Identify = Callable[[HTTPConnection], Awaitable[Principal | None]]
_SCHEME: Final = "bearer"
_WORDS: Final[Mapping[str, Text]] = {  # here, not in a catalogue: workers without pages have this module too
    "lacking": {
        "de": "{name} darf das{at} nicht: {what}. Das erlaubt die Rolle {roles}.",
        "en": "{name} may not do this{at}: {what}; it comes with the role {roles}.",
    },
    "at": {"de": " am Standort {site}", "en": " at site {site}"},
    "everywhere": {"de": " an allen Standorten", "en": " at every site"},
    "role": {"de": "„{title}“", "en": "“{title}”"},
    "or": {"de": " oder ", "en": " or "},
}


@dataclass(frozen=True, slots=True)
class Guard:
    """Knows who asks: ``identify`` gives nobody, somebody, or raises NotSignedIn.

    Where ``sign_in`` is a page's address, a browser that opens a page unknown is led there.
    """

    identify: Identify
    sign_in: str | None = None

    async def principal(self, connection: HTTPConnection) -> Principal:
        """Who asks. Raises NotSignedIn, SignInFirst."""
        refusal = NotSignedIn("nobody is signed in: this needs a sign-in, or a token as `Bearer`")
        try:
            if found := await self.identify(connection):
                return found
        except NotSignedIn as error:
            refusal = error
        if self.sign_in is not None and _is_page(connection):
            raise SignInFirst(f"{self.sign_in}?next={quote(_path_of(connection), safe='')}")
        raise refusal


@dataclass(frozen=True, slots=True)
class Rule:
    """What a route asks of whoever calls it; the dependency itself. It gives the principal, if any."""

    permission: Permission | None = None  # None: whoever is signed in
    is_public: bool = False

    async def __call__(self, connection: HTTPConnection) -> Principal | None:
        """Let pass or raise NotSignedIn, NotPermitted; UnknownParameter to whom may ask here."""
        if self.is_public:
            return None
        guard: Guard = connection.app.state.guard
        known: Principal | None = getattr(connection.state, "principal", None)  # to an earlier rule
        connection.state.principal = who = known or await guard.principal(connection)
        if self.permission is not None and not who.may(self.permission):
            raise lacking(who, self.permission)
        require_known(connection)
        return who


@dataclass(frozen=True, slots=True)
class SitesRule(Rule):
    """The same, giving the sites where the permission holds: None for everywhere."""

    async def __call__(self, connection: HTTPConnection) -> Any:
        """Let pass or raise, as ``Rule`` does."""
        who = await Rule.__call__(self, connection)
        return who.sites(self.permission) if who and self.permission else None


def allow(permission: Permission) -> Any:
    """The route is for those who have this permission anywhere; it gives the Principal."""
    return Depends(Rule(permission))


def sites_for(permission: Permission) -> Any:
    """Like ``allow``, but it gives the sites where it is permitted: a frozenset, None for everywhere."""
    return Depends(SitesRule(permission))


def signed_in() -> Any:
    """The route is for whoever is signed in, in whatever role; it gives the Principal."""
    return Depends(Rule())


def public() -> Any:
    """The route is for everybody, known or not: it tells nothing of anybody. Gives None."""
    return Depends(Rule(is_public=True))


def lacking(who: Principal, permission: Permission, site: str | None = None) -> NotPermitted:
    """The refusal of what this one may not do: which permission, and which roles have it."""
    roles = [name for name, role in EVERY_ROLE.items() if permission in role.permissions]
    at = "" if site is None else " at every site" if site == ALL_SITES else f" at site {site[:40]!r}"
    return NotPermitted(
        f"{permission} is not permitted to {who.name[:80]!r}{at}: "
        f"it comes with the role {' or '.join(roles) or 'of nobody'}",
        {language: _in_words(who, permission, site, language) for language in LANGUAGES},
    )


def _in_words(who: Principal, permission: Permission, site: str | None, language: Language) -> str:
    """The same for a person, who knows neither the names of permissions nor those of roles in tokens."""
    where = "everywhere" if site == ALL_SITES else "at"
    at = "" if site is None else _WORDS[where][language].format(site=site[:40])
    titles = [role.title[language] for role in EVERY_ROLE.values() if permission in role.permissions]
    roles = [_WORDS["role"][language].format(title=title) for title in titles]
    return _WORDS["lacking"][language].format(
        name=who.name[:80], at=at, what=PERMISSIONS[permission][language],
        roles=_WORDS["or"][language].join(roles),
    )  # fmt: skip


def bearer(public_pem: bytes, audience: str = "spondyl-telemetry") -> Guard:
    """The guard of a service that has no pages: it knows callers by the tokens for it alone."""

    async def identify(connection: HTTPConnection) -> Principal | None:
        return by_token(connection, public_pem, audience)

    return Guard(identify)


def by_token(connection: HTTPConnection, public_pem: bytes, audience: str) -> Principal | None:
    """Whom the token in the ``Authorization`` header speaks for; None without one. Raises NotSignedIn.

    When the token ends is left in ``connection.state.token_ends_s``, seconds since the epoch.
    """
    from services.kit.auth import tokens  # (a worker that serves health alone needs no cryptography)

    header = connection.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != _SCHEME:
        raise NotSignedIn("the Authorization header is of another scheme: `Bearer TOKEN` is known here")
    who, ends_s = tokens.read_until(token.strip(), public_pem, audience)
    connection.state.token_ends_s = ends_s
    return who


async def _nobody(_connection: HTTPConnection) -> Principal | None:
    return None


NOBODY: Final = Guard(_nobody)  # of a process that serves health and metrics alone


@dataclass(frozen=True, slots=True)
class Ruled:
    """A route and what it asks; no rules where somebody forgot them."""

    path: str
    methods: frozenset[str]  # empty: a WebSocket
    rules: tuple[Rule, ...]


def ruled(routes: Sequence[BaseRoute]) -> Iterator[Ruled]:
    """Every route with its rules; static files are public by declaration and left out."""
    for context in iter_route_contexts(routes):
        if isinstance(context.route, Mount) and isinstance(context.route.app, StaticFiles):
            continue
        dependant = getattr(context, "dependant", None)
        yield Ruled(
            context.path or "?",
            frozenset(context.methods or ()),
            tuple(_rules_in([dependant] if dependant else [])),
        )


def require_rules(title: str, routes: Sequence[BaseRoute]) -> None:
    """Raises SpondylError that names every route without a rule."""
    bare = [
        f"{' '.join(sorted(route.methods)) or 'WS'} {route.path}"
        for route in ruled([route for route in routes if not _says_its_rule(route)])
        if not route.rules
    ]
    if bare:
        raise SpondylError(
            f"{title} does not start: {', '.join(bare)} say nobody who may call them; give each "
            "allow(permission), signed_in() or public() of services/kit/auth/guard.py"
        )


def _says_its_rule(route: BaseRoute) -> bool:
    """Whether a rule stands at the route itself: most do, and it need not be built to know."""
    return isinstance(route, LateRoute) and any(isinstance(it.dependency, Rule) for it in route.declared())


def _rules_in(dependants: Iterable[Any]) -> Iterator[Rule]:
    for dependant in dependants:
        if isinstance(dependant.call, Rule):
            yield dependant.call
        yield from _rules_in(dependant.dependencies)


def _is_page(connection: HTTPConnection) -> bool:
    return connection.scope.get("method") in ("GET", "HEAD") and "text/html" in connection.headers.get(
        "accept", ""
    )


def _path_of(connection: HTTPConnection) -> str:
    query = connection.url.query
    return connection.url.path + (f"?{query}" if query else "")
