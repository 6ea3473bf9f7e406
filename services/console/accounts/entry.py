"""Signing in with a name and a password."""

import hashlib
import math
from collections.abc import Callable
from typing import Literal

from services.console.accounts import passwords
from services.console.accounts.limits import AddressLimit, Ghosts, wait_s
from services.console.accounts.models import User
from services.console.errors import AccountRefused, SignInRefused, UnknownUser
from services.console.store import Store
from services.kit.moments import now_us

Reason = Literal["wrong", "locked", "too_many"]
MICRO = 1_000_000


class Entry:
    """Checks names and passwords, and how often they are tried; safe for any number of threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._addresses = AddressLimit()
        self._ghosts = Ghosts()

    def admit(self, name: str, password: str, address: str) -> User:
        """The person whose name and password these are. Raises SignInRefused.

        A try is counted before the password is looked at, so that a thousand at once are five. A name that
        nobody has costs the same hashing and the same transaction, waits the same time and gets the same
        words; but its count is this process's alone, and gone with it.
        """
        if (seconds := self._addresses.take(address)) > 0:
            raise refused("too_many", seconds)
        user = self._named(name)
        if (seconds := self._count(user, name)) > 0:
            raise refused("locked", seconds)
        stored = user.password if user and user.issuer is None else None
        if (
            not passwords.holds(stored, password[: 4 * passwords.MOST_CHARACTERS])
            or not user
            or user.disabled
        ):
            raise refused("wrong", 0.0, user)
        if stored and passwords.outdated(stored):
            return self._right(user, address, password=passwords.kept(password))
        return self._right(user, address)

    def counted(self, user: User, address: str, change: Callable[[], User]) -> User:
        """Do what asks for the present password again: a wrong one counts as at the sign-in.

        After the fifth the account waits. Raises SignInRefused, and what the change raises for other reasons.
        """
        if (seconds := self._addresses.take(address)) > 0:
            raise refused("too_many", seconds)
        if (seconds := self._count(user, user.name)) > 0:
            raise refused("locked", seconds, user)
        try:
            done = change()
        except AccountRefused as error:
            if error.text != "password_current_wrong":
                self._right(user, address)
                raise
            waits = wait_s(self._store.user(user.id).failures)
            raise refused("locked" if waits else "wrong", waits, user) from None
        self._right(user, address)
        return done

    def _right(self, user: User, address: str, **values: object) -> User:
        self._addresses.give_back(address)
        return self._store.change_user(user.id, {"failures": 0, "locked_until_us": 0, **values})

    def _named(self, name: str) -> User | None:
        try:
            return self._store.user_named(name)
        except UnknownUser:
            return None

    def _count(self, user: User | None, name: str) -> float:
        now = now_us()
        until = self._store.count_failure(
            user.id if user else "", now, lambda failures: now + wait_s(failures) * MICRO
        )
        if user is None:
            typed = name.strip().lower().encode("utf-8", "replace")
            return self._ghosts.take(hashlib.sha256(typed).hexdigest())
        return max(0.0, (until - now) / MICRO)


def refused(reason: Reason, seconds: float, user: User | None = None) -> SignInRefused:
    """The refusal in words that tell nobody whether there is such an account."""
    wait = math.ceil(seconds)
    words = {
        "wrong": "name or password is wrong",
        "locked": f"too many wrong passwords for this name: again in {wait} s",
        "too_many": f"too many tries from this address: again in {wait} s",
    }
    return SignInRefused(words[reason], reason=reason, wait_s=wait, user=user)
