"""Keeping the session log true: a row follows what the ring says, whoever was killed meanwhile."""

import threading
from collections.abc import Callable

from services.controller.bedside.records import Records
from services.controller.kernel import layout
from services.controller.loop.link import LoopLink
from services.controller.loop.shared import GatewayMemory
from services.controller.rows import Session
from services.controller.store import Store


class Reconciling:
    """One look over the rows; ``serial`` gives the lock under which a bed's patient is confirmed."""

    def __init__(
        self, link: LoopLink, store: Store, records: Records, serial: Callable[[str], threading.Lock]
    ) -> None:
        self._link = link
        self._store = store
        self._records = records
        self._serial = serial

    def all(self) -> None:
        """End the rows of sessions that no bed is in any more: closed by the kernel, lost with its boot."""
        unfinished = self._store.unfinished()  # before the ring: what is open here has been in it by now
        memory = self._link.memory()
        for session in unfinished:
            if session.state == "loading":
                self._settle(memory, session)
            elif session.boot != memory.boot or session.session_no not in _numbers(memory):
                self._store.ended(session.session)
                self._records.forget(session)
                if session.boot != memory.boot:
                    why = "ended with the control loop that ran it: a new one starts nothing by itself"
                    self._records.note(session.device, session.session, "", "interrupted", why, accepted=True)

    def _settle(self, memory: GatewayMemory, session: Session) -> None:
        """Decide a row that somebody was about to load when the process ended."""
        serial = self._serial(session.device)
        if not serial.acquire(blocking=False):
            return  # being confirmed at this moment
        try:
            if self._store.by_id(session.session).state != "loading":
                return
            taken = session.boot == memory.boot and session.session_no in _numbers(memory)
            (self._store.loaded if taken else self._store.refuse)(session.session)
            self._records.forget(session)
        finally:
            serial.release()


def _numbers(memory: GatewayMemory) -> set[int]:
    """The sessions on the beds now."""
    head = memory.head()
    return set(memory.read(head - 1, head)[1][0, layout.S_SESSION, :].tolist()) if head else set()
