"""Threads for one kind of work alone, so that a flood of one kind does not hold up another."""

from collections.abc import Callable
from functools import partial
from typing import Final, ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

from services.console.accounts.passwords import AT_ONCE
from services.console.errors import SignInRefused

P = ParamSpec("P")
T = TypeVar("T")
WAITING: Final = 32  # passwords; each takes some tenths of a second of a processor
AGAIN_S: Final = 5
COMMANDS_AT_ONCE: Final = 64


class Turns:
    """So many at once; beyond ``waiting`` more, the next is refused. For the one event loop of a process."""

    def __init__(self, at_once: int, waiting: int | None = None) -> None:
        self._at_once, self._waiting, self._inside = at_once, waiting, 0
        self._limiter: RunVar[CapacityLimiter] = RunVar(f"spondyl-turns-{id(self)}")

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The work's answer, from a thread; whoever is cancelled waits no longer. Raises SignInRefused."""
        if self._waiting is not None and self._inside >= self._at_once + self._waiting:
            raise SignInRefused(
                f"{self._waiting} sign-ins wait here already: again in {AGAIN_S} s",
                reason="busy",
                wait_s=AGAIN_S,
            )
        self._inside += 1
        try:
            return await to_thread.run_sync(
                partial(work, *args, **kwargs), abandon_on_cancel=True, limiter=self._own()
            )
        finally:
            self._inside -= 1

    def _own(self) -> CapacityLimiter:
        try:
            return self._limiter.get()
        except LookupError:
            self._limiter.set(made := CapacityLimiter(self._at_once))
            return made


PASSWORDS: Final = Turns(AT_ONCE, WAITING)  # argon2: a flood of sign-ins waits here and nowhere else
COMMANDS: Final = Turns(COMMANDS_AT_ONCE)  # STOP and pause, and who gives them
