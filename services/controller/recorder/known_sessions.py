"""The recorder's look into ``session.db``: whose session a number is, and with which parameters."""

import time
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog

from services.controller.alarms.acknowledging import Acknowledgement
from services.controller.bedside.reports import Report
from services.controller.errors import StoreUnavailable
from services.controller.recorder.events import unknown_session
from services.controller.recorder.summary import SessionFacts
from services.controller.rows import Session
from services.controller.store import Store
from services.kit.errors import SpondylError

log = structlog.get_logger(__name__)

PATIENCE_S: Final = 10.0  # the ring holds 60 s: so long may a locked database hold the record up
REFRESH_S: Final = 1.0  # of what is only shown


class KnownSessions:
    """Looks sessions up by their number; one thread. Only reads, and never waits for the panel's writing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._store: Store | None = None
        self._failing_since: float | None = None
        self._shown: dict[int, tuple[float, Session | None]] = {}

    def facts(self, device: str, number: int) -> SessionFacts | None:
        """What a summary needs, read anew; None when the number is nobody's.

        StoreUnavailable while the database cannot be read, for PATIENCE_S; then None, and an error is logged.
        """
        session = self._patiently(number)
        return session.facts() if session is not None and session.device == device else None

    def session_id(self, boot: UUID, device: str, number: int) -> UUID:
        """The session's id, or the one that stands in for it."""
        facts = self.facts(device, number)
        return (facts or unknown_session(boot, device, number)).session

    def shown(self, device: str, number: int) -> Session | None:
        """The session for display: up to REFRESH_S old, None when it cannot be read."""
        now = time.monotonic()
        read_at, session = self._shown.get(number, (0.0, None))
        if now - read_at > REFRESH_S:
            try:
                session = self._look(number)
            except StoreUnavailable:
                session = None
            self._shown = {n: row for n, row in self._shown.items() if now - row[0] <= REFRESH_S}
            self._shown[number] = (now, session)
        return session if session is not None and session.device == device else None

    def reports(self, behind: int) -> list[tuple[int, Report]]:
        """Reports of adverse events behind a row; raises StoreUnavailable."""
        store = self._open()
        return store.reports(behind) if store is not None else []

    def acknowledgements(self, boot: UUID) -> list[Acknowledgement]:
        """Who has seen which alarm of the loop's boot; raises StoreUnavailable."""
        store = self._open()
        return store.acknowledgements(boot) if store is not None else []

    def close(self) -> None:
        """Let go of the file."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _patiently(self, number: int) -> Session | None:
        try:
            session = self._look(number)
        except StoreUnavailable as error:
            now = time.monotonic()
            self._failing_since = self._failing_since or now
            if now - self._failing_since < PATIENCE_S:
                raise
            log.error("session.db cannot be read: recording without it", number=number, why=str(error))  # noqa: TRY400  (the reason is in the message)
            return None
        self._failing_since = None
        return session

    def _look(self, number: int) -> Session | None:
        store = self._open()
        return store.by_number(number) if store is not None else None

    def _open(self) -> Store | None:
        if self._store is None:
            if not self._path.exists():
                return None  # no panel has ever run: there are no sessions
            try:
                self._store = Store(self._path, read_only=True)
            except SpondylError as error:
                raise StoreUnavailable(str(error)) from error
        return self._store
