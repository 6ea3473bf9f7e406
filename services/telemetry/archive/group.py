"""What is to be archived of several devices: objects first, then one commit, then away from Redis."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from services.telemetry.archive.entries import HotEntry
from services.telemetry.archive.hot_side import Doomed, HotSide
from services.telemetry.archive.reader import Archive
from services.telemetry.archive.rows import Commit, NewObject
from services.telemetry.archive.watch import ArchiveMetrics
from services.telemetry.archive.writing import Built, put_all
from services.telemetry.errors import CorruptObject
from services.telemetry.models import Source

log = structlog.get_logger(__name__)

GROUP: Final = 20  # steps of one commit: its flush is shared, and what waits for it stays small
GROUP_BYTES: Final = 16_000_000  # of their objects, which are in memory until then
GROUP_ENTRIES: Final = 50_000  # of theirs in Redis, which lets go of them at once: some 30 ms


@dataclass(frozen=True, slots=True)
class _Staged:
    step: Commit
    built: Sequence[Built]
    doomed: Doomed


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whose steps were not made, all others were: another archiver came first, or an object is damaged."""

    quicker: frozenset[Source] = frozenset()
    troubles: Mapping[Source, str] = field(default_factory=dict)


class Group:
    """Steps that wait to be made together; of one source as many as it likes, in order."""

    def __init__(self, hot: HotSide, archive: Archive, metrics: ArchiveMetrics) -> None:
        self._hot = hot
        self._archive = archive
        self._metrics = metrics
        self._staged: list[_Staged] = []

    @property
    def sources(self) -> set[Source]:
        """Of which something waits."""
        return {one.step.source for one in self._staged}

    @property
    def is_full(self) -> bool:
        """Whether it is time to make them."""
        size = sum(len(built.data) for one in self._staged for built in one.built)
        entries = sum(one.doomed.count for one in self._staged)
        return len(self._staged) >= GROUP or size >= GROUP_BYTES or entries >= GROUP_ENTRIES

    def add(self, step: Commit, built: Sequence[Built], entries: Iterable[HotEntry]) -> None:
        """A step without its objects, what is to become them, and what it lets Redis forget."""
        self._staged.append(_Staged(step, built, Doomed.of(step, entries)))

    def clear(self) -> set[Source]:
        """Make none of them; whose they were."""
        sources, self._staged = self.sources, []
        return sources

    def flush(self) -> Outcome:
        """Make all steps.

        Raises ArchiveUnavailable, StoreUnavailable: what is in the store or the index then is found again.
        """
        staged, self._staged = self._staged, []
        if not staged:
            return Outcome()
        ready, troubles = self._put(staged)
        fates = self._archive.index.commit_all([one.step for one in ready])
        made = [one for one, is_made in zip(ready, fates, strict=True) if is_made]
        self._hot.take_away([one.doomed for one in made])
        for one in made:
            _tell(one.step)
            self._metrics.strays.inc(len(one.step.strays))
        quicker = frozenset(one.step.source for one, is_made in zip(ready, fates, strict=True) if not is_made)
        for source in quicker:
            log.warning("another archiver was quicker", place=str(source.place))
        for source, trouble in troubles.items():
            log.warning("a device was not archived; it is tried again", place=str(source.place), why=trouble)
        return Outcome(quicker, troubles)

    def _put(self, staged: Sequence[_Staged]) -> tuple[list[_Staged], dict[Source, str]]:
        """The steps with their objects, in order; nothing behind one of a source whose object failed."""
        began = time.perf_counter()
        every = [built for one in staged for built in one.built]
        found = iter(put_all(self._archive.store, every))
        ready, troubles = [], dict[Source, str]()
        for one in staged:
            new: list[NewObject] = []
            for outcome in [next(found) for _ in one.built]:
                if isinstance(outcome, CorruptObject):
                    troubles.setdefault(one.step.source, outcome.message)
                else:
                    new.append(outcome)
            if one.step.source not in troubles:
                ready.append(replace(one, step=replace(one.step, objects=new)))
        seconds = (time.perf_counter() - began) / max(1, len(every))
        for built in every:
            self._metrics.stored(len(built.data), seconds)
        return ready, troubles


def _tell(step: Commit) -> None:
    for new in step.objects:
        log.info("archived", path=new.path, bytes=new.size, session=str(new.session))
    for stray in step.strays:
        log.error("what was stored cannot be read: kept as it is in the archive's table of strays",
                  place=str(step.source.place), boot=str(step.source.boot), kind=stray.kind,
                  first=stray.first, after=stray.after, why=stray.reason)  # fmt: skip
