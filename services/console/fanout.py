"""From one console to many browsers: bounded queues, so that a slow browser loses frames and never memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import orjson
import structlog

from services.console import present
from services.console.live import Live
from services.console.models import Block, Device, Key
from services.kit.pages import LANGUAGES, Language

log = structlog.get_logger(__name__)

SUMMARY_S = 1.0
PUMP_S = 0.1  # blocks are gathered this long before they are sent
SUMMARIES_WAITING = 2
FRAMES_WAITING = 20  # two seconds of pumps
BACKLOG_FRAMES = 10  # of a page that opens: all of them fit the queue
MAX_VISIBLE = 256  # beds whose waveforms one page may ask for


@dataclass(eq=False, slots=True)
class Reader:
    """One open page of summaries; ``device`` also wants its events."""

    language: Language
    device: Key | None
    queue: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(SUMMARIES_WAITING))


@dataclass(eq=False, slots=True)
class Viewer:
    """One open page of waveforms and the beds that are visible on it."""

    wanted: set[Key] = field(default_factory=set)
    queue: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(FRAMES_WAITING))
    dropped: int = 0

    def offer(self, blocks: list[Block]) -> None:
        """Queue the blocks as one frame; the oldest frame goes when the browser does not keep up."""
        if blocks:
            self.dropped += offer(self.queue, b"[" + b",".join(block.payload for block in blocks) + b"]")


def offer(queue: asyncio.Queue[bytes], frame: bytes) -> int:
    """Put a frame without waiting; answers how many old ones had to go."""
    dropped = 0
    while queue.full():
        queue.get_nowait()
        dropped += 1
    queue.put_nowait(frame)
    return dropped


@dataclass(slots=True)
class Fanout:
    """Sends everybody what they asked for; runs in the server's event loop."""

    live: Live
    readers: set[Reader] = field(default_factory=set)
    viewers: set[Viewer] = field(default_factory=set)
    order: present.Order = field(default_factory=lambda: present.Order({}))

    async def run(self) -> None:
        """Pump until cancelled: waveforms every 100 ms, summaries every second and at an alarm's edge.

        What goes wrong in one round is logged and does not end the next: a wall that stands still is blind.
        """
        due = revision = -1.0
        loop = asyncio.get_running_loop()
        while True:
            try:
                self._send_blocks()
                if loop.time() >= due or self.live.revision != revision:
                    due = loop.time() + SUMMARY_S
                    revision = self.live.revision
                    self.summarise()
            except Exception:
                log.exception("a round of the fan-out failed")
            await asyncio.sleep(PUMP_S)

    def _send_blocks(self) -> None:
        blocks = self.live.drain()
        for viewer in self.viewers:
            viewer.offer([block for block in blocks if block.key in viewer.wanted])

    def summarise(self) -> None:
        """Queue a summary for every reader; each language is put into words once."""
        for language in {reader.language for reader in self.readers}:
            summary = self.summary(language)
            whole = orjson.dumps(summary)
            for reader in self.readers:
                if reader.language == language:
                    offer(reader.queue, self._for(reader, summary, whole))

    def summary(self, language: Language) -> dict[str, object]:
        """What a wall shows: header, order and one tile a bed."""
        live = self.live
        with live.lock:
            now = live.clock()
            tiles = [present.tile(live, device, now, language) for device in live.devices.values()]
            order = self.order.arrange(
                {tile["key"]: present.SEVERITY[tile["priority"]] for tile in tiles}, now
            )
            return {
                "header": present.header(live, tiles, now, language),
                "order": order,
                "tiles": {tile["key"]: tile for tile in tiles},
            }

    def bed(self, device: Device, language: Language) -> dict[str, object]:
        """What a bed's page shows beside the header."""
        with self.live.lock:
            tile = present.tile(self.live, device, self.live.clock(), language)
            return {"tile": tile, "events": present.events(device, language)}

    @contextlib.asynccontextmanager
    async def reading(self, language: Language, device: Key | None) -> AsyncIterator[Reader]:
        """A reader for as long as its page is open; its first summary is there at once."""
        if language not in LANGUAGES:
            raise ValueError(language)
        reader = Reader(language, device)
        summary = self.summary(language)
        offer(reader.queue, self._for(reader, summary, orjson.dumps(summary)))
        self.readers.add(reader)
        try:
            yield reader
        finally:
            self.readers.discard(reader)

    @contextlib.asynccontextmanager
    async def viewing(self) -> AsyncIterator[Viewer]:
        """A viewer for as long as its page is open."""
        viewer = Viewer()
        self.viewers.add(viewer)
        try:
            yield viewer
        finally:
            self.viewers.discard(viewer)

    def look(self, viewer: Viewer, keys: set[Key]) -> None:
        """The beds that are visible now; newly visible ones get their last half minute first."""
        fresh = sorted(keys - viewer.wanted)
        viewer.wanted = keys
        a_frame = max(1, -(-len(fresh) // BACKLOG_FRAMES))
        for first in range(0, len(fresh), a_frame):
            viewer.offer(self.live.backlog(fresh[first : first + a_frame]))

    def _for(self, reader: Reader, summary: dict[str, object], whole: bytes) -> bytes:
        if reader.device is None:
            return whole
        device = self.live.devices.get(reader.device)
        bed = self.bed(device, reader.language) if device else {}
        return orjson.dumps({"header": summary["header"], **bed})
