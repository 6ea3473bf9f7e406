"""Acknowledging at the bed: silenced first, in memory, then written down."""

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final
from uuid import uuid4

import structlog

from services.controller.alarms.acknowledging import Acknowledgement
from services.controller.alarms.board import Seen, name_of
from services.controller.bedside.session import Actor, Answer, Bedside
from services.controller.errors import SessionRefused, StoreUnavailable, UnknownSession
from services.controller.loop.interruption import Interruptions
from services.controller.panel.view import Watch
from services.controller.words import Words

log = structlog.get_logger(__name__)

INTERRUPTED: Final = "control_interrupted"
_DONE: Final = Words("acknowledged", "quittiert")
_GONE: Final = Words(
    "the alarm is not on any more, or came on again since: nothing was acknowledged",
    "der Alarm steht nicht mehr an oder ist neu aufgetreten: nichts wurde quittiert",
)


class Acknowledging:
    """Takes acknowledgements for the beds of a panel.

    What cannot be written down is tried again as long as this panel lives (``again``): until then recorder
    and consoles still signal. What never is signals again at the next panel or loop: rather twice than not.
    """

    def __init__(self, bedside: Bedside, interruptions: Interruptions | None) -> None:
        self._bedside = bedside
        self._interruptions = interruptions
        self._owed: deque[Callable[[], object]] = deque()
        self._writing = threading.Lock()
        self._trouble = ""

    def see(self, device: str, watch: Watch, occurrence: str, actor: Actor) -> Acknowledgement | None:
        """Silence this one occurrence; None where somebody was first. Raises SessionRefused.

        Only in memory, and in the thread that follows the samples.
        """
        memory, _ = self._bedside.bed(device)
        if occurrence.startswith(INTERRUPTED) and occurrence != name_of(INTERRUPTED, memory.created_ns):
            raise SessionRefused(_GONE.en, _GONE.de)  # of a loop that is gone: what the next one says is new
        seen = Seen(actor.name, actor.account or None, time.time_ns())
        counts = watch.board.acknowledge(occurrence, seen)
        if counts is None:
            raise SessionRefused(_GONE.en, _GONE.de)
        record = self._bedside.known(watch.session_no)
        session = record.session.session if record else None
        return (
            Acknowledgement(uuid4(), device, memory.boot, occurrence, session, seen)
            if counts is seen
            else None
        )

    def keep(self, device: str, given: Acknowledgement | None) -> Answer:
        """Write it down, if that can be: what is silenced stays so until the panel restarts."""
        if given is None:
            return Answer("acknowledge", _DONE, None)
        log.info("alarm acknowledged", device=device, occurrence=given.occurrence)
        store = self._bedside.store
        self._owed.append(partial(store.add_acknowledgement, given))
        self._owed.append(partial(
            store.add_action, device, given.session, given.seen.name, "acknowledge", accepted=True,
            detail=given.condition, data={"occurrence": given.occurrence},
        ))  # fmt: skip
        if given.condition == INTERRUPTED and self._interruptions is not None:
            self._owed.append(partial(self._interruptions.forget, device, str(given.boot)))
        self.again()
        return Answer("acknowledge", _DONE, given.session)

    def again(self) -> None:
        """Write what is owed, each once; what fails stays owed. Safe from any thread."""
        if not self._owed:
            return
        with self._writing:
            for _ in range(len(self._owed)):
                write, is_done = self._owed.popleft(), False
                try:
                    write()
                    is_done = True
                except UnknownSession as error:
                    is_done = True
                    log.warning("done, but not written into the session log", error=error.message)
                except (StoreUnavailable, OSError) as error:
                    self._complain(str(error))
                finally:  # whatever else it raises
                    if not is_done:
                        self._owed.append(write)
            if not self._owed:
                self._trouble = ""

    def _complain(self, why: str) -> None:
        """Once until it changes."""
        if why != self._trouble:
            log.warning("an acknowledgement is not written down yet", why=why)
        self._trouble = why
