"""Acknowledging at the bed: silenced first, in memory, then written down."""

import time
from typing import Final
from uuid import uuid4

import structlog

from services.controller.alarms.acknowledging import Acknowledgement
from services.controller.alarms.board import Seen, name_of
from services.controller.bedside.records import best_effort
from services.controller.bedside.session import Actor, Answer, Bedside
from services.controller.errors import SessionRefused
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
    """Takes acknowledgements for the beds of a panel."""

    def __init__(self, bedside: Bedside, interruptions: Interruptions | None) -> None:
        self._bedside = bedside
        self._interruptions = interruptions

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
        best_effort(lambda: self._write(given))
        if given.condition == INTERRUPTED and self._interruptions is not None:
            self._interruptions.forget(device, str(given.boot))
        return Answer("acknowledge", _DONE, given.session)

    def _write(self, given: Acknowledgement) -> None:
        store = self._bedside.store
        store.add_acknowledgement(given)
        store.add_action(
            given.device, given.session, given.seen.name, "acknowledge", accepted=True,
            detail=given.condition, data={"occurrence": given.occurrence},
        )  # fmt: skip
