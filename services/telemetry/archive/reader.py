"""Reading the archive: whatever is asked for, only the blocks that hold it are fetched from the store."""

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final
from uuid import UUID

import orjson

from services.telemetry.archive import objects
from services.telemetry.archive.index import Index
from services.telemetry.archive.models import UNMEASURED, Run, join
from services.telemetry.archive.objects import BlockEntry, Directory
from services.telemetry.archive.pyramid import STRIDES, Buckets, reduce, stride_for
from services.telemetry.archive.rows import ObjectRow, SessionRow, Span
from services.telemetry.archive.stores import ObjectStore
from services.telemetry.archive.zoom import cut, glue
from services.telemetry.errors import Corrupt, CorruptObject
from services.telemetry.models import MAX_SEQ, Gap, Kind, Source

DIRECTORIES: Final = 256  # kept decoded; one is some 10 kB
DIRECTORIES_AT_ONCE: Final = 64
FETCH_BYTES: Final = 8_000_000  # neighbouring blocks are fetched together up to this size


class Archive:
    """Any number of threads may read at once.

    Raises ArchiveUnavailable, ObjectMissing and CorruptObject: a block whose bytes were changed is named and
    never used; the others stay readable.
    """

    def __init__(self, index: Index, store: ObjectStore) -> None:
        self.index = index
        self.store = store
        self._directories: OrderedDict[int, Directory] = OrderedDict()
        self._lock = threading.Lock()

    # --- samples --------------------------------------------------------------------------------------------
    def runs(
        self,
        kind: Kind,
        source: Source,
        first: int = 0,
        after: int | None = None,
        columns: Collection[str] | None = None,
    ) -> list[Run]:
        """The samples ``first`` .. ``after - 1`` (None: all) of `tension` or `blackbox`.

        Joined where they touch; only the given columns are decoded. One archived twice is given once.
        """
        end = MAX_SEQ if after is None else after
        found = [
            run
            for row in self._objects(kind, source, first, end)
            for run in self._runs(row, kind, first, end, columns)
        ]
        return join(found)

    def buckets(self, source: Source, first: int, after: int | None, points: int) -> list[Buckets]:
        """The tension of a window in about ``points`` buckets, from the coarsest level that is kept."""
        if after is None:
            after = max((end for _, end in self.spans("tension", source)), default=first)
        return self.buckets_of(source, first, after, stride_for(max(after - first, 1), points))

    def buckets_of(self, source: Source, first: int, after: int, stride: int) -> list[Buckets]:
        """The tension of a window in buckets of ``stride`` samples, a power of two."""
        level = max((kept for kept in STRIDES if kept <= stride), default=None)
        if level is None:
            return [reduce(run, stride) for run in self.runs("tension", source, first, after)]
        return glue(self._pieces(source, first, after, level), stride)

    def events(self, source: Source, first_index: int = 0, after: int | None = None) -> list[dict[str, Any]]:
        """The events of these indices, in order, as they were published; one archived twice is given once."""
        found: dict[int, bytes] = {}
        for row in self._objects("event", source, first_index, MAX_SEQ if after is None else after):
            entries = self.directory(row).of("event", first_index, after)
            for entry, block in self._blocks(row, entries):
                with _naming(row):
                    payloads = objects.events_of(block, entry)
                for index, payload in enumerate(payloads, entry.first):
                    found.setdefault(index, payload)
        end = MAX_SEQ if after is None else after
        return [orjson.loads(found[index]) for index in sorted(found) if first_index <= index < end]

    # --- what is there --------------------------------------------------------------------------------------
    def spans(self, kind: Kind, source: Source) -> list[Span]:
        """(first, after) of every archived stretch, in order; one in two of them was archived twice."""
        return self.index.spans(kind, source)

    def sources(self) -> list[Source]:
        """Every device and boot of the archive."""
        return self.index.sources()

    def gaps(self, source: Source) -> list[Gap]:
        """Numbers that are known to come never."""
        return self.index.gaps(source)

    def session(self, session: UUID) -> SessionRow:
        """One session. Raises UnknownSession."""
        return self.index.session(session)

    def sessions(self, **wanted: Any) -> tuple[list[SessionRow], str | None]:
        """A page of sessions, see ``Index.sessions``."""
        return self.index.sessions(**wanted)

    def directory(self, row: ObjectRow) -> Directory:
        """An object's directory, out of the index; the last ones stay decoded."""
        with self._lock:
            known = self._directories.get(row.id)
            if known is not None:
                self._directories.move_to_end(row.id)
                return known
        return self._remember(row, self.index.directory(row.id))

    def _objects(self, kind: Kind, source: Source, first: int, after: int) -> Iterator[ObjectRow]:
        """The objects of a window, their directories fetched many at a time; none for an absurd window."""
        first, after = max(first, 0), min(after, MAX_SEQ)
        rows = self.index.objects(source, kind, first, after) if first < after else []
        for at in range(0, len(rows), DIRECTORIES_AT_ONCE):
            part = rows[at : at + DIRECTORIES_AT_ONCE]
            with self._lock:
                absent = [row.id for row in part if row.id not in self._directories]
            fetched = self.index.directories_of(absent) if len(absent) > 1 else {}
            for row in part:
                if row.id in fetched:
                    self._remember(row, fetched[row.id])
                yield row

    def _remember(self, row: ObjectRow, data: bytes) -> Directory:
        with _naming(row):
            directory = Directory.load(data)
        with self._lock:
            self._directories[row.id] = directory
            while len(self._directories) > DIRECTORIES:
                self._directories.popitem(last=False)
        return directory

    # --- blocks ---------------------------------------------------------------------------------------------
    def _runs(
        self, row: ObjectRow, kind: Kind, first: int, after: int, columns: Collection[str] | None
    ) -> Iterator[Run]:
        wanted = None if columns is None else [*columns, UNMEASURED]
        blocks = list(self._blocks(row, self.directory(row).of(kind, first, after)))
        with _naming(row):
            for run in objects.runs_of(blocks, wanted):
                yield run.slice(first, after)

    def _blocks(self, row: ObjectRow, entries: Sequence[BlockEntry]) -> Iterator[tuple[BlockEntry, bytes]]:
        """The blocks' bytes; neighbours in one request."""
        for group in _neighbours(entries):
            start = group[0].offset
            data = self.store.get_range(row.path, start, group[-1].offset + group[-1].length - start)
            for entry in group:
                yield entry, data[entry.offset - start : entry.offset - start + entry.length]

    def _pieces(self, source: Source, first: int, after: int, level: int) -> Iterator[Buckets]:
        """The window in buckets of ``level``: from the pyramid inside, from the samples at its edges."""
        rows = list(self._objects("tension", source, first, after))
        stretches = [(*span, number) for number, row in enumerate(rows) for span in row.spans["tension"]]
        reached = first
        for begin, end, number in sorted(stretches):
            low, high = max(begin, reached), min(end, after)
            if low < high:
                yield from self._window(rows[number], low, high, level)
                reached = high

    def _window(self, row: ObjectRow, low: int, high: int, level: int) -> Iterator[Buckets]:
        """One stretch without a hole of one object."""
        at = low
        entries = self.directory(row).of("pyramid", low, high, stride=level)
        for entry, block in self._blocks(row, entries):
            begin, end = _whole_buckets(entry, at, high, level)
            if begin < end:
                yield from self._reduced(row, at, begin, level)
                with _naming(row):
                    buckets = objects.buckets_of(block, entry)
                yield cut(buckets, begin, end)
                at = end
        yield from self._reduced(row, at, high, level)

    def _reduced(self, row: ObjectRow, first: int, after: int, level: int) -> Iterator[Buckets]:
        if first < after:
            for run in join(list(self._runs(row, "tension", first, after, None))):
                yield reduce(run, level)


class _naming:  # noqa: N801  (it reads as the statement it is)
    """Adds the object's path to what is said of its bytes."""

    def __init__(self, row: ObjectRow) -> None:
        self._path = row.path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Corrupt) and not isinstance(error, CorruptObject):
            raise CorruptObject(
                f"{self._path}: {error.message}; `spondyl archive verify` says more"
            ) from None


def _neighbours(entries: Sequence[BlockEntry]) -> Iterator[list[BlockEntry]]:
    """Blocks that lie one behind the other, together while they are not too large."""
    group: list[BlockEntry] = []
    for entry in sorted(entries, key=lambda one: one.offset):
        size = entry.offset + entry.length - group[0].offset if group else 0
        if group and (entry.offset != group[-1].offset + group[-1].length or size > FETCH_BYTES):
            yield group
            group = []
        group.append(entry)
    if group:
        yield group


def _whole_buckets(entry: BlockEntry, low: int, high: int, level: int) -> Span:
    """The part of a pyramid's block, ``low`` to ``high``, that is made of whole buckets."""
    low, high = max(low, entry.first), min(high, entry.after)
    begin = low if low == entry.first else -(-low // level) * level
    end = high if high == entry.after else high // level * level
    return begin, end
