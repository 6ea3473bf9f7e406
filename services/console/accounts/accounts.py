"""Sign-ins of browsers: opened with a password or by a provider, known by a cookie, ended by many things."""

import asyncio
import hashlib
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from services.console.accounts.models import SignIn, User
from services.console.errors import UnknownUser
from services.console.store import Store
from services.kit.moments import now_us

SECOND_US: Final = 1_000_000
IDLE_US: Final = 30 * 60 * SECOND_US
LONGEST_US: Final = 12 * 3600 * SECOND_US
WALL_US: Final = 30 * 24 * 3600 * SECOND_US  # an account that is nothing but a monitor: a screen on a wall
BY_PAGE: Final = "x-fetched-by"  # what a page fetches of its own accord bears it (send.js)
SEEN_EVERY_US: Final = 60 * SECOND_US  # so that not every request writes
COOKIE: Final = "spondyl"
REMEMBERED_US: Final = 60 * SECOND_US  # how long a command goes by the last look; a page's stream looks again
DAY_S: Final = 24 * 3600
FORGOTTEN_US: Final = 30 * DAY_S * SECOND_US  # after its end, of a sign-in and of a patient screen's link
KEPT: Final = 10_000  # sign-ins in memory
_COMMAND: Final = re.compile(r"/api/beds/[^/]+/(?:stop|pause)")
_T = TypeVar("_T")
log = structlog.get_logger(__name__)


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
        # Found when, and what; oldest first. Many threads change it: nothing goes through it step by step.
        self._last: OrderedDict[str, tuple[int, tuple[SignIn, User]]] = OrderedDict()
        self._unwritten: OrderedDict[str, int] = OrderedDict()  # used while the table could not be written
        self._said = False

    def find(self, connection: HTTPConnection) -> tuple[SignIn, User] | None:
        """The sign-in and the person behind a request; read once a request."""
        if not hasattr(connection.state, "signed_in"):
            connection.state.signed_in = self._find(self._id(connection), connection)
        found: tuple[SignIn, User] | None = connection.state.signed_in
        connection.state.csrf = found[0].forgery if found else ""
        return found

    def remembered(self, connection: HTTPConnection) -> tuple[SignIn, User] | None:
        """Who it was at the last look: for STOP and pause alone, while the database does not answer."""
        at_us, found = self._last.get(self._id(connection), (0, None))
        if found is None or self.clock() - at_us >= REMEMBERED_US:
            return None
        connection.state.signed_in = found
        return self.find(connection)

    def goes_on(self, sign_in_id: str) -> bool:
        """Whether a sign-in has not ended meanwhile: for streams that stay open."""
        return self.still(sign_in_id) is not None

    def still(self, sign_in_id: str) -> User | None:
        """Who a sign-in that goes on belongs to, as the account is now; looking keeps none alive."""
        found = self._look(sign_in_id)
        return found[1] if found else None

    def end(self, connection: HTTPConnection) -> User | None:
        """Sign this browser out; who that was."""
        found = self.find(connection)
        if found is None:
            return None
        self._last.pop(found[0].id, None)
        self.store.end_sign_in(found[0].id)
        return found[1]

    async def tidy(self) -> None:
        """Once a day, take out what ended over thirty days ago; for as long as the console runs."""
        while True:
            try:
                await run_in_threadpool(self.store.forget_ended, self.clock() - FORGOTTEN_US)
            except SQLAlchemyError as error:
                log.warning("ended sign-ins cannot be taken out", reason=str(error)[:200])
            await asyncio.sleep(DAY_S)

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

    def _id(self, connection: HTTPConnection) -> str:
        cookie = connection.cookies.get(self.cookie, "")
        return digest(cookie) if cookie else ""

    def _find(self, sign_in_id: str, connection: HTTPConnection) -> tuple[SignIn, User] | None:
        if not sign_in_id:
            return None
        try:
            found = self._look(sign_in_id)
        except SQLAlchemyError as error:
            if not is_command(connection):
                raise
            log.warning("a command goes by who it was: the accounts cannot be read", reason=str(error)[:200])
            return self.remembered(connection)
        now = self.clock()
        if found and _is_by_hand(connection) and now - found[0].seen_at_us > SEEN_EVERY_US:
            self._saw(sign_in_id, now)
        return found

    def _look(self, sign_in_id: str) -> tuple[SignIn, User] | None:
        found = self._alive(self.store.sign_in(sign_in_id))
        self._last.pop(sign_in_id, None)
        if found:
            _put(self._last, sign_in_id, (self.clock(), found))
        return found

    def _saw(self, sign_in_id: str, now: int) -> None:
        """That somebody is there is written where it can be, else kept here: it holds up no request."""
        try:
            self.store.saw(sign_in_id, now)
        except SQLAlchemyError as error:
            _put(self._unwritten, sign_in_id, now)
            if not self._said:
                log.warning("when sign-ins were used cannot be written", reason=str(error)[:200])
            self._said = True
        else:
            self._unwritten.pop(sign_in_id, None)
            self._said = False

    def _alive(self, found: SignIn | None) -> tuple[SignIn, User] | None:
        if found is None or found.ended_at_us is not None:
            return None
        try:
            user = self.store.user(found.user_id)
        except UnknownUser:
            return None
        idle_us, longest_us = (WALL_US, WALL_US) if is_wall(user) else (IDLE_US, LONGEST_US)
        seen_at_us = max(found.seen_at_us, self._unwritten.get(found.id, 0))
        ends_at_us = min(found.ends_at_us, found.created_at_us + longest_us, seen_at_us + idle_us)
        ended = self.clock() >= ends_at_us
        return None if user.disabled or ended else (found, user)


def _is_by_hand(connection: HTTPConnection) -> bool:
    """Whether a person did this: opened a page or changed something. What a page fetches by itself is not."""
    if BY_PAGE in connection.headers:
        return False
    return connection.scope.get("method") != "GET" or "text/html" in connection.headers.get("accept", "")


def is_command(connection: HTTPConnection) -> bool:
    """Whether it is a STOP or a pause: these make nothing worse, whatever else is wrong."""
    return connection.scope.get("method") == "POST" and bool(_COMMAND.fullmatch(connection.url.path))


def _put(kept: OrderedDict[str, _T], key: str, value: _T) -> None:
    """Keep it, and let the oldest go."""
    kept[key] = value
    while len(kept) > KEPT:
        kept.popitem(last=False)


def digest(cookie: str) -> str:
    """What the table knows of a cookie."""
    return hashlib.sha256(cookie.encode()).hexdigest()


def is_wall(user: User) -> bool:
    """Whether the account is nothing but a monitor."""
    return bool(user.grants) and all(grant.role == "monitor" for grant in user.grants)
