"""What is stored and cannot be read must not hold up what can: it is found and kept aside, byte for byte."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from services.telemetry.archive.entries import NONE, HotEntries, HotEntry
from services.telemetry.archive.rows import Span, Stray
from services.telemetry.models import Gap, Kind, Source

REASON: Final = "stored and cannot be read: kept aside"
_LONGEST: Final = 300  # characters of a reason
Entries = Mapping[Kind, HotEntries]
Try = Callable[[Entries], object]


def split(entries: Entries, build: Try) -> tuple[dict[Kind, HotEntries], list[Stray]]:
    """The entries that ``build`` makes an object of, and what it fails with.

    Asked of halves, halves of these and so on: few that are bad among many cost little.
    """
    sound: dict[Kind, HotEntries] = {}
    strays = []
    for kind, rows in entries.items():
        bad = {entry: _why(entry.flaw) for entry in rows if entry.flaw}
        bad |= _failing(kind, [entry for entry in rows if not entry.flaw], build)
        sound[kind] = HotEntries(entry for entry in rows if entry not in bad)
        strays += [
            Stray(kind, entry.first, entry.after, entry.payload, reason) for entry, reason in bad.items()
        ]
    return sound, strays


def _failing(kind: Kind, entries: Sequence[HotEntry], build: Try) -> dict[HotEntry, str]:
    if not entries:
        return {}
    try:
        build({kind: HotEntries(entries)})
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  (whatever is stored, it is kept and stops nobody)
        if len(entries) == 1:
            return {entries[0]: _why(f"{type(error).__name__}: {error}")}
    else:
        return {}
    middle = len(entries) // 2
    return _failing(kind, entries[:middle], build) | _failing(kind, entries[middle:], build)


def _why(text: str) -> str:
    return text[:_LONGEST]


def named(source: Source, strays: Sequence[Stray], sound: Entries) -> list[Gap]:
    """The numbers that only strays hold, as gaps."""
    found = []
    for stray in strays:
        spans = sound.get(stray.kind, NONE).spans.tolist()
        for first, after in _without((stray.first, stray.after), spans):
            found.append(Gap(stray.kind, source, first, after, REASON))
    return found


def _without(span: Span, others: Sequence[Span]) -> list[Span]:
    """What is left of a span; the others in order."""
    left, (first, after) = [], span
    for low, high in others:
        if low > first:
            left.append((first, min(low, after)))
        first = max(first, high)
        if first >= after:
            return [part for part in left if part[0] < part[1]]
    return [part for part in [*left, (first, after)] if part[0] < part[1]]
