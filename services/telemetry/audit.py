"""The proof: what is stored of every device and boot, counted from the stored entries themselves.

Numbers run from 0 since boot. A number missing below the last one is lost, the head included; one stored
twice is a duplicate; what has not come yet, behind the last one, is neither.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from services.telemetry.hot import Hot
from services.telemetry.models import KINDS, Gap, Kind, Source

OTHERS: Final[tuple[Kind, ...]] = (
    "blackbox",
    "event",
)  # beside tension, whose counts stand in the row itself
Stored = tuple[int, int, bool]  # first, after, late


@dataclass(slots=True)
class Count:
    """One stream of one device and boot: numbers are samples, or events by index."""

    first_seq: int | None = None
    last_seq: int | None = None
    samples: int = 0
    lost: int = 0
    duplicates: int = 0
    late_blocks: int = 0
    gaps: list[dict[str, Any]] = field(default_factory=list)  # first, last and, where known, reason


def count(stored: Iterable[Stored], known_gaps: Sequence[Gap] = ()) -> Count:
    """Gaps and duplicates of (first, after, late) in any order; ``known_gaps`` lend them their reasons."""
    result = Count()
    expected = 0
    for first, after, late in sorted(stored):
        if result.first_seq is None:
            result.first_seq = first
        if first > expected:
            result.gaps.append(_gap(expected, first, known_gaps))
            result.lost += first - expected
        result.duplicates += max(0, min(expected, after) - first)
        result.samples += max(0, after - max(expected, first))
        result.late_blocks += late
        expected = max(expected, after)
    if expected:
        result.last_seq = expected - 1
    return result


def audit(hot: Hot) -> dict[str, Any]:
    """Every device and boot, and the totals. Raises StoreUnavailable."""
    rows = [_row(hot, source) for source in hot.sources()]
    sampled = [counts for row in rows for counts in (row, row["blackbox"])]
    events = [row["event"] for row in rows]
    return {
        "lost_samples": _total(sampled, "lost"),
        "duplicate_samples": _total(sampled, "duplicates"),
        "lost_events": _total(events, "lost"),
        "duplicate_events": _total(events, "duplicates"),
        "late_blocks": _total([*sampled, *events], "late_blocks"),
        "samples": _total(rows, "samples"),
        "devices": len({(row["site"], row["device"]) for row in rows}),
        "boots": len({row["boot"] for row in rows}),
        "streams": rows,
    }


def is_clean(report: dict[str, Any]) -> bool:
    """Nothing lost, nothing twice."""
    return not any(
        report[f"{fault}_{what}"] for fault in ("lost", "duplicate") for what in ("samples", "events")
    )


def _row(hot: Hot, source: Source) -> dict[str, Any]:
    known = hot.gaps(source)
    counts = {
        kind: count(hot.spans(kind, source), [gap for gap in known if gap.kind == kind]) for kind in KINDS
    }
    head = {"site": source.place.site, "device": source.place.device, "boot": str(source.boot)}
    return head | asdict(counts["tension"]) | {kind: asdict(counts[kind]) for kind in OTHERS}


def _total(counts: Iterable[dict[str, Any]], name: str) -> int:
    return sum(counted[name] for counted in counts)


def _gap(first: int, after: int, known: Sequence[Gap]) -> dict[str, Any]:
    reasons = sorted({gap.reason for gap in known if gap.first < after and gap.after > first})
    return {"first": first, "last": after - 1} | ({"reason": "; ".join(reasons)} if reasons else {})
