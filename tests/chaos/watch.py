"""Looks at every gateway ten times a second: what its loop has sampled and what is not committed yet."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from servers import eventually

from services.controller.loop.shared import ForeignMemory, GatewayMemory, LoopFile

LOOK_S = 0.1
SETTLED_S = 5.0  # nothing is older than this when a fault begins


@dataclass(slots=True)
class Figures:
    """What one fault did, by the gateways' own words."""

    behind_s: float = 0.0  # the oldest sample that was not committed, at its oldest
    spool_rows: int = 0  # uncommitted messages of all gateways together, at their most
    spool_bytes: int = 0  # the largest spool file, its write-ahead log included


@dataclass
class Watch:
    """A thread over the gateways' shared memory; ``directories`` is {site: directory}.

    ``outside`` gives the path at which the test reaches what a site's gateway calls otherwise.
    """

    directories: dict[str, Path]
    outside: Callable[[str, Path], Path]
    figures: Figures = field(default_factory=Figures)
    _memories: dict[str, GatewayMemory] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join()
        for memory in self._memories.values():
            memory.close()

    def go_on(self, before: "Watch") -> None:
        """With the figures of one that looked at processes which are gone."""
        self.figures, self._began = before.figures, before._began

    def begin(self) -> None:
        """New figures for a new fault."""
        self.figures, self._began = Figures(), time.monotonic()

    def loops(self) -> list[tuple[int, str]]:
        """Process and boot of each loop, as its own file names them."""
        files = [LoopFile.load(directory) for directory in self.directories.values()]
        return [(file.pid, file.boot) for file in files if file is not None]

    def memories(self) -> list[GatewayMemory]:
        """Every gateway's shared memory."""
        return [self._memory(site) for site in self.directories]

    def heads(self) -> list[int]:
        """How many ticks each loop has sampled."""
        return [memory.head() for memory in self.memories()]

    def seconds_until_committed(self, heads: list[int], within_s: float) -> float:
        """Seconds until everything before these ticks is committed everywhere; AssertionError when late."""
        began = time.monotonic()

        def all_there() -> bool:
            pairs = zip(self.memories(), heads, strict=True)
            return all(committed(memory) >= head for memory, head in pairs)

        eventually(all_there, within_s, f"everything committed up to ticks {heads} ({self.figures})")
        return time.monotonic() - began

    def _memory(self, site: str) -> GatewayMemory:
        if site not in self._memories:
            self._memories[site] = GatewayMemory.attach(
                self.outside(site, LoopFile.load(self.directories[site]).path)
            )
        return self._memories[site]

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            try:
                self._look()
            except (ForeignMemory, OSError, AttributeError):  # a gateway that is being started
                continue

    def _look(self) -> None:
        figures, memories = self.figures, self.memories()
        behind = max((memory.head() - committed(memory)) * memory.period_ns / 1e9 for memory in memories)
        # An event at the spool's head is aged by the wall clock, which may be what is stepped.
        figures.behind_s = max(figures.behind_s, min(behind, time.monotonic() - self._began + SETTLED_S))
        figures.spool_rows = max(figures.spool_rows, sum(memory.health["spool_rows"] for memory in memories))
        sizes = [sum(file.stat().st_size for file in directory.glob("spool.db*"))
                 for directory in self.directories.values()]  # fmt: skip
        figures.spool_bytes = max(figures.spool_bytes, *sizes)


def committed(memory: GatewayMemory) -> int:
    """The first tick that is not known to be committed: what the recorder last said, at its most careful."""
    waiting_ms = memory.health["oldest_uncommitted_ms"]
    return memory.health["recorder_tick"] - round(waiting_ms * 1e6 / memory.period_ns)
