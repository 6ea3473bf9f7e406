"""Whether what Redis still has is in the archive already, content and all: only then it may be taken away."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import orjson

from services.telemetry.archive.entries import HotEntries, HotEntry
from services.telemetry.archive.models import PHASE, VALUES, Run
from services.telemetry.archive.reader import Archive
from services.telemetry.archive.rows import covers
from services.telemetry.archive.runs import blackbox_runs, chunks_of, tension_runs
from services.telemetry.models import Kind, Source

Has = Callable[[HotEntry], bool]


def not_archived(archive: Archive, kind: Kind, source: Source, entries: HotEntries) -> HotEntries:
    """Those of the entries that are nowhere in the archive with this content."""
    spans = archive.spans(kind, source)
    covered = [entry for entry in entries if covers(spans, entry.first, entry.after)]
    if not covered:
        return entries
    first, after = min(entry.first for entry in covered), max(entry.after for entry in covered)
    has = _HAS[kind](archive, source, first, after)
    known = {entry for entry in covered if has(entry)}
    return HotEntries(entry for entry in entries if entry not in known)


def _has_tension(archive: Archive, source: Source, first: int, after: int) -> Has:
    archived = archive.runs("tension", source, first, after)

    def has(entry: HotEntry) -> bool:
        runs = tension_runs([(entry.first, entry.after - entry.first, entry.payload)])
        return all(any(_same(run, one) for one in archived) for run in runs)

    return has


def _same(run: Run, archived: Run) -> bool:
    """Whether the archived run holds just these samples, as floats: decimals may differ, values may not."""
    if not (archived.first <= run.first and run.after <= archived.after):
        return False
    part = archived.slice(run.first, run.after)
    return (
        part.period_ms == run.period_ms
        and all(np.array_equal(run.values(name), part.values(name)) for name in (*VALUES, PHASE))
        and np.array_equal(run.bits, part.bits)
    )


def _has_chunk(archive: Archive, source: Source, first: int, after: int) -> Has:
    chunks: dict[int, Any] = {
        chunk["seq"]: chunk
        for run in archive.runs("blackbox", source, first, after)
        for chunk in chunks_of(run)
    }

    def has(entry: HotEntry) -> bool:
        stored = (entry.first, entry.after - entry.first, entry.payload)
        rebuilt = [chunk for run in blackbox_runs([stored]) for chunk in chunks_of(run)]
        return all(chunks.get(chunk["seq"]) == chunk for chunk in rebuilt)

    return has


def _has_event(archive: Archive, source: Source, first: int, after: int) -> Has:
    events = {event["index"]: event for event in archive.events(source, first, after)}
    return lambda entry: events.get(entry.first) == orjson.loads(entry.payload)


_HAS: Final[dict[Kind, Callable[[Archive, Source, int, int], Has]]] = {
    "tension": _has_tension, "blackbox": _has_chunk, "event": _has_event,
}  # fmt: skip
