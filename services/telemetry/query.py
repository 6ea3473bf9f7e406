"""Blocks -> what a chart or a program asks for: runs of consecutive samples, whole or thinned."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.telemetry.models import VALUES, Block


@dataclass(slots=True)
class Segment:
    """Consecutive samples of one period: a list entry a sample."""

    seq: int
    started_at: datetime
    period_ms: float
    values: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in VALUES})
    phase: list[str] = field(default_factory=list)

    @property
    def after(self) -> int:
        """The seq of the sample behind the last one."""
        return self.seq + len(self.phase)


def segments(blocks: Iterable[Block], first: int = 0, after: int | None = None) -> list[Segment]:
    """Blocks in order of seq, joined where they touch; a sample that came twice is shown once.

    Only samples ``first`` .. ``after - 1`` are in the answer.
    """
    joined: list[Segment] = []
    for block in blocks:
        begin = max(first, block.seq, joined[-1].after if joined else 0)
        end = block.after if after is None else min(after, block.after)
        if begin >= end:
            continue
        if not joined or joined[-1].after != begin or joined[-1].period_ms != block.period_ms:
            ahead = timedelta(milliseconds=(begin - block.seq) * block.period_ms)
            joined.append(Segment(begin, block.started_at + ahead, block.period_ms))
        _extend(joined[-1], block, begin - block.seq, end - block.seq)
    return joined


def whole(segment: Segment) -> dict[str, Any]:
    """Every sample of a segment."""
    return {**_head(segment), **segment.values, "phase": segment.phase}


def thinned(parts: Sequence[Segment], points: int) -> list[dict[str, Any]]:
    """About ``points`` buckets over all segments with the least and greatest of each: no peak is lost.

    A bucket holds ``stride`` samples and is as many milliseconds long; its phase is that of its first sample.
    """
    total = sum(len(part.phase) for part in parts)
    stride = max(1, -(-total // points))
    return [_thin(part, stride) for part in parts]


def _thin(segment: Segment, stride: int) -> dict[str, Any]:
    starts = range(0, len(segment.phase), stride)
    columns = {
        name: {
            "min": [min(values[start : start + stride]) for start in starts],
            "max": [max(values[start : start + stride]) for start in starts],
        }
        for name, values in segment.values.items()
    }
    return {**_head(segment), "stride": stride, **columns, "phase": segment.phase[::stride]}


def _head(segment: Segment) -> dict[str, Any]:
    return {
        "seq": segment.seq,
        "count": len(segment.phase),
        "started_at": segment.started_at.isoformat(),
        "period_ms": segment.period_ms,
    }


def _extend(segment: Segment, block: Block, begin: int, end: int) -> None:
    for name in VALUES:
        segment.values[name].extend(block.values[name][begin:end])
    segment.phase.extend(block.phase[begin:end])
