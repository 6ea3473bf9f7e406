"""Work that a service does by itself again and again, in a thread that outlives every failure."""

import threading
from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from services.kit.business.identity import Unreachable
from services.kit.health import Check

log = structlog.get_logger(__name__)

END_S: Final = 10.0
EXPECTED: Final = (Unreachable, SQLAlchemyError)  # somebody else is away: no trace back for that


class Repeating:
    """Calls ``turn`` every ``every_s`` seconds. A turn that fails is told once and tried again."""

    def __init__(self, name: str, turn: Callable[[], object], every_s: float) -> None:
        self._name, self._turn, self._every_s = name, turn, every_s
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.ending = threading.Event()
        self.last_error: str | None = None

    def start(self) -> Callable[[], None]:
        """Begin; gives the end."""
        self._thread.start()
        return self.stop

    def stop(self) -> None:
        """End behind the turn that is just being made."""
        self.ending.set()
        self._thread.join(END_S)

    def check(self) -> Check:
        """What somebody has to look at."""
        return Check(self._name, lambda: self.last_error, essential=False)

    def _run(self) -> None:
        while not self.ending.wait(self._every_s):
            try:
                self._turn()
                self.last_error = None
            except EXPECTED as error:
                self._failed(str(getattr(error, "orig", None) or error)[:300])
            except Exception as error:
                log.exception("failed; it is tried again", what=self._name)
                self._failed(repr(error)[:300])

    def _failed(self, why: str) -> None:
        if self.last_error is None:
            log.warning("waits; it is tried again", what=self._name, why=why)
        self.last_error = why
