"""Buckets of several runs and levels -> buckets of one stride: a window is read at the level it needs."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from services.telemetry.archive.models import BITS, Counts
from services.telemetry.archive.pyramid import Buckets, Column, edges

_MERGE: Final = (np.minimum, np.maximum, np.add)


def cut(buckets: Buckets, first: int, after: int) -> Buckets:
    """The whole buckets of samples ``first`` .. ``after - 1``: both are edges of buckets."""
    bounds = buckets.edges
    begin, end = (int(np.searchsorted(bounds, edge)) for edge in (first, after))
    if not (begin < end < len(bounds) and bounds[begin] == first and bounds[end] == after):
        raise ValueError(f"{first} and {after} are no edges of buckets of {buckets.stride} samples")
    rows = slice(begin, end)
    columns = {
        name: Column(
            column.least[rows],
            column.greatest[rows],
            column.total[rows],
            None if column.absent is None else column.absent[rows],
        )
        for name, column in buckets.columns.items()
    }
    return Buckets(
        buckets.stride, first, after - first, buckets.period_ms, buckets.times, columns, buckets.decimals,
        buckets.phase[rows],
    )  # fmt: skip


def glue(pieces: Iterable[Buckets], stride: int) -> list[Buckets]:
    """Pieces in order of seq as buckets of ``stride`` samples, joined where they touch.

    Every piece's stride divides ``stride``; pieces do not overlap.
    """
    groups: list[list[Buckets]] = []
    for piece in pieces:
        if groups and _alike(groups[-1][-1], piece):
            groups[-1].append(piece)
        else:
            groups.append([piece])
    return [_joined(group, stride) for group in groups]


def _alike(one: Buckets, other: Buckets) -> bool:
    return (
        one.after == other.first
        and one.period_ms == other.period_ms
        and one.columns.keys() == other.columns.keys()
        and dict(one.decimals) == dict(other.decimals)
    )


def _joined(group: Sequence[Buckets], stride: int) -> Buckets:
    head, last = group[0], group[-1]
    bounds = np.concatenate([piece.edges[:-1] for piece in group])
    starts = np.searchsorted(bounds, edges(head.first, last.after, stride)[:-1])
    columns = {}
    for name in head.columns:
        parts = [piece.columns[name] for piece in group]
        is_bits = head.decimals[name] == BITS
        rows = (
            np.concatenate([part.least for part in parts]),
            np.concatenate([part.greatest for part in parts]),
            np.concatenate([part.total for part in parts]),
        )
        least, greatest, total = (_merged(*pair, starts, is_bits) for pair in zip(_MERGE, rows, strict=True))
        columns[name] = Column(least, greatest, total, _absent(parts, starts))
    times = tuple(sorted({anchor for piece in group for anchor in piece.times}))
    phase = np.concatenate([piece.phase for piece in group])[starts]
    count = last.after - head.first
    return Buckets(stride, head.first, count, head.period_ms, times, columns, head.decimals, phase)


def _absent(parts: Sequence[Column], starts: Counts) -> Counts | None:
    """How many samples nobody measured, where any part knows of such."""
    if all(part.absent is None for part in parts):
        return None
    rows = [np.zeros(len(part.total), np.int64) if part.absent is None else part.absent for part in parts]
    return np.asarray(np.add.reduceat(np.concatenate(rows), starts, dtype=np.int64))


def _merged(merge: np.ufunc, row: Counts, starts: Counts, is_bits: bool) -> Counts:  # noqa: FBT001  (a row of zip)
    if is_bits:
        merged: Counts = merge.reduceat(row.view(np.float64), starts).view(np.int64)
        return merged
    return np.asarray(merge.reduceat(row, starts))
