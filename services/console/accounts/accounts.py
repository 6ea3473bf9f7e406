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

SECOND_US: Final = 1_000_000
IDLE_US: Final = 30 * 60 * SECOND_US
LONGEST_US: Final = 12 * 3600 * SECOND_US
WALL_US: Final = 30 * 24 * 3600 * SECOND_US  # an account that is nothing but a monitor: a screen on a wall
BY_PAGE: Final = "x-fetched-by"  # what a page fetches of its own accord bears it (send.js)
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

    def find(self, connection: HTTPConnection) -> tuple[SignIn, User] | None:
        """The sign-in and the person behind a request; read once a request."""
        if not hasattr(connection.state, "signed_in"):
            cookie = connection.cookies.get(self.cookie, "")
            connection.state.signed_in = self._find(cookie, by_hand=_is_by_hand(connection))
        found: tuple[SignIn, User] | None = connection.state.signed_in
        connection.state.csrf = found[0].forgery if found else ""
        return found

    def goes_on(self, sign_in_id: str) -> bool:
        """Whether a sign-in has not ended meanwhile: for streams that stay open."""
        return self.still(sign_in_id) is not None

    def still(self, sign_in_id: str) -> User | None:
        """Who a sign-in that goes on belongs to, as the account is now; looking keeps none alive."""
        found = self._alive(self.store.sign_in(sign_in_id))
        return found[1] if found else None

    def end(self, connection: HTTPConnection) -> User | None:
        """Sign this browser out; who that was."""
        found = self.find(connection)
        if found is None:
            return None
        self.store.end_sign_in(found[0].id)
        return found[1]

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

    def _find(self, cookie: str, *, by_hand: bool) -> tuple[SignIn, User] | None:
        found = self._alive(self.store.sign_in(digest(cookie))) if cookie else None
        now = self.clock()
        if found and by_hand and now - found[0].seen_at_us > SEEN_EVERY_US:
            self.store.saw(found[0].id, now)
        return found

    def _alive(self, found: SignIn | None) -> tuple[SignIn, User] | None:
        if found is None or found.ended_at_us is not None:
            return None
        try:
            user = self.store.user(found.user_id)
        except UnknownUser:
            return None
        idle_us = WALL_US if is_wall(user) else IDLE_US
        ended = self.clock() >= min(found.ends_at_us, found.seen_at_us + idle_us)
        return None if user.disabled or ended else (found, user)


def _is_by_hand(connection: HTTPConnection) -> bool:
    """Whether a person did this: opened a page or changed something. What a page fetches by itself is not."""
    if BY_PAGE in connection.headers:
        return False
    return connection.scope.get("method") != "GET" or "text/html" in connection.headers.get("accept", "")


def digest(cookie: str) -> str:
    """What the table knows of a cookie."""
    return hashlib.sha256(cookie.encode()).hexdigest()


def is_wall(user: User) -> bool:
    """Whether the account is nothing but a monitor."""
    return bool(user.grants) and all(grant.role == "monitor" for grant in user.grants)
