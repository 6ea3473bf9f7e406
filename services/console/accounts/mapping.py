"""Who comes from a provider: the account, and its roles by a table of groups and by nothing else."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.console.accounts.models import User
from services.console.accounts.oidc import Vouched
from services.console.accounts.users import LONGEST_TITLE, parsed, site_of, words
from services.console.errors import NameTaken, ProviderRefused, UnknownUser
from services.console.store import Store
from services.kit.auth.principal import Grant, Principal
from services.kit.trail import Trail

Table = Mapping[str, Sequence[str]]
MOST_NAMESAKES: Final = 1000
PROVIDER: Final = Principal("", "provider", ())  # who it was, for the trail
NO_SECRETS: Final[Mapping[str, None]] = {"password": None, "pin": None, "badge": None}


def grants_of(groups: Sequence[str], table: Table, claim: str) -> tuple[Grant, ...]:
    """The roles of somebody in these groups. Raises ProviderRefused when there are none."""
    grants = dict.fromkeys(parsed(role) for group in groups for role in table.get(group, ()))
    if not grants:
        said = ", ".join(sorted(groups))[:200]
        raise ProviderRefused(
            f"the claim {claim!r} says {said or 'nothing'}: no role here belongs to that "
            "(SPONDYL_OIDC_ROLES)",
            text="oidc_groups" if said else "oidc_no_groups",
            claim=claim,
            said=said,
        )
    return tuple(grants)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Lets in whom the provider vouches for; every account and every role of it is a row of the trail."""

    store: Store
    trail: Trail
    table: Table
    claim: str

    def admit(self, vouched: Vouched, address: str) -> User:
        """The account of whoever comes, its roles taken anew; made at the first sign-in.

        An account that signs in with a password is never taken over, whatever it is named. Whoever lost every
        group loses every role and every open sign-in with it. Raises ProviderRefused, TrailUnavailable.
        """
        user = self.store.user_vouched(vouched.issuer, vouched.subject)
        try:
            grants = grants_of(vouched.groups, self.table, self.claim)
        except ProviderRefused:
            if user and user.grants:
                self._give(user, (), address)
            raise
        if user is None:
            return self._add(vouched, grants, address)
        if user.disabled:
            raise ProviderRefused(f"the account {user.name!r} is switched off here", text="oidc_disabled")
        if set(user.grants) != set(grants):
            self._give(user, grants, address)
        return self.store.change_user(user.id, {"title": _title(vouched)})

    def _give(self, user: User, grants: Sequence[Grant], address: str) -> None:
        """Other roles. What somebody else set for fewer roles, or may set for none, does not open more."""
        self._say("user.roles", user.name, address, user.grants, grants)
        widened = not set(grants) <= set(user.grants)
        self.store.set_grants(
            user.id, grants, ends=not grants, **(NO_SECRETS if widened or not grants else {})
        )

    def _say(
        self, action: str, name: str, address: str, before: Sequence[Grant], after: Sequence[Grant]
    ) -> None:
        detail = {"before": words(before), "after": words(after), "by": PROVIDER.name}
        site = site_of((*before, *after))
        self.trail.append(PROVIDER, action, record=name, site=site, address=address, detail=detail)

    def _add(self, vouched: Vouched, grants: Sequence[Grant], address: str) -> User:
        plain = re.sub(r"[^a-z0-9._@-]+", "-", vouched.name.strip().lower()).strip("-._@")[:70] or "person"
        vouched_for = {"issuer": vouched.issuer[:300], "subject": vouched.subject[:300]}
        for number in range(1, MOST_NAMESAKES):
            name = plain if number == 1 else f"{plain}-{number}"
            if self._is_taken(name):
                continue
            self._say("user.added", name, address, (), grants)
            try:
                return self.store.add_user(name, _title(vouched), grants, **vouched_for)
            except NameTaken:
                if found := self.store.user_vouched(vouched.issuer, vouched.subject):
                    return found  # two browsers at once
        raise ProviderRefused(f"there are {MOST_NAMESAKES} accounts named {plain!r}", text="oidc_token")

    def _is_taken(self, name: str) -> bool:
        try:
            self.store.user_named(name)
        except UnknownUser:
            return False
        return True


def _title(vouched: Vouched) -> str:
    shown = "".join(each for each in vouched.title if each.isprintable())
    return " ".join(shown.split())[:LONGEST_TITLE] or "?"
