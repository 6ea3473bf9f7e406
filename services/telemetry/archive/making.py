"""What Redis keeps of one device -> objects in memory, each decoded again before it may replace anything."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from uuid import UUID

from services.telemetry.archive import objects
from services.telemetry.archive.aside import Entries, split
from services.telemetry.archive.entries import NONE, HotEntries
from services.telemetry.archive.models import Run
from services.telemetry.archive.objects import Sections
from services.telemetry.archive.planning import layers
from services.telemetry.archive.rows import Stray
from services.telemetry.archive.runs import blackbox_runs, tension_runs
from services.telemetry.archive.writing import Built, build
from services.telemetry.models import KINDS, Source


@dataclass(frozen=True, slots=True)
class Made:
    """Objects; the tension in them; the entries that they hold, and those that cannot be read."""

    built: Sequence[Built]
    runs: Sequence[Run]
    sound: Entries
    strays: Sequence[Stray] = ()


def make(source: Source, entries: Entries, session: UUID | None) -> Made:
    """One object, more only where entries overlap. Raises what ``objects.build`` does when all fails."""
    if not any(rows.flawed for rows in entries.values()):
        try:
            return _made(source, entries, session)
        except MemoryError:
            raise
        except Exception:
            sound, strays = split(entries, lambda some: _made(source, some, session))
            if not strays:
                raise
    else:
        sound, strays = split(entries, lambda some: _made(source, some, session))
    made = _made(source, sound, session)
    return Made(made.built, made.runs, sound, strays)


def _made(source: Source, entries: Entries, session: UUID | None) -> Made:
    by_kind = [_apart(entries.get(kind, NONE)) for kind in KINDS]
    sections = [
        _sections(source, dict(zip(KINDS, layer, strict=True)), session)
        for layer in zip_longest(*by_kind, fillvalue=NONE)
    ]
    built = [build(one) for one in sections]
    for one in built:
        objects.verify(one.data, one.directory)
    return Made(built, [run for one in sections for run in one.tension], entries)


def _apart(entries: HotEntries) -> list[HotEntries]:
    return [entries.pick(layer) for layer in layers(entries.spans)]


def _sections(source: Source, entries: Entries, session: UUID | None) -> Sections:
    return Sections(
        source.place.site,
        source.place.device,
        source.boot,
        tension_runs(_stored(entries["tension"])),
        blackbox_runs(_stored(entries["blackbox"])),
        [(entry.first, entry.payload) for entry in entries["event"]],
        session,
    )


def _stored(entries: HotEntries) -> Iterator[tuple[int, int, bytes]]:
    return ((entry.first, entry.after - entry.first, entry.payload) for entry in entries)
