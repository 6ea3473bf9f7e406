"""Whether a stream may go on: by its sign-in, its token or its link, the accounts' database away or not."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from services.console.accounts.accounts import Accounts
from services.kit.auth.guard import Guard
from services.kit.errors import NotSignedIn

log = structlog.get_logger(__name__)

JUDGE_S: Final = (
    0.5  # so long a stream stands still for its judgement; one that takes longer is heard of later
)
HELD_S: Final = 60.0  # alarms outlive a database for so long; a sign-in that ended meanwhile does no longer


@dataclass(slots=True)
class Held:
    """A judgement that stands for ``HELD_S`` while the database that it is made from is away."""

    judge: Callable[[], Awaitable[bool]]
    clock: Callable[[], float] = time.monotonic
    _sure_at: float = field(init=False)
    _is_away: bool = field(init=False, default=False)
    _asked: asyncio.Future[bool] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._sure_at = self.clock()

    async def lasts(self) -> bool:
        """Whether the stream may go on as it began."""
        try:
            found = await self._judged()
        except (SQLAlchemyError, TimeoutError) as error:
            held_s = self.clock() - self._sure_at
            if not self._is_away:
                log.warning(
                    "a stream cannot be judged anew", detail=str(getattr(error, "orig", error)), held_s=HELD_S
                )
            self._is_away = True
            return held_s < HELD_S
        self._sure_at, self._is_away = self.clock(), False
        return found

    async def _judged(self) -> bool:
        """What the judge says; one that hangs is neither waited for nor asked a second time meanwhile."""
        if self._asked is None:
            self._asked = asyncio.ensure_future(self.judge())
            self._asked.add_done_callback(_take_notice)
        done, _ = await asyncio.wait({self._asked}, timeout=JUDGE_S)
        if not done:
            raise TimeoutError(f"no answer within {JUDGE_S:g} s")
        asked, self._asked = self._asked, None
        return asked.result()


def _take_notice(asked: asyncio.Future[bool]) -> None:
    """Of an error, also where the stream has ended meanwhile."""
    if not asked.cancelled():
        asked.exception()


@dataclass(frozen=True, slots=True)
class Right:
    """By what a stream is open; a sign-in that ends, or loses a site, ends its streams."""

    accounts: Accounts
    connection: HTTPConnection
    sites: frozenset[str] | None

    async def lasts(self) -> bool:
        """Whether it may go on as it began. Raises SQLAlchemyError."""
        found = getattr(self.connection.state, "signed_in", None)
        if found is not None:
            user = await run_in_threadpool(self.accounts.still, found[0].id)
            return user is not None and user.principal.sites("beds.see") == self.sites
        guard: Guard = self.connection.app.state.guard
        try:
            who = await guard.identify(self.connection)
        except NotSignedIn:  # the token has expired
            return False
        return who is not None and who.sites("beds.see") == self.sites
