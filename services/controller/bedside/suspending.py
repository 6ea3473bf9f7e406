"""Pauses the running session of a patient with an adverse event, as soon as a worklist says so.

By level, not by edge: whatever the list says now is looked at again and again, so that a recorder that was
away
when it came, or a session that went on, changes nothing. The panel refuses to resume; other suspensions let
the
session end normally.
"""

import time
from dataclasses import dataclass, field
from typing import Final

import structlog

from services.controller.centre.worklists import Worklists
from services.controller.kernel import layout
from services.controller.loop.shared import REMOTE, GatewayMemory, MailboxFull
from services.controller.recorder.books import Note
from services.controller.recorder.known_sessions import KnownSessions
from services.controller.words import ACTIONS_IN

log = structlog.get_logger(__name__)

PAUSABLE: Final = frozenset(phase for phase, actions in ACTIONS_IN.items() if "pause" in actions)


@dataclass(slots=True)
class Suspender:
    """Serves the beds of one boot, from the recorder's thread."""

    memory: GatewayMemory
    sessions: KnownSessions
    worklists: Worklists
    notes: list[Note] = field(default_factory=list)  # to be recorded: why, once a session
    _told: set[int] = field(default_factory=set)  # sessions whose pause was noted

    def look(self) -> list[str]:
        """Pause whoever must be paused now; the beds that were asked to."""
        self.worklists.refresh()
        if not any(row.adverse for row in self.worklists.suspended()):
            return []
        head = self.memory.head()
        if not head:
            return []
        sample = self.memory.read(head - 1, head)[1][0]
        return [
            device
            for bed, device in enumerate(self.memory.devices)
            if self._must_pause(device, int(sample[layout.S_PHASE, bed]), int(sample[layout.S_SESSION, bed]))
            and self._pause(bed, device, int(sample[layout.S_SESSION, bed]))
        ]

    def _must_pause(self, device: str, phase: int, number: int) -> bool:
        if layout.PHASES[phase] not in PAUSABLE:
            return False
        session = self.sessions.shown(device, number)
        found = session and self.worklists.suspension(session.patient, session.region)
        return bool(found and found.adverse)

    def _pause(self, bed: int, device: str, number: int) -> bool:
        try:
            self.memory.post(REMOTE, bed, layout.ACTION_PAUSE)
        except MailboxFull as full:
            log.warning("an adverse event could not pause the bed yet", device=device, why=str(full))
            return False
        if number not in self._told:
            log.warning("paused: an adverse event was reported of this session's patient", device=device)
            self._told.add(number)
            data = {"action": "pause", "from": "worklist", "accepted": True, "why": "adverse"}
            self.notes.append(Note(bed, "operator.action", time.time_ns(), data))
        return True
