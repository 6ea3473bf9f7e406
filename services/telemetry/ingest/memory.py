"""What an ingest worker remembers of the sources it stores for; all can be read from the store again."""

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from services.telemetry.holes import Hole, holes_of
from services.telemetry.models import KINDS, Batch, Gap, Kind, Place, Source
from services.telemetry.progress import Spans

IDLE_S: Final = 900.0  # a source that is silent for so long is forgotten here
BOOTS: Final = 8  # promises are remembered for so many boots of a device
STRIDES: Final[dict[Kind, int]] = {"tension": 1000, "blackbox": 1000, "event": 20}


class Track:
    """How far one source is stored, and how far that was written down."""

    __slots__ = ("marks", "spans", "used_at")

    def __init__(self, spans: dict[Kind, Spans]) -> None:
        self.spans = spans
        self.marks = self.next()
        self.used_at = time.monotonic()

    def next(self) -> dict[Kind, int]:
        """First number still wanted, by kind."""
        return {kind: spans.next for kind, spans in self.spans.items()}


class Memory:
    """The sources of a worker. One thread."""

    def __init__(self) -> None:
        self.tracks: dict[Source, Track] = {}
        self._due: set[Source] = set()  # whose checkpoint is to be written with the next batch
        self._holed: dict[Source, None] = {}
        self._promises: dict[Place, dict[Source, dict[Kind, int]]] = {}

    def advance(self, batch: Batch) -> None:
        """Everything of the batch is on disk."""
        now = time.monotonic()
        touched: dict[Source, None] = {}
        for gap in batch.gaps:
            self.tracks[gap.source].spans[gap.kind].add(gap.first, gap.after)
            touched[gap.source] = None
        for kind, source, first, after, _ in batch.entries:
            track = self.tracks[source]
            spans = track.spans[kind]
            spans.add(first, after)
            if not spans.whole or source in self._holed:
                touched[source] = None
            if spans.next - track.marks[kind] >= STRIDES[kind]:
                self._due.add(source)
            track.used_at = now
        for source in touched:
            if all(spans.whole for spans in self.tracks[source].spans.values()):
                self._holed.pop(source, None)
            else:
                self._holed[source] = None

    def checkpoints(self) -> dict[Source, dict[Kind, int]]:
        """What is worth writing down now: not every step, for a restart counts again from the last one on."""
        return {source: self.tracks[source].next() for source in self._due if source in self.tracks}

    def written(self, checkpoints: dict[Source, dict[Kind, int]]) -> None:
        """These are on disk."""
        for source, marks in checkpoints.items():
            self.tracks[source].marks = marks
        self._due.difference_update(checkpoints)

    def holes(self) -> list[Hole]:
        """What is missing now below later numbers."""
        return [
            hole
            for source in self._holed
            for hole in holes_of(
                source, {kind: spans.holes for kind, spans in self.tracks[source].spans.items()}
            )
        ]

    def watch(self, source: Source) -> None:
        """Keep an eye on the holes of a source though nothing may come from it any more."""
        if any(spans.holes for spans in self.tracks[source].spans.values()):
            self._holed[source] = None

    def promised(self, source: Source, promise: dict[Kind, int]) -> None:
        """A promise was given; the highest counts. Those of old boots are let go."""
        boots = self._promises.setdefault(source.place, {})
        known = boots.pop(source, dict.fromkeys(KINDS, 0))
        boots[source] = {kind: max(known[kind], promise.get(kind, 0)) for kind in KINDS}
        while len(boots) > BOOTS:
            del boots[next(iter(boots))]

    def behind(self, promises: Iterable[tuple[Source, dict[Kind, int]]]) -> Iterator[Source]:
        """The sources of which less is known to be stored here than was promised."""
        for source, promise in promises:
            track = self.tracks.get(source)
            if track is not None and any(track.spans[kind].next < after for kind, after in promise.items()):
                yield source

    def broken_promises(self, sources: Iterable[Source], reason: str) -> Iterator[Gap]:
        """What was promised once and is not stored now."""
        for source in sources:
            for kind, after in self._promises.get(source.place, {}).get(source, {}).items():
                stored = self.tracks[source].spans[kind].next
                if stored < after:
                    yield Gap(kind, source, stored, after, reason)

    def forget_all(self) -> None:
        """The store may have lost something: everything but the promises is read again."""
        self.tracks.clear()
        self._due.clear()
        self._holed.clear()

    def forget_site(self, site: str) -> list[Source]:
        """Somebody else stores for this site now; which sources it has."""
        theirs = [source for source in self.tracks if source.place.site == site]
        self._drop(theirs)
        return theirs

    def forget_idle(self) -> list[Source]:
        """Let go of sources that went silent; which they were."""
        before = time.monotonic() - IDLE_S
        idle = [
            source
            for source, track in self.tracks.items()
            if track.used_at < before and source not in self._holed and source not in self._due
        ]
        self._drop(idle)
        return idle

    def _drop(self, sources: Iterable[Source]) -> None:
        for source in sources:
            self.tracks.pop(source, None)
            self._due.discard(source)
            self._holed.pop(source, None)


class Announcements:
    """Sources whose promise is still to be said: devices in turn, one boot of each at a time."""

    def __init__(self) -> None:
        self._unsaid: dict[Place, dict[Source, None]] = {}
        self._said_at: dict[Place, float] = {}

    def add(self, sources: Iterable[Source]) -> None:
        """These have advanced, or were sent again because their promise was not heard."""
        for source in sources:
            self._unsaid.setdefault(source.place, {})[source] = None

    def due(self, most: int, apart_s: float) -> Iterator[Source]:
        """At most ``most``, no device twice within ``apart_s``; of its boots one at a time, in turn."""
        now = time.monotonic()
        for place in list(islice(self._unsaid, most)):
            if now - self._said_at.get(place, -1e9) < apart_s:
                return  # those behind it were said later still
            boots = self._unsaid.pop(place)
            source = next(iter(boots))
            del boots[source]
            if boots:
                self._unsaid[place] = boots
            self._said_at[place] = now
            yield source

    def forget(self, site: str) -> None:
        """Somebody else speaks for this site."""
        for place in [place for place in self._unsaid if place.site == site]:
            del self._unsaid[place]

    def prune(self, places: Iterable[Place]) -> None:
        """These have gone silent."""
        for place in places:
            if place not in self._unsaid:
                self._said_at.pop(place, None)
