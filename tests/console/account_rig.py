"""A signed-in console for tests: people of any role and site, and the cookie that a browser would hold.

rig = AccountRig(url)                       # a console's database: sqlite:///... or PostgreSQL
rig.person("ada", "clinician@north")        # a User; roles as role or role@site
rig.headers("ada")                          # for httpx: cookie and the token against forgery
rig.cookies("ada", address)                 # for Playwright: context.add_cookies(...)
"""

from typing import Any

import migrated

from services.console.accounts.accounts import Accounts, Opened
from services.console.accounts.models import User
from services.console.errors import UnknownUser
from services.console.store import Store
from services.kit.auth.principal import Grant

PASSWORD = "a long one of the tests"
ADMINISTRATOR = "ada"


class AccountRig:
    """People and sign-ins written straight into a console's database, whether the console runs or not."""

    def __init__(self, url: str, *, secure: bool = False) -> None:
        migrated.begin(url, "services.console")
        self.store = Store(url)
        self.accounts = Accounts(self.store, secure=secure)

    def person(self, name: str, *roles: str, **values: Any) -> User:
        """An account with these roles (`therapist`, `therapist@north`); the one that is there, given them."""
        grants = [grant(role) for role in roles]
        try:
            return self.store.set_grants(self.store.user_named(name).id, grants)
        except UnknownUser:
            return self.store.add_user(name, name.title(), grants, **values)

    def open(self, name: str) -> Opened:
        """A new sign-in of this person."""
        return self.accounts.open(self.store.user_named(name), "127.0.0.1")

    def headers(self, name: str) -> dict[str, str]:
        """What a signed-in client sends with every request."""
        opened = self.open(name)
        return {
            "cookie": f"{self.accounts.cookie}={opened.cookie}",
            "x-csrf-token": opened.sign_in.forgery,
        }

    def sign_out_everywhere(self, name: str) -> None:
        """Every browser of this person is signed out."""
        user = self.store.user_named(name)
        self.store.change_user(user.id, {"title": user.title}, ends=True)

    def cookies(self, name: str, address: str) -> list[dict[str, str]]:
        """For Playwright: the cookie of a new sign-in at the console of this address."""
        return [{"name": self.accounts.cookie, "value": self.open(name).cookie, "url": address}]

    def close(self) -> None:
        """Let go of the database."""
        self.store.close()


def grant(role: str) -> Grant:
    """`therapist@north` as a grant; without a site: everywhere."""
    name, _, site = role.partition("@")
    return Grant(name, site or "*")
