"""The proof: what is stored of every device and boot, counted from what lies in Redis and in the archive.

Numbers run from 0 since boot. A number missing below the last one is lost, the head included; what has not
come yet, behind the last one, is neither lost nor there. One that lies twice in Redis, or in two objects of
the archive, is a duplicate. One that lies in both is not: between an object's being indexed and Redis's being
trimmed of it, everything is in both, and readers take it once.

In Redis every entry is counted by what it says of itself, in the archive every stretch by the index, which
`spondyl archive verify` holds against the objects.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Final

from services.kit.auth.principal import Sites
from services.telemetry.archive import census
from services.telemetry.archive.census import SpansByKind
from services.telemetry.archive.rows import NOTHING, Marks, Span
from services.telemetry.holes import Asking, Hole
from services.telemetry.lanes import Stored
from services.telemetry.models import KINDS, Gap, Kind, Source
from services.telemetry.query import History

OTHERS: Final[tuple[Kind, ...]] = ("blackbox", "event")  # tension's counts stand in the row itself
AT_ONCE: Final = 2000  # sources asked in one round trip for their gaps and sizes


@dataclass(slots=True)
class Count:
    """One stream of one device and boot: numbers are samples, or events by index."""

    first_seq: int | None = None
    last_seq: int | None = None
    samples: int = 0
    lost: int = 0
    duplicates: int = 0
    late_blocks: int = 0
    archived: int = 0
    gaps: list[dict[str, Any]] = field(default_factory=list)  # first, last; reason, or since and asked


def count(
    stored: Iterable[Stored], known_gaps: Sequence[Gap] = (), archived: Sequence[Span] = (), base: int = 0
) -> Count:
    """Of numbers from ``base`` on; hot entries in any order, archived stretches in the order of archiving.

    ``known_gaps`` lend gaps their reasons.
    """
    hot = _from(base, sorted(stored))
    old = _from(base, ((first, after, False) for first, after in archived))
    result = Count(late_blocks=sum(late for _, _, late in hot) + _late(old), archived=_size(sorted(old)))
    result.duplicates = _twice(hot) + _twice(sorted(old))
    expected = base
    for first, after, _ in sorted([*hot, *old]):
        if result.first_seq is None:
            result.first_seq = first
        if first > expected:
            result.gaps += _parts(expected, first, known_gaps)
            result.lost += first - expected
        result.samples += max(0, after - max(expected, first))
        expected = max(expected, after)
    if result.first_seq is not None:
        result.last_seq = expected - 1
    return result


def _from(base: int, stored: Iterable[Stored]) -> list[Stored]:
    return [(max(first, base), after, late) for first, after, late in stored if after > base]


def _twice(stored: Sequence[Stored]) -> int:
    """Numbers that are there again, of stretches in order."""
    reached, found = 0, 0
    for first, after, _ in stored:
        found += max(0, min(reached, after) - first)
        reached = max(reached, after)
    return found


def _size(stored: Sequence[Stored]) -> int:
    return sum(after - first for first, after, _ in stored) - _twice(stored)


def _late(archived: Sequence[Stored]) -> int:
    """Stretches that were archived behind their successors."""
    reached, found = 0, 0
    for first, after, _ in archived:
        found += first < reached
        reached = max(reached, after)
    return found


def _parts(first: int, after: int, known: Sequence[Gap]) -> list[dict[str, Any]]:
    """The gap, in pieces that each have one reason or none."""
    inside = [gap for gap in known if gap.first < after and gap.after > first]
    ends = {edge for gap in inside for edge in (gap.first, gap.after) if first < edge < after}
    found: list[dict[str, Any]] = []
    for low, high in pairwise(sorted({first, after} | ends)):
        reasons = sorted({gap.reason for gap in inside if gap.first <= low and gap.after >= high})
        reason = {"reason": "; ".join(reasons)} if reasons else {}
        if found and found[-1].get("reason") == reason.get("reason"):
            found[-1]["last"] = high - 1
        else:
            found.append({"first": low, "last": high - 1} | reason)
    return found


def audit(history: History, since_us: int | None = None, sites: Sites = None) -> dict[str, Any]:
    """Every device and boot of these sites, and the totals. Raises StoreUnavailable, ArchiveUnavailable.

    With ``since_us`` the archive is counted from the objects on that end after it: a boot that has nothing
    newer is left out. What is in Redis is newer.
    """
    rows = list(_rows(history, since_us, sites))
    sampled = [counts for row in rows for counts in (row, row["blackbox"])]
    events = [row["event"] for row in rows]
    return {
        "lost_samples": _total(sampled, "lost"),
        "duplicate_samples": _total(sampled, "duplicates"),
        "lost_events": _total(events, "lost"),
        "duplicate_events": _total(events, "duplicates"),
        "unexplained": owed([*sampled, *events]),
        "late_blocks": _total([*sampled, *events], "late_blocks"),
        "samples": _total(rows, "samples"),
        "archived_samples": _total(rows, "archived"),
        "devices": len({(row["site"], row["device"]) for row in rows}),
        "boots": len({row["boot"] for row in rows}),
        "streams": rows,
    }


def is_clean(report: dict[str, Any]) -> bool:
    """Nothing lost, nothing twice."""
    return not any(
        report[f"{fault}_{what}"] for fault in ("lost", "duplicate") for what in ("samples", "events")
    )


def owed(counts: Iterable[dict[str, Any]]) -> int:
    """How many numbers are missing without anybody having said that they will never come."""
    gaps = [gap for counted in counts for gap in counted["gaps"] if "reason" not in gap]
    return sum(gap["last"] - gap["first"] + 1 for gap in gaps)


def _rows(history: History, since_us: int | None, sites: Sites) -> Iterator[dict[str, Any]]:
    """Hot first: what is trimmed meanwhile is found in the archive."""
    hot, hot_gaps = _hot(history, sites)
    holes = history.hot.holes() if history.hot else {}
    index = history.archive.index if history.archive else None
    old = census.all_spans(index, since_us, sites) if index else {}
    bases = census.reached_before(index, since_us, sites) if index and since_us is not None else {}
    old_gaps = census.all_gaps(index, sites) if index else {}
    nothing: SpansByKind = {kind: [] for kind in KINDS}
    order = {source: number for number, source in enumerate([*old, *hot])}
    for source in sorted(order, key=lambda one: (one.place, order[one])):
        gaps = [*hot_gaps.get(source, ()), *old_gaps.get(source, ())]
        row = _row(source, hot.get(source, {}), old.get(source, nothing), gaps, bases.get(source, NOTHING))
        _note_asked(row, source, holes.get(source, {}))
        if since_us is None or any(counted["samples"] for counted in (row, *(row[kind] for kind in OTHERS))):
            yield row


def _hot(
    history: History, sites: Sites
) -> tuple[dict[Source, dict[Kind, list[Stored]]], dict[Source, list[Gap]]]:
    """What Redis has of every source; each source is named."""
    if history.hot is None:
        return {}, {}
    sources = [source for source in history.hot.sources() if sites is None or source.place.site in sites]
    found: dict[Source, dict[Kind, list[Stored]]] = {source: {} for source in sources}
    gaps: dict[Source, list[Gap]] = {}
    for at in range(0, len(sources), AT_ONCE):
        some = sources[at : at + AT_ONCE]
        gaps |= history.hot.all_gaps(some)
        for kind, source, stored in history.hot.all_spans(history.hot.filled(some)):
            found[source][kind] = stored
    return found, gaps


def _row(
    source: Source, hot: dict[Kind, list[Stored]], old: SpansByKind, gaps: Sequence[Gap], base: Marks
) -> dict[str, Any]:
    counts = {
        kind: count(
            hot.get(kind, ()), [gap for gap in gaps if gap.kind == kind], old.get(kind, ()), base[kind]
        )
        for kind in KINDS
    }
    head = {"site": source.place.site, "device": source.place.device, "boot": str(source.boot)}
    return head | asdict(counts["tension"]) | {kind: asdict(counts[kind]) for kind in OTHERS}


def _note_asked(row: dict[str, Any], source: Source, holes: Mapping[Hole, Asking]) -> None:
    """Gaps that may still close: since when their gateway is asked for them, and how often it was."""
    for kind, counted in {"tension": row, **{kind: row[kind] for kind in OTHERS}}.items():
        for gap in counted["gaps"]:
            asking = holes.get(Hole(kind, source, gap["first"], gap["last"] + 1))
            if asking is not None and "reason" not in gap:
                gap |= {"since": asking.since, "asked": asking.asks}


def _total(counts: Iterable[dict[str, Any]], name: str) -> int:
    return sum(counted[name] for counted in counts)
