"""What the session log says of the sessions on the beds: remembered between reads, written when it can be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from services.controller.errors import StoreUnavailable, UnknownSession
from services.controller.rows import Note, Session
from services.controller.store import Store

log = structlog.get_logger(__name__)

KEPT = 256  # sessions remembered; more than beds


@dataclass(frozen=True, slots=True)
class Record:
    """A session with its notes."""

    session: Session
    notes: tuple[Note, ...]


class Records:
    """Records by the kernel's number of their session; safe from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[int, Record] = {}
        self._written = 0

    def find(self, session_no: int) -> Record | None:
        """The session of this number, from memory where nothing has changed; raises StoreUnavailable."""
        if session_no <= 0:
            return None
        found = self._kept.get(session_no)
        if found is None:
            written = self._written
            session = self._store.by_number(session_no)
            if session is None:
                return None
            found = Record(session, tuple(self._store.notes(session.session)))
            if written == self._written:  # else somebody wrote while this was read
                self._keep(session_no, found)
        return found

    def known(self, session_no: int) -> Record | None:
        """Like ``find``, from memory only: never waits for the disk."""
        return self._kept.get(session_no)

    def forget(self, session: Session) -> None:
        """Something of the session was written: the next look reads it anew."""
        self._written += 1
        self._kept.pop(session.session_no, None)

    def note(
        self,
        device: str,
        session: UUID | None,
        operator: str,
        action: str,
        detail: str,
        *,
        accepted: bool,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Append what an operator did and what came of it, if the log can be written."""
        best_effort(
            lambda: self._store.add_action(
                device, session, operator, action, accepted=accepted, detail=detail, data=data
            )
        )

    def _keep(self, session_no: int, record: Record) -> None:
        while len(self._kept) >= KEPT:
            self._kept.pop(next(iter(self._kept)), None)
        self._kept[session_no] = record


def best_effort(write: Callable[[], object]) -> None:
    """What was done is done: a log that cannot be written must not turn it into an error."""
    try:
        write()
    except (StoreUnavailable, UnknownSession) as error:
        log.warning("done, but not written into the session log", error=error.message)
