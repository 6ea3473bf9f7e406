"""Looks at the audit trail's chain at the start and once a day: a broken one is told without being asked."""

import threading
from datetime import UTC, datetime
from typing import Final

import structlog

from services.kit.trail import Finding, Trail

log = structlog.get_logger(__name__)

A_DAY_S: Final = 86_400.0


class ChainWatch:
    """The last look at the chain, by a person or by the console itself; safe for any number of threads."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._turn = threading.Lock()
        self.finding: Finding | None = None
        self.at: datetime | None = None

    def again(self) -> Finding:
        """Look at every row now, one look at a time; a broken chain is an error in the log."""
        with self._turn:
            found = self._trail.verify()
            self.finding, self.at = found, datetime.now(UTC)
        if not found.ok:
            log.error("audit trail broken", what=found.what, first_bad=found.first_bad, rows=found.rows)
        return found

    def run(self, stopping: threading.Event, every_s: float = A_DAY_S) -> None:
        """Look until the console stops; a database that is away is looked at the next time."""
        while not stopping.is_set():
            try:
                self.again()
            except Exception as error:  # a look that fails must not end the looks
                log.exception("audit trail not verified", why=str(error))
            stopping.wait(every_s)

    def probe(self) -> str | None:
        """What `/readyz` says: nothing before the first look has ended."""
        if self.finding is None or self.finding.ok:
            return None
        return (
            f"broken at row {self.finding.first_bad} ({self.finding.what}): see `spondyl audit-trail verify`"
        )
