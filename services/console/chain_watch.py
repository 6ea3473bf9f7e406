"""Looks at the audit trail's chain at the start and once a day: a broken one is told without being asked.

Whoever opens the trail's page has the rows looked at that were written since.
"""

import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import structlog

from services.kit.trail import START, Finding, Trail

log = structlog.get_logger(__name__)

A_DAY_S: Final = 86_400.0
MOST_AT_ONCE: Final = 2000  # rows that a page waits for: some 30 ms


@dataclass(frozen=True, slots=True)
class Look:
    """What was found, when, and from when most of it is.

    The rows up to ``read_rows`` were read at ``read_at``, those behind them until ``at``.
    """

    finding: Finding
    at: datetime
    read_rows: int
    read_at: datetime


class ChainWatch:
    """The last look at the chain, by a person or by the console itself; safe for any number of threads."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._turn = threading.Lock()
        self.look: Look | None = None

    @property
    def finding(self) -> Finding | None:
        """What was found; None before the first look has ended."""
        return self.look.finding if self.look else None

    def again(self) -> Finding:
        """Look at every row now, one look at a time; a broken chain is an error in the log."""
        with self._turn:
            found, now = self._trail.verify(), datetime.now(UTC)
            self.look = Look(found, now, found.rows, now)
        _tell(found)
        return found

    def go_on(self) -> Look | None:
        """Look at what was written since the last look, and answer with the two as one.

        A chain that was found broken stays that until it is looked at again; nobody waits for somebody else's
        look.
        """
        if not self._turn.acquire(blocking=False):
            return self.look
        try:
            before = self.look
            if before is None or before.finding.ok:
                self.look = self._further(before)
                _tell(self.look.finding)
            return self.look
        finally:
            self._turn.release()

    def _further(self, before: Look | None) -> Look:
        head = before.finding.head if before else START
        found, now = self._trail.verify(head, MOST_AT_ONCE), datetime.now(UTC)
        return replace(before, finding=found, at=now) if before else Look(found, now, found.rows, now)

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


def _tell(found: Finding) -> None:
    if not found.ok:
        log.error("audit trail broken", what=found.what, first_bad=found.first_bad, rows=found.rows)
