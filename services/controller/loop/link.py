"""The way from a process of the gateway to the control loop's shared memory, across the loop's restarts."""

import threading
import time
from pathlib import Path

from services.controller.errors import BedUnavailable, LoopStarting
from services.controller.loop import preparing
from services.controller.loop.preparing import Preparing
from services.controller.loop.shared import ForeignMemory, GatewayMemory, LoopFile

LOOK_EVERY_S = 0.25
STALE_S = 1.0  # a loop that has not ended a tick for so long does not run


class LoopLink:
    """Finds ``loop.json`` in the gateway's directory and holds the memory it names; safe from any thread.

    ``memory`` given: that one for good (tests, and loops in the same process).
    """

    def __init__(self, directory: Path | None = None, memory: GatewayMemory | None = None) -> None:
        self._directory = directory
        self._memory = memory
        self._looked = 0.0
        self._lock = threading.Lock()

    def memory(self) -> GatewayMemory:
        """The memory of the loop that runs, or ran last; raises BedUnavailable when there is none."""
        with self._lock:
            now = time.monotonic()
            if self._directory is not None and now - self._looked >= LOOK_EVERY_S:
                self._looked = now
                self._look(self._directory)
            if self._memory is None:
                raise self._why_not()
            return self._memory

    def preparing(self) -> Preparing | None:
        """What a loop is waited for that starts or is being compiled; None when none starts."""
        return preparing.look(self._directory) if self._directory is not None else None

    def _why_not(self) -> BedUnavailable:
        found = self.preparing()
        if found is None:
            return BedUnavailable("the control loop has not started yet")
        return LoopStarting(found.english, found.german, found.percent)

    def _look(self, directory: Path) -> None:
        found = LoopFile.load(directory)
        if found is None or (self._memory is not None and str(self._memory.boot) == found.boot):
            return
        try:
            self._memory = GatewayMemory.attach(found.path)
        except ForeignMemory:
            return  # made or removed at this moment: the next look tells


def is_fresh(memory: GatewayMemory) -> bool:
    """Whether the loop runs."""
    return memory.heartbeat_age_s() < STALE_S
