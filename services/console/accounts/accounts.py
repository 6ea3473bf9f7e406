"""Sign-ins of browsers: opened with a password or by a provider, known by a cookie, ended by many things."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.requests import HTTPConnection

from services.console.accounts.models import SignIn, User
from services.console.errors import UnknownUser
from services.console.store import Store, now_us
from services.kit.auth.principal import Principal

SECOND_US: Final = 1_000_000
IDLE_US: Final = 30 * 60 * SECOND_US
LONGEST_US: Final = 12 * 3600 * SECOND_US
WALL_US: Final = 30 * 24 * 3600 * SECOND_US  # an account that is nothing but a monitor: a screen on a wall
SEEN_EVERY_US: Final = 60 * SECOND_US  # so that not every request writes
COOKIE: Final = "spondyl"


@dataclass(frozen=True, slots=True)
class Opened:
    """A sign-in that has just begun: ``cookie`` is known to the browser only."""

    cookie: str
    sign_in: SignIn
    user: User


class Accounts:
    """The sign-ins of one console; safe for any number of threads."""

    def __init__(self, store: Store, *, secure: bool = False, clock: Callable[[], int] = now_us) -> None:
        """``secure``: the console is reached by https, and its cookie goes nowhere else."""
        self.store = store
        self.clock = clock
        self.secure = secure
        self.cookie = f"__Host-{COOKIE}" if secure else COOKIE

    def identify(self, connection: HTTPConnection) -> Principal | None:
        """Whoever's cookie this is; None without one or when its sign-in has ended."""
        found = self.find(connection)
        return None if found is None else found[1].principal

    def find(self, connection: HTTPConnection) -> tuple[SignIn, User] | None:
        """The sign-in and the person behind a request; read once a request."""
        if not hasattr(connection.state, "signed_in"):
            connection.state.signed_in = self._find(connection.cookies.get(self.cookie, ""))
        found: tuple[SignIn, User] | None = connection.state.signed_in
        return found

    def open(self, user: User, address: str) -> Opened:
        """A new sign-in with a new cookie."""
        now = self.clock()
        cookie = secrets.token_urlsafe(32)
        made = SignIn(
            id=digest(cookie),
            user_id=user.id,
            forgery=secrets.token_urlsafe(32),
            address=address[:80],
            created_at_us=now,
            seen_at_us=now,
            ends_at_us=now + (WALL_US if is_wall(user) else LONGEST_US),
            ended_at_us=None,
        )
        self.store.add_sign_in(made)
        return Opened(cookie, made, user)

    def _find(self, cookie: str) -> tuple[SignIn, User] | None:
        found = self.store.sign_in(digest(cookie)) if cookie else None
        if found is None or found.ended_at_us is not None:
            return None
        try:
            user = self.store.user(found.user_id)
        except UnknownUser:
            return None
        now = self.clock()
        idle_us = WALL_US if is_wall(user) else IDLE_US
        if user.disabled or now >= min(found.ends_at_us, found.seen_at_us + idle_us):
            return None
        if now - found.seen_at_us > SEEN_EVERY_US:
            self.store.saw(found.id, now)
        return found, user


def digest(cookie: str) -> str:
    """What the table knows of a cookie."""
    return hashlib.sha256(cookie.encode()).hexdigest()


def is_wall(user: User) -> bool:
    """Whether the account is nothing but a monitor."""
    return bool(user.grants) and all(grant.role == "monitor" for grant in user.grants)
