"""Who stands on the gateways' lists of operators, and that no list becomes longer than a gateway takes."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from services.console.accounts.models import User
from services.console.errors import AccountRefused
from services.kit.auth.operators import MAX_OPERATORS, Operator, operators_at
from services.kit.auth.principal import ALL_SITES, Grant


def is_operator(user: User) -> bool:
    """Whether the account is one for the bedside: switched on, with a PIN or a badge."""
    return not user.disabled and bool(user.pin or user.badge)


def as_person(user: User) -> tuple[Operator, tuple[Grant, ...]]:
    """The account as the lists are made of it."""
    return Operator(user.id, user.name, user.title, (), user.pin, user.badge), user.grants


def keep_room(user_id: str, values: Mapping[str, Any], everybody: Iterable[User]) -> None:
    """Raises AccountRefused when this account, with these values, makes a site's list too long.

    Asked inside the transaction that changes it: two that come at once for the last place do not both get it.
    Who stands on a list already is refused nothing.
    """
    accounts = {user.id: user for user in everybody}
    before = accounts.pop(user_id, None)
    others = [as_person(user) for user in accounts.values() if is_operator(user)]
    if before is None or len(others) < MAX_OPERATORS:
        return
    after = replace(before, **values)
    for site in _sites(after, accounts.values()):
        comes = _stands(after, site) and not _stands(before, site)
        number = len(operators_at(site, others)) + 1 if comes else 0
        if number > MAX_OPERATORS:
            raise _full(after, site, number)


def _stands(user: User, site: str) -> bool:
    """Whether the account is on the site's list."""
    return is_operator(user) and user.principal.may("beds.operate", site)


def _sites(user: User, others: Iterable[User]) -> list[str]:
    """Where the account may stand on a list; the sites that no grant names (``*``) last."""
    named = {grant.site for grant in user.grants}
    if ALL_SITES in named:
        named |= {grant.site for other in others for grant in other.grants}
    return sorted(named, key=lambda site: (site == ALL_SITES, site))


def _full(user: User, site: str, number: int) -> AccountRefused:
    where = "every site" if site == ALL_SITES else f"site {site}"
    return AccountRefused(
        f"{user.name} would be operator number {number} of {where}: the list that its gateways hold has "
        f"room for {MAX_OPERATORS} people with a PIN or a badge (see docs/operations.md); take PIN and badge "
        "away from somebody who does not operate there any more, or switch that account off",
        text="operators_full_everywhere" if site == ALL_SITES else "operators_full",
        name=user.title,
        number=number,
        site=site,
        most=MAX_OPERATORS,
    )
