"""The rule of every route: who may call it, and what of the call is written into the audit trail.

A route shows records, then its handler hands what it answers through ``ReadTrail.shown``; or it names nobody,
and says why that is so. The API is not made with a route that says neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Depends
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute

from services.kit.auth.guard import SitesRule, ruled
from services.kit.auth.roles import Permission
from services.kit.errors import SpondylError
from services.telemetry.trail import Reader


@dataclass(frozen=True, slots=True)
class Shows(SitesRule):
    """The route shows records: ``action`` is what the trail calls that."""

    action: str = ""
    each_time: bool = False

    async def __call__(self, connection: HTTPConnection) -> Any:
        """Let pass or raise, as ``Rule`` does; gives a Reader."""
        sites = await SitesRule.__call__(self, connection)
        address = connection.client.host if connection.client else ""
        return Reader(connection.state.principal, sites, address, self.action, self.each_time)


@dataclass(frozen=True, slots=True)
class NamesNobody(SitesRule):
    """The route shows nothing of anybody's; ``why`` says what it shows. It gives the caller's sites."""

    why: str = ""


def shows(permission: Permission, action: str, *, each_time: bool = False) -> Any:
    """The route shows records to those who have this permission; it gives a Reader."""
    return Depends(Shows(permission, action=action, each_time=each_time))


def names_nobody(permission: Permission, why: str) -> Any:
    """The route is for those who have this permission, and leaves no row; it gives their sites."""
    return Depends(NamesNobody(permission, why=why))


def undeclared(routes: Sequence[BaseRoute]) -> list[str]:
    """The paths of those that say neither what the trail calls them nor why it need not know of them."""
    return [
        route.path
        for route in ruled(routes)
        if not any(
            (isinstance(rule, Shows) and rule.action) or (isinstance(rule, NamesNobody) and rule.why)
            for rule in route.rules
        )
    ]


def require_declared(routes: Sequence[BaseRoute]) -> None:
    """Raises SpondylError that names every route of which the audit trail would not know."""
    if bare := undeclared(routes):
        raise SpondylError(
            f"{', '.join(bare)} do not say what the audit trail calls them: give each shows(...) or "
            "names_nobody(...) of services/telemetry/routes/rules.py"
        )
