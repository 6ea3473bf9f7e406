"""Who comes from a provider: the account, and its roles by a table of groups and by nothing else."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from services.console.accounts.models import User
from services.console.accounts.oidc import Vouched
from services.console.accounts.users import LONGEST_TITLE, parsed, words
from services.console.errors import NameTaken, ProviderRefused
from services.console.store import Store
from services.kit.auth.principal import Grant

Table = Mapping[str, Sequence[str]]
MOST_NAMESAKES: Final = 1000


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


def admit(store: Store, vouched: Vouched, table: Table, claim: str) -> User:
    """The account of whoever the provider vouches for, its roles taken anew; made at the first sign-in.

    An account that signs in with a password is never taken over, whatever it is named. Raises
    ProviderRefused; whoever lost every group loses every role and every open sign-in with it.
    """
    user = store.user_vouched(vouched.issuer, vouched.subject)
    try:
        grants = grants_of(vouched.groups, table, claim)
    except ProviderRefused:
        if user:
            store.set_grants(user.id, ())
            store.end_sign_ins_of(user.id)
        raise
    if user is None:
        return _add(store, vouched, grants)
    if user.disabled:
        raise ProviderRefused(f"the account {user.name!r} is switched off here", text="oidc_disabled")
    if words(user.grants) != words(sorted(grants, key=lambda it: (it.role, it.site))):
        store.set_grants(user.id, grants)
    return store.change_user(user.id, {"title": _title(vouched)})


def _add(store: Store, vouched: Vouched, grants: Sequence[Grant]) -> User:
    plain = re.sub(r"[^a-z0-9._@-]+", "-", vouched.name.strip().lower()).strip("-._@")[:70] or "person"
    for number in range(1, MOST_NAMESAKES):
        name = plain if number == 1 else f"{plain}-{number}"
        try:
            return store.add_user(
                name, _title(vouched), grants, issuer=vouched.issuer[:300], subject=vouched.subject[:300]
            )
        except NameTaken:
            if found := store.user_vouched(vouched.issuer, vouched.subject):
                return found  # two browsers at once
    raise ProviderRefused(f"there are {MOST_NAMESAKES} accounts named {plain!r}", text="oidc_token")


def _title(vouched: Vouched) -> str:
    shown = "".join(each for each in vouched.title if each.isprintable())
    return " ".join(shown.split())[:LONGEST_TITLE] or "?"
