"""Who may call which of the panel's routes.

Whoever is signed in at this panel acts at its beds; a bearer token from elsewhere reads, breaks simulated
beds where it may, and never starts, resumes or raises anything: **only the bedside may start**. STOP and the
open view of what a bed does ask for nobody.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import Depends
from starlette.requests import HTTPConnection

from services.controller.errors import UnknownDevice
from services.controller.panel.guard import KnownClients
from services.controller.panel.sign_ins import SignIns
from services.kit.auth.guard import Guard, Rule, by_token, lacking
from services.kit.auth.principal import Principal
from services.kit.auth.roles import Permission
from services.kit.auth.tokens import PANEL
from services.kit.errors import NotPermitted, NotSignedIn
from services.kit.parameters import require_known


def cookie_name(site: str) -> str:
    """A gateway's own: a browser sends a cookie to every port of a host."""
    return f"spondyl-panel-{site}"


def cookie_of(connection: HTTPConnection, signed: SignIns) -> str | None:
    """The sign-in's cookie that came with a request."""
    return connection.cookies.get(cookie_name(signed.site))


def guard(signed: SignIns) -> Guard:
    """Knows operators by their cookie, everybody else by a token for panels."""

    async def identify(connection: HTTPConnection) -> Principal | None:
        operator = signed.principal(cookie_of(connection, signed))
        if operator is not None or "authorization" not in connection.headers:
            return operator
        return by_token(connection, signed.operators.key(), PANEL)

    return Guard(identify)


@dataclass(frozen=True, slots=True)
class AtThePanel(Rule):
    """Somebody signed in at this panel who may operate its beds."""

    async def __call__(self, connection: HTTPConnection) -> Principal:
        """The operator; raises NotSignedIn, NotPermitted."""
        signed: SignIns = connection.app.state.sign_ins
        operator = signed.principal(cookie_of(connection, signed))
        if operator is None:
            await _refuse_stranger(connection)
            raise NotSignedIn("nobody is signed in at this panel: sign in with a PIN or a badge")
        if not operator.may("beds.operate", signed.site):
            raise lacking(operator, "beds.operate", signed.site)
        at_the_bed(connection)
        return operator


@dataclass(frozen=True, slots=True)
class Here(Rule):
    """A permission at this gateway's site, by sign-in or token; elsewhere its beds do not exist."""

    async def __call__(self, connection: HTTPConnection) -> Principal:
        """Who asks; raises NotSignedIn, NotPermitted, UnknownDevice, UnknownParameter."""
        who: Principal = await connection.app.state.guard.principal(connection)
        permission, site = self.permission, connection.app.state.sign_ins.site
        if permission is None or who.may(permission, site):
            require_known(connection)
            return who
        device = connection.path_params.get("device")
        if device is None or not who.may(permission):
            raise lacking(who, permission, site)
        gateway = connection.app.state.panel.bedside.link.memory().gateway
        raise UnknownDevice(f"there is no bed {device[:40]!r} at {gateway}")


def at_the_panel() -> Any:
    """The route is for an operator who is signed in at this panel; it gives the Principal."""
    return Depends(AtThePanel("beds.operate"))


def here(permission: Permission) -> Any:
    """The route asks for this permission at the gateway's site; it gives the Principal."""
    return Depends(Here(permission))


def at_the_bed(connection: HTTPConnection) -> None:
    """Signing in and acting are for browsers at the bed. Raises NotAtTheBed."""
    clients: KnownClients = connection.app.state.clients
    clients.require(connection.scope)


async def sight(connection: HTTPConnection) -> Callable[[], bool]:
    """Tells from now on whether whoever asks may know whose session it is: a sign-in or token ends meanwhile.

    A token that is none refuses nobody the open view.
    """
    signed: SignIns = connection.app.state.sign_ins
    cookie = cookie_of(connection, signed)
    if signed.find(cookie) is not None:
        return lambda: _sees(signed.principal(cookie), signed.site)
    try:
        sees = _sees(await connection.app.state.guard.identify(connection), signed.site)
    except NotSignedIn:
        sees = False
    if not sees:
        return lambda: False
    ends = time.monotonic() + connection.state.token_ends_s - time.time()  # a clock set back prolongs nothing
    return lambda: time.monotonic() < ends


def name_of(connection: HTTPConnection) -> str:
    """Who is signed in at the panel, nobody's name when nobody is."""
    signed: SignIns = connection.app.state.sign_ins
    return signed.name_of(cookie_of(connection, signed))


def _sees(who: Principal | None, site: str) -> bool:
    return who is not None and who.may("sessions.see", site)


async def _refuse_stranger(connection: HTTPConnection) -> None:
    """A known caller from elsewhere is told why not; raises NotSignedIn for a token that is none."""
    who = await connection.app.state.guard.identify(connection)
    if who is not None:
        raise NotPermitted(
            f"{who.name[:80]!r} is not signed in at this panel: only the bedside may start, resume or "
            "change; a token from elsewhere may not"
        )
