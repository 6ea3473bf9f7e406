"""Least, greatest and mean of samples at strides of powers of two, aligned to seq, so that windows combine.

A bucket of stride s holds the samples ``k*s .. k*s + s - 1`` of the boot: buckets of two runs, or of two
levels, fall together. Sums are exact integers; a mean is made of them only at the end.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import orjson

from services.telemetry.archive.models import BITS, PHASE, VALUES, Counts, Floats, Run, as_floats
from services.telemetry.errors import Corrupt

_PARTS: Final = (".sum", ".low", ".high")
STRIDES: Final = (128,)  # kept in objects; coarser ones are made of it, finer ones of the samples


@dataclass(frozen=True, slots=True)
class Column:
    """Of one column and every bucket: least, greatest, sum of the counts."""

    least: Counts
    greatest: Counts
    total: Counts


@dataclass(frozen=True, slots=True)
class Buckets:
    """Buckets without a hole between them; only the first and last may hold fewer than ``stride`` samples.

    ``count`` samples from ``first`` on, ``times`` as in Run; ``phase`` is that of each bucket's first sample.
    """

    stride: int
    first: int
    count: int
    period_ms: float
    times: tuple[tuple[int, int], ...]
    columns: Mapping[str, Column]
    decimals: Mapping[str, int]
    phase: Counts

    @property
    def after(self) -> int:
        """The seq behind the last sample."""
        return self.first + self.count

    @property
    def sizes(self) -> Counts:
        """How many samples each bucket holds."""
        return np.diff(self.edges)

    @property
    def edges(self) -> Counts:
        """First seq of every bucket, and the seq behind the last."""
        return edges(self.first, self.after, self.stride)

    def minimum(self, name: str) -> Floats:
        """The least of each bucket in the column's unit."""
        return as_floats(self.columns[name].least, self.decimals[name])

    def maximum(self, name: str) -> Floats:
        """The greatest of each bucket in the column's unit."""
        return as_floats(self.columns[name].greatest, self.decimals[name])

    def mean(self, name: str) -> Floats:
        """The mean of each bucket in the column's unit."""
        decimals = self.decimals[name]
        totals = self.columns[name].total
        if decimals == BITS:
            return totals.view(np.float64) / self.sizes
        return totals / (self.sizes * float(10**decimals))


def stride_for(count: int, points: int) -> int:
    """The least power of two whose buckets are at most ``points``, wherever ``count`` samples begin."""
    stride = 1
    while -(-max(count - 1, 0) // stride) + 1 > max(points, 2):
        stride *= 2
    return stride


def edges(first: int, after: int, stride: int) -> Counts:
    """First seq of every bucket of first .. after - 1, and ``after``."""
    inner = np.arange((first // stride + 1) * stride, after, stride, dtype=np.int64)
    return np.concatenate([[first], inner, [after]]).astype(np.int64)


def reduce(run: Run, stride: int) -> Buckets:
    """The buckets of a run."""
    starts = edges(run.first, run.after, stride)[:-1] - run.first
    columns = {name: _column(run, name, starts) for name in VALUES if name in run.columns}
    decimals = {name: run.decimals.get(name, 0) for name in columns}
    phase = run.columns[PHASE][starts] if PHASE in run.columns else np.zeros(len(starts), np.int64)
    return Buckets(stride, run.first, run.count, run.period_ms, run.times, columns, decimals, phase)


def _column(run: Run, name: str, starts: Counts) -> Column:
    if run.decimals.get(name, 0) == BITS:
        values = run.values(name)
        parts = (np.minimum, np.maximum, np.add)
        return Column(*(part.reduceat(values, starts).view(np.int64) for part in parts))
    counts = run.columns[name]
    return Column(
        np.minimum.reduceat(counts, starts),
        np.maximum.reduceat(counts, starts),
        np.add.reduceat(counts, starts, dtype=np.int64),
    )


# --- as blocks ----------------------------------------------------------------------------------------------
def to_run(buckets: Buckets) -> Run:
    """Buckets as a run of one row a bucket, for the codec: of each column ``.sum``, ``.low``, ``.high``.

    Low and high count from the mean, rounded down, so that they are small. Floats' bits stand as they are.
    """
    columns: dict[str, Counts] = {PHASE: buckets.phase}
    decimals = {PHASE: 0}
    for name, column in buckets.columns.items():
        middle = _middle(buckets, name, column.total)
        columns[f"{name}.sum"] = column.total
        columns[f"{name}.low"] = column.least - middle
        columns[f"{name}.high"] = column.greatest - middle
        decimals |= {f"{name}{part}": buckets.decimals[name] for part in _PARTS}
    note = {
        "stride": buckets.stride,
        "first": buckets.first,
        "samples": buckets.count,
        "period_ms": buckets.period_ms,
        "times": buckets.times,
    }
    return Run(
        buckets.first // buckets.stride,
        buckets.period_ms * buckets.stride,
        ((buckets.first // buckets.stride, 0),),
        columns,
        decimals,
        orjson.dumps(note),
    )


def from_run(run: Run) -> Buckets:
    """The buckets that ``to_run`` made a run of. Raises Corrupt."""
    try:
        note = orjson.loads(run.note)
        stride, first, count = int(note["stride"]), int(note["first"]), int(note["samples"])
        period_ms, times = float(note["period_ms"]), tuple((int(seq), int(us)) for seq, us in note["times"])
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupt(f"buckets say not of which samples they are: {error!r}") from None
    fits = stride > 0 and count > 0 and -(-(first % stride + count) // stride) == run.count
    if not (fits and times and first // stride == run.first and PHASE in run.columns):
        raise Corrupt(f"{run.count} buckets of {stride} samples cannot hold {count} from seq {first} on")
    names = [name for name in VALUES if f"{name}.sum" in run.columns]
    decimals = {name: run.decimals[f"{name}.sum"] for name in names}
    bare = Buckets(stride, first, count, period_ms, times, {}, decimals, run.columns[PHASE])
    columns = {}
    for name in names:
        total = run.columns[f"{name}.sum"].astype(np.int64, copy=False)
        middle = _middle(bare, name, total)
        columns[name] = Column(
            run.columns[f"{name}.low"] + middle, run.columns[f"{name}.high"] + middle, total
        )
    return Buckets(stride, first, count, period_ms, times, columns, decimals, bare.phase)


def _middle(buckets: Buckets, name: str, totals: Counts) -> Counts:
    if buckets.decimals[name] == BITS:
        return np.zeros(len(totals), np.int64)
    return totals // buckets.sizes
