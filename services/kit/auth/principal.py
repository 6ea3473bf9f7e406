"""Whoever asks: an account with its roles, each at some sites or at all."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from services.kit.auth.roles import EVERY_ROLE, Permission, RoleName

ALL_SITES: Final = "*"
Sites = frozenset[str] | None  # None: everywhere


@dataclass(frozen=True, slots=True)
class Grant:
    """One role at one site, or at every site (``*``)."""

    role: RoleName
    site: str = ALL_SITES


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. ``account`` is a random id, ``name`` what they sign in with.

    ``via`` names the service that asks in their name, as its token says; None: they ask themselves.
    """

    account: str
    name: str
    grants: tuple[Grant, ...]
    via: str | None = None

    def sites(self, permission: Permission) -> Sites:
        """Where this is permitted: None for everywhere, an empty set for nowhere."""
        found = {grant.site for grant in self.grants if permission in EVERY_ROLE[grant.role].permissions}
        return None if ALL_SITES in found else frozenset(found)

    def may(self, permission: Permission, site: str | None = None) -> bool:
        """Whether it is permitted at this site; without one: anywhere at all."""
        sites = self.sites(permission)
        return sites is None or (bool(sites) if site is None else site in sites)

    def at(self, site: str) -> "Principal":
        """The same one with what they may at this site and nowhere else."""
        roles = dict.fromkeys(grant.role for grant in self.grants if grant.site in (site, ALL_SITES))
        return Principal(self.account, self.name, tuple(Grant(role, site) for role in roles))

    def seen(self, permission: Permission, sites: Iterable[str]) -> list[str]:
        """Those of these sites where it is permitted, in their order."""
        return [site for site in sites if self.may(permission, site)]


SYSTEM: Final = Principal("system", "system", (Grant("administrator"),))  # the machine's owner, at its shell
