"""From one console to many browsers: bounded queues, so that a slow browser loses frames and never memory.

A round looks at every bed once and lightly, then builds only the tiles that somebody looks at, once for each
language, whoever and however many they are. Pages with the same view get the same bytes: after the first,
whole frame only what has changed; a browser that lost one gets a whole one again.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import structlog

from services.console import alarms, detail, present, releases
from services.console.glance import Glance, glances
from services.console.live import Live
from services.console.models import Block, Device, Key
from services.console.views import Chosen, View, choose
from services.kit.pages import LANGUAGES, Language

log = structlog.get_logger(__name__)

SUMMARY_S: Final = 1.0
EDGE_S: Final = 0.2  # edges that come together are told together
PUMP_S: Final = 0.05  # blocks are gathered this long before they are sent
SUMMARIES_WAITING: Final = 2
FRAMES_WAITING: Final = 40  # two seconds of pumps
BACKLOG_FRAMES: Final = 10  # of a page that opens: all of them fit the queue
MAX_VISIBLE: Final = 256  # beds whose waveforms one page may ask for

Frame = dict[str, Any]


@dataclass(eq=False, slots=True)
class Reader:
    """One open page of summaries."""

    view: View
    queue: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(SUMMARIES_WAITING))
    behind: bool = True  # what it has is not the last frame of its view: the next one must be whole

    def tell(self, whole: bytes, change: bytes) -> None:
        """Queue what is new; a browser that does not keep up gets the present, not all that it missed."""
        if self.queue.full():
            while not self.queue.empty():
                self.queue.get_nowait()
            self.behind = True
        self.queue.put_nowait(whole if self.behind else change)
        self.behind = False


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


class Round:
    """What all beds are at one moment, and what of it has been put into words so far."""

    def __init__(self, live: Live, order: present.Order) -> None:
        self.live = live
        self.now = live.clock()
        self.glances = glances(live, self.now)
        self.order = order.arrange({name: it.severity for name, it in self.glances.items()}, self.now)
        self._tiles: dict[tuple[Language, str], Frame] = {}
        self._headers: dict[tuple[Language, frozenset[str] | None], Frame] = {}

    def frame(self, view: View) -> Frame:
        """Everything that a page with this view shows."""
        header = {"header": self.header(view)}
        if view.device is not None:
            return header | self.bed(view.device, view)
        return header | self.wall(view) if view.wall else header

    def header(self, view: View) -> Frame:
        """The alarm header of the beds that this reader may see."""
        found = self._headers.get((view.language, view.sites))
        if found is None:
            found = alarms.header(self.live, self.beds(view), self.now, view.language)
            if view.sites == frozenset():  # nothing rings, and is claimed, at who may see no bed
                found |= {"alarms": [], "count": 0, "worst": None, "signal": None, "beds": ""}
            found |= {"pains": self.live.pains_told(view.sites), "releases": releases.told(self.live, view)}
            self._headers[view.language, view.sites] = found
        return found

    def beds(self, view: View) -> list[Frame]:
        """What the header needs of every bed that this reader may see."""
        seen = (glance for glance in self.glances.values() if view.sees(glance.site))
        return [self._row(glance, view.language) for glance in seen]

    def wall(self, view: View) -> Frame:
        """One page of tiles, in their order, and what it is a part of."""
        chosen = choose(view, self.order, self.glances)
        sites = sorted({glance.site for glance in self.glances.values() if view.sees(glance.site)})
        return {
            "order": chosen.names,
            "page": page_of(chosen, sites, view),
            "tiles": {name: self.tile(name, view.language) for name in chosen.names},
        }

    def bed(self, key: Key, view: View) -> Frame:
        """What a bed's page shows beside the header; nothing of a bed that the reader may not see."""
        device = self.live.devices.get(key)
        if device is None or not view.sees(key.site):
            return {}
        return {
            "tile": self.tile(str(key), view.language),
            "events": present.events(device, view.language, self.live.zones.of(key.site)),
            **detail.shown(self.live, device, self.now, view.language),
        }

    def tile(self, name: str, language: Language) -> Frame:
        """One tile, put into words once a language."""
        found = self._tiles.get((language, name))
        if found is None:
            found = present.tile(self.live, self.glances[name].device, self.now, language)
            self._tiles[language, name] = found
        return found

    def _row(self, glance: Glance, language: Language) -> Frame:
        """What the header needs of a bed."""
        live, device = self.live, glance.device
        return {
            "key": glance.name,
            "device": device.key.device,
            "site": device.key.site,
            "link": glance.link,
            "in_session": glance.in_session,
            "alarms": alarms.rows(live, device, self.now, language) if glance.severity else [],
        }


def page_of(chosen: Chosen, sites: list[str], view: View) -> Frame:
    """Which part of which whole it is, for the controls of the wall."""
    return {
        "page": chosen.page,
        "pages": chosen.pages,
        "found": chosen.found,
        "counts": chosen.counts,
        "sites": sites,
        "words": present.page_words(chosen.page, chosen.pages, chosen.found, view.language),
    }


@dataclass(slots=True)
class Fanout:
    """Sends everybody what they asked for; runs in the server's event loop."""

    live: Live
    readers: set[Reader] = field(default_factory=set)
    viewers: set[Viewer] = field(default_factory=set)
    order: present.Order = field(default_factory=lambda: present.Order({}))
    shown: dict[View, Frame] = field(default_factory=dict)  # the last frame of every view that is looked at

    async def run(self) -> None:
        """Pump until cancelled: waveforms many times a second, summaries every second and at an alarm's edge.

        What goes wrong in one round is logged and does not end the next: a wall that stands still is blind.
        """
        due = edge_due = revision = -1.0
        loop = asyncio.get_running_loop()
        while True:
            try:
                self._send_blocks()
                now = loop.time()
                if now >= due or (self.live.revision != revision and now >= edge_due):
                    due, edge_due = now + SUMMARY_S, now + EDGE_S
                    revision = self.live.revision
                    self.summarise()
            except Exception:
                log.exception("a round of the fan-out failed")
            await asyncio.sleep(PUMP_S)

    def _send_blocks(self) -> None:
        by_key: defaultdict[Key, list[Block]] = defaultdict(list)
        for block in self.live.drain():
            by_key[block.key].append(block)
        for viewer in self.viewers:
            viewer.offer([block for key in viewer.wanted & by_key.keys() for block in by_key[key]])

    def summarise(self) -> None:
        """Queue what is new for every reader; each view is built once, however many look that way."""
        by_view: defaultdict[View, list[Reader]] = defaultdict(list)
        for reader in self.readers:
            by_view[reader.view].append(reader)
        if not by_view:
            self.shown.clear()
            return
        with self.live.lock:
            frames = _frames(self.round(), by_view)
        for view, frame in frames.items():
            whole, change = pack(frame, self.shown.get(view) if view.wall else None)
            for reader in by_view[view]:
                reader.tell(whole, change)
        self.shown = frames

    def round(self) -> Round:
        """A look at all beds now; the lock of ``live`` is the caller's."""
        return Round(self.live, self.order)

    def frame(self, view: View) -> Frame:
        """Everything that a page with this view shows, now."""
        with self.live.lock:
            return self.round().frame(view)

    def header(self, language: Language, sites: frozenset[str] | None = None) -> Frame:
        """The alarm header now, of the sites that the reader may see (None: every one)."""
        return self.frame(View(language, sites))["header"]  # type: ignore[no-any-return]  # (a frame's part)

    def bed(self, device: Device, language: Language) -> Frame:
        """What a bed's page shows beside the header."""
        with self.live.lock:
            now = self.live.clock()
            return {
                "tile": present.tile(self.live, device, now, language),
                "events": present.events(device, language, self.live.zones.of(device.key.site)),
                **detail.shown(self.live, device, now, language),
            }

    @contextlib.asynccontextmanager
    async def reading(self, view: View) -> AsyncIterator[Reader]:
        """A reader for as long as its page is open; its first frame is there at once."""
        if view.language not in LANGUAGES:
            raise ValueError(view.language)
        reader = Reader(view)
        reader.queue.put_nowait(pack(self.frame(view), None)[0])
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
            self._watch()

    def look(self, viewer: Viewer, keys: set[Key]) -> None:
        """The beds that are visible now; newly visible ones get their last half minute first."""
        fresh = sorted(keys - viewer.wanted)
        viewer.wanted = keys
        self._watch()
        a_frame = max(1, -(-len(fresh) // BACKLOG_FRAMES))
        for first in range(0, len(fresh), a_frame):
            viewer.offer(self.live.backlog(fresh[first : first + a_frame]))

    def _watch(self) -> None:
        self.live.watch({key for viewer in self.viewers for key in viewer.wanted})


def _frames(now: Round, views: Iterable[View]) -> dict[View, Frame]:
    """Of each view that can be made; one that fails is logged, and the others go on."""
    frames = {}
    for view in views:
        try:
            frames[view] = now.frame(view)
        except Exception:
            log.exception("a view cannot be made", view=repr(view))
    return frames


def pack(frame: Frame, before: Frame | None) -> tuple[bytes, bytes]:
    """(the whole frame, only what differs from the one before), as the browsers get them."""
    whole = orjson.dumps({"whole": True, **frame})
    if before is None:
        return whole, whole
    change = {name: value for name, value in frame.items() if name != "tiles" and value != before.get(name)}
    if "tiles" in frame:
        change["tiles"] = _tiles_changed(frame["tiles"], before["tiles"])
    return whole, orjson.dumps({"whole": False, **change})


def _tiles_changed(tiles: Frame, before: Frame) -> Frame:
    """Of each tile the fields that differ; of a new one all."""
    changed = {}
    for name, tile in tiles.items():
        old = before.get(name)
        row = tile if old is None else {field: value for field, value in tile.items() if value != old[field]}
        if row:
            changed[name] = row
    return changed
