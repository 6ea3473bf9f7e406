"""Signing in with a name and a password."""

import hashlib
import math
from collections.abc import Callable
from typing import Literal

from services.console.accounts import passwords
from services.console.accounts.limits import (
    FIRST_WAIT_S,
    FREE_FAILURES,
    LONGEST_WAIT_S,
    TRIES_AT_ONCE,
    TRY_EVERY_S,
    AddressLimit,
    Ghosts,
    Waits,
    wait_s,
)
from services.console.accounts.models import User
from services.console.errors import SignInRefused, UnknownUser
from services.console.store import Store
from services.kit.auth.hashing import Work
from services.kit.errors import SpondylError
from services.kit.moments import now_us

Reason = Literal["wrong", "locked", "too_many"]
MICRO = 1_000_000


class Entry:
    """Checks names and passwords, and how often they are tried; safe for any number of threads."""

    def __init__(self, store: Store, work: Work) -> None:
        self._store, self._work = store, work
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
        if (waits := self._count(user, name)).seconds > 0:
            raise refused("locked", waits.seconds, failures=waits.failures)
        stored = user.password if user and user.issuer is None else None
        if (
            not passwords.holds(stored, password[: 4 * passwords.MOST_CHARACTERS], self._work)
            or not user
            or user.disabled
        ):
            raise refused("wrong", 0.0, user)
        if stored and passwords.outdated(stored, self._work):
            return self._right(user, address, password=passwords.kept(password, self._work))
        return self._right(user, address)

    def counted(self, user: User, address: str, change: Callable[[], User]) -> User:
        """Do what asks for the present password again: a wrong one counts as at the sign-in.

        After the fifth the account waits. Raises SignInRefused, and what the change raises for other reasons.
        """
        if (seconds := self._addresses.take(address)) > 0:
            raise refused("too_many", seconds)
        if (waits := self._count(user, user.name)).seconds > 0:
            raise refused("locked", waits.seconds, user, failures=waits.failures)
        try:
            done = change()
        except SpondylError as error:  # of any but a wrong password it was right
            if getattr(error, "text", None) != "password_current_wrong":
                self._right(user, address)
                raise
            failures = self._store.user(user.id).failures
            seconds = wait_s(failures)
            raise refused("locked" if seconds else "wrong", seconds, user, failures=failures) from None
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

    def _count(self, user: User | None, name: str) -> Waits:
        now = now_us()
        failed = self._store.count_failure(
            user.id if user else "", now, lambda failures: now + wait_s(failures) * MICRO
        )
        if user is None:
            typed = name.strip().lower().encode("utf-8", "replace")
            return self._ghosts.take(hashlib.sha256(typed).hexdigest())
        return Waits(max(0.0, (failed.until_us - now) / MICRO), failed.count)


def refused(reason: Reason, seconds: float, user: User | None = None, *, failures: int = 0) -> SignInRefused:
    """The refusal in words that tell nobody whether there is such an account: a name that nobody has is
    counted, and waits, alike.
    """
    wait = math.ceil(seconds)
    words = {
        "wrong": "name or password is wrong",
        "locked": (
            f"{failures} wrong passwords in a row for this name: after {FREE_FAILURES} it waits "
            f"{FIRST_WAIT_S} s, after each further one twice as long, at most {LONGEST_WAIT_S} s: "
            f"again in {wait} s (docs/access.md, for every name)"
        ),
        "too_many": (
            f"more than {TRIES_AT_ONCE} tries from this address: one more every {TRY_EVERY_S:g} s: "
            f"again in {wait} s (docs/access.md, for every address)"
        ),
    }
    return SignInRefused(words[reason], reason=reason, wait_s=wait, user=user, failures=failures)
