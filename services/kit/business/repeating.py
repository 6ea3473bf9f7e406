"""Work that a service does by itself again and again, in a thread that outlives every failure."""

from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from services.kit import correlation
from services.kit.business.identity import Unreachable
from services.kit.business.leading import NotLeading, Worker
from services.kit.health import Check
from services.kit.told import told

log = structlog.get_logger(__name__)

END_S: Final = 10.0
# Somebody else is away, or leads: no trace back for that.
EXPECTED: Final = (Unreachable, NotLeading, SQLAlchemyError)


class Repeating:
    """Calls ``turn`` every ``every_s`` seconds. A turn that fails is told once and tried again."""

    def __init__(self, name: str, turn: Callable[[], object], every_s: float) -> None:
        self._name, self._turn, self._every_s = name, turn, every_s
        self._worker = Worker(name, self._run, END_S)
        self.last_error: str | None = None

    def start(self) -> Callable[[], None]:
        """Begin; gives the end. As often as a leader's term begins."""
        return self._worker.start()

    def stop(self) -> None:
        """End behind the turn that is just being made."""
        self._worker.stop()

    def check(self) -> Check:
        """What somebody has to look at."""
        return Check(self._name, lambda: self.last_error, essential=False)

    def _run(self) -> None:
        while not self._worker.ending.wait(self._every_s):
            try:
                with correlation.holding(correlation.new()):
                    self._turn()
                self.last_error = None
            except EXPECTED as error:
                self._failed(told(error))
            except Exception as error:
                log.exception("failed; it is tried again", what=self._name)
                self._failed(told(error))

    def _failed(self, why: str) -> None:
        if self.last_error is None:
            log.warning("waits; it is tried again", what=self._name, why=why)
        self.last_error = why
