"""Least, greatest and mean of samples at strides of powers of two, aligned to seq, so that windows combine.

A bucket of stride s holds the samples ``k*s .. k*s + s - 1`` of the boot: buckets of two runs, or of two
levels, fall together. Sums are exact integers; a mean is made of them only at the end.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import orjson

from services.telemetry.archive.models import BITS, PHASE, VALUES, Counts, Floats, Mask, Run, as_floats
from services.telemetry.errors import Corrupt

_PARTS: Final = (".sum", ".low", ".high")
_ABSENT: Final = ".unmeasured"
_MOST: Final = np.int64(np.iinfo(np.int64).max)  # as the least of no sample, and its negative as the greatest
STRIDES: Final = (128,)  # kept in objects; coarser ones are made of it, finer ones of the samples


@dataclass(frozen=True, slots=True)
class Column:
    """Of one column and every bucket: least, greatest, sum of the counts, of measured samples alone.

    ``absent`` is how many samples of each nobody measured, None where all were measured. The bounds of a
    bucket of such samples alone are replaced by any other's when they are put together.
    """

    least: Counts
    greatest: Counts
    total: Counts
    absent: Counts | None = None


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

    def measured(self, name: str) -> Counts:
        """How many measured samples of a column each bucket holds."""
        absent = self.columns[name].absent
        return self.sizes if absent is None else self.sizes - absent

    def minimum(self, name: str) -> Floats:
        """The least of each bucket in the column's unit; nan where nothing was measured."""
        return self._known(name, as_floats(self.columns[name].least, self.decimals[name]))

    def maximum(self, name: str) -> Floats:
        """The greatest of each bucket in the column's unit; nan where nothing was measured."""
        return self._known(name, as_floats(self.columns[name].greatest, self.decimals[name]))

    def mean(self, name: str) -> Floats:
        """The mean of each bucket in the column's unit; nan where nothing was measured."""
        decimals, totals = self.decimals[name], self.columns[name].total
        sizes = np.maximum(self.measured(name), 1)
        if decimals == BITS:
            return self._known(name, totals.view(np.float64) / sizes)
        return self._known(name, totals / (sizes * float(10**decimals)))

    def _known(self, name: str, values: Floats) -> Floats:
        absent = self.columns[name].absent
        return values if absent is None else np.where(absent < self.sizes, values, np.nan)


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
    mask = run.unmeasured(name)
    if run.decimals.get(name, 0) == BITS:
        values = run.values(name)
        low, high, terms = _instead(values, mask, np.inf)
        return Column(
            np.minimum.reduceat(low, starts).view(np.int64),
            np.maximum.reduceat(high, starts).view(np.int64),
            np.add.reduceat(terms, starts).view(np.int64),
            _absent(mask, starts),
        )
    low, high, terms = _instead(run.columns[name], mask, _MOST)
    return Column(
        np.minimum.reduceat(low, starts),
        np.maximum.reduceat(high, starts),
        np.add.reduceat(terms, starts, dtype=np.int64),
        _absent(mask, starts),
    )


def _instead(numbers: Counts, mask: Mask | None, most: float | np.int64) -> tuple[Counts, Counts, Counts]:
    """The numbers to find the least of, the greatest, and to add up: what nobody measured changes nothing."""
    if mask is None:
        return numbers, numbers, numbers
    return np.where(mask, most, numbers), np.where(mask, -most, numbers), np.where(mask, 0, numbers)


def _absent(mask: Mask | None, starts: Counts) -> Counts | None:
    return None if mask is None else np.add.reduceat(mask, starts, dtype=np.int64)


# --- as blocks ----------------------------------------------------------------------------------------------
def to_run(buckets: Buckets) -> Run:
    """Buckets as a run of one row a bucket, for the codec: of each column ``.sum``, ``.low``, ``.high``.

    Low and high count from the mean, rounded down, so that they are small. Floats' bits stand as they are.
    Where some samples were not measured, ``.unmeasured`` counts them; a bucket of them alone has zeros.
    """
    columns: dict[str, Counts] = {PHASE: buckets.phase}
    decimals = {PHASE: 0}
    for name, column in buckets.columns.items():
        middle = _middle(column.total, buckets.decimals[name], buckets.measured(name))
        lows, highs = column.least - middle, column.greatest - middle
        if column.absent is not None:
            known = column.absent < buckets.sizes
            lows, highs = np.where(known, lows, 0), np.where(known, highs, 0)
            columns[f"{name}{_ABSENT}"] = column.absent
        columns[f"{name}.sum"] = column.total
        columns[f"{name}.low"] = lows
        columns[f"{name}.high"] = highs
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
    columns = {name: _column_of(run, name, bare.sizes) for name in names}
    return Buckets(stride, first, count, period_ms, times, columns, decimals, bare.phase)


def _column_of(run: Run, name: str, sizes: Counts) -> Column:
    """Raises Corrupt."""
    total = run.columns[f"{name}.sum"].astype(np.int64, copy=False)
    decimals, absent = run.decimals[f"{name}.sum"], run.columns.get(f"{name}{_ABSENT}")
    if absent is None:
        middle = _middle(total, decimals, sizes)
        return Column(run.columns[f"{name}.low"] + middle, run.columns[f"{name}.high"] + middle, total)
    if (absent < 0).any() or (absent > sizes).any():
        raise Corrupt(f"a bucket of {name} says that more of it was not measured than there is")
    middle, known = _middle(total, decimals, sizes - absent), absent < sizes
    most = np.float64(np.inf).view(np.int64) if decimals == BITS else _MOST
    least = np.float64(-np.inf).view(np.int64) if decimals == BITS else -_MOST
    return Column(
        np.where(known, run.columns[f"{name}.low"] + middle, most),
        np.where(known, run.columns[f"{name}.high"] + middle, least),
        total,
        absent,
    )


def _middle(totals: Counts, decimals: int, sizes: Counts) -> Counts:
    if decimals == BITS:
        return np.zeros(len(totals), np.int64)
    return totals // np.maximum(sizes, 1)
