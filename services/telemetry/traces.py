"""Runs and buckets -> what a chart or a program gets: traces without a gap, whole or thinned.

A trace is not broken where the samples before came from the archive and those behind from Redis: its parts
are put together as floats, whatever integers they were kept in.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np

from services.kit.moments import instant_of
from services.telemetry.archive.models import PHASE, PHASES, VALUES, Counts, Floats, Run
from services.telemetry.archive.pyramid import Buckets
from services.telemetry.exports.models import times_at, times_us

THIN: Final = (".min", ".max", ".mean")


@dataclass(frozen=True, slots=True)
class Trace:
    """``count`` consecutive samples from ``first`` on; a row a sample, or a bucket of ``stride`` samples.

    ``columns`` are named as the column, or ``column.min``, ``.max``, ``.mean``; ``seqs`` and ``times`` (us)
    are those of each row's first sample, ``sizes`` how many samples it stands for. What nobody measured is
    nan, and ``absent`` how many such samples a row has, of the columns that have any.
    """

    first: int
    count: int
    period_ms: float
    stride: int
    seqs: Counts
    times: Counts
    sizes: Counts
    columns: dict[str, Floats]
    phase: Counts
    absent: dict[str, Counts] = field(default_factory=dict)

    @property
    def after(self) -> int:
        """The seq behind the last sample."""
        return self.first + self.count


def of_run(run: Run) -> Trace:
    """Every sample."""
    seqs = np.arange(run.first, run.after, dtype=np.int64)
    columns = {name: run.measured(name) for name in VALUES}
    ones = np.ones(run.count, np.int64)
    return Trace(
        run.first, run.count, run.period_ms, 1, seqs, times_us(run), ones, columns, run.columns[PHASE]
    )


def of_buckets(buckets: Buckets) -> Trace:
    """Least, greatest and mean of each bucket: no peak is lost."""
    seqs = buckets.edges[:-1]
    reckon: dict[str, Callable[[str], Floats]] = dict(
        zip(THIN, (buckets.minimum, buckets.maximum, buckets.mean), strict=True)
    )
    columns = {f"{name}{part}": values(name) for name in VALUES for part, values in reckon.items()}
    return Trace(
        buckets.first, buckets.count, buckets.period_ms, buckets.stride, seqs,
        times_at(seqs, buckets.times, buckets.period_ms), buckets.sizes, columns, buckets.phase,
        {name: column.absent for name, column in buckets.columns.items() if column.absent is not None},
    )  # fmt: skip


def joined(traces: Iterable[Trace]) -> list[Trace]:
    """Put together where they touch; a bucket of which each holds a part becomes one."""
    groups: list[list[Trace]] = []
    for trace in sorted(traces, key=lambda one: one.first):
        last = groups[-1][-1] if groups else None
        if last and (last.after, last.period_ms, last.stride) == (trace.first, trace.period_ms, trace.stride):
            groups[-1].append(trace)
        else:
            groups.append([trace])
    return [group[0] if len(group) == 1 else _joined(group) for group in groups]


def _joined(group: Sequence[Trace]) -> Trace:
    head = group[0]
    seqs = np.concatenate([part.seqs for part in group])
    keep = np.flatnonzero(np.diff(seqs // head.stride, prepend=-1))
    sizes = np.concatenate([part.sizes for part in group])
    absent = {
        name: np.concatenate([part.absent.get(name, np.zeros_like(part.sizes)) for part in group])
        for name in dict.fromkeys(name for part in group for name in part.absent)
    }
    columns = {}
    for name in head.columns:
        rows = np.concatenate([part.columns[name] for part in group])
        columns[name] = _merge_of(name)(rows, sizes - absent.get(name.partition(".")[0], 0), keep)
    return Trace(
        head.first, group[-1].after - head.first, head.period_ms, head.stride, seqs[keep],
        np.concatenate([part.times for part in group])[keep], np.add.reduceat(sizes, keep), columns,
        np.concatenate([part.phase for part in group])[keep],
        {name: np.add.reduceat(rows, keep) for name, rows in absent.items()},
    )  # fmt: skip


def _mean(values: Floats, sizes: Counts, keep: Counts) -> Floats:
    """Means of buckets put together, by how many measured samples each has; nan where that is none."""
    total = np.add.reduceat(np.where(sizes, values, 0.0) * sizes, keep)
    count = np.add.reduceat(sizes, keep)
    means: Floats = np.divide(total, count, out=np.full(len(keep), np.nan), where=count > 0)
    return means


_MERGE: Final[dict[str, Callable[[Floats, Counts, Counts], Floats]]] = {
    "": lambda values, _, __: values,
    ".min": lambda values, _, keep: np.fmin.reduceat(values, keep),
    ".max": lambda values, _, keep: np.fmax.reduceat(values, keep),
    ".mean": _mean,
}


def _merge_of(name: str) -> Callable[[Floats, Counts, Counts], Floats]:
    return _MERGE["".join(name.rpartition(".")[1:]) if "." in name else ""]


def segment(trace: Trace) -> dict[str, Any]:
    """For JSON: a list entry a sample, or a bucket with its ``offset_ms`` since ``started_at``.

    What nobody measured is null; ``unmeasured`` tells of how many samples of each bucket that is so.
    """
    started = int(trace.times[0])
    head = {
        "seq": trace.first,
        "count": trace.count,
        "started_at": instant_of(started).isoformat(),
        "period_ms": trace.period_ms,
    }
    phase = [PHASES[code] for code in trace.phase.tolist()]
    if trace.columns.keys() == set(VALUES):
        return head | {name: trace.columns[name].tolist() for name in VALUES} | {PHASE: phase}
    columns = {
        name: {part[1:]: np.round(trace.columns[f"{name}{part}"], 6).tolist() for part in THIN}
        for name in VALUES
    }
    offsets = ((trace.times - started) / 1000).tolist()
    absent = (
        {"unmeasured": {name: rows.tolist() for name, rows in trace.absent.items()}} if trace.absent else {}
    )
    return head | {"stride": trace.stride, "offset_ms": offsets} | columns | {PHASE: phase} | absent


def missing(traces: Sequence[Trace]) -> int:
    """How many samples lie between the traces of one boot."""
    return sum(max(0, later.first - earlier.after) for earlier, later in pairwise(traces))
