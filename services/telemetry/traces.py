"""Runs and buckets -> what a chart or a program gets: traces without a gap, whole or thinned.

A trace is not broken where the samples before came from the archive and those behind from Redis: its parts
are put together as floats, whatever integers they were kept in.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
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
    are those of each row's first sample, ``sizes`` how many samples it stands for.
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

    @property
    def after(self) -> int:
        """The seq behind the last sample."""
        return self.first + self.count


def of_run(run: Run) -> Trace:
    """Every sample."""
    seqs = np.arange(run.first, run.after, dtype=np.int64)
    columns = {name: run.values(name) for name in VALUES}
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
    columns = {
        name: _merge_of(name)(np.concatenate([part.columns[name] for part in group]), sizes, keep)
        for name in head.columns
    }
    return Trace(
        head.first, group[-1].after - head.first, head.period_ms, head.stride, seqs[keep],
        np.concatenate([part.times for part in group])[keep], np.add.reduceat(sizes, keep), columns,
        np.concatenate([part.phase for part in group])[keep],
    )  # fmt: skip


def _mean(values: Floats, sizes: Counts, keep: Counts) -> Floats:
    total: Floats = np.add.reduceat(values * sizes, keep)
    return total / np.add.reduceat(sizes, keep)


_MERGE: Final[dict[str, Callable[[Floats, Counts, Counts], Floats]]] = {
    "": lambda values, _, __: values,
    ".min": lambda values, _, keep: np.minimum.reduceat(values, keep),
    ".max": lambda values, _, keep: np.maximum.reduceat(values, keep),
    ".mean": _mean,
}


def _merge_of(name: str) -> Callable[[Floats, Counts, Counts], Floats]:
    return _MERGE["".join(name.rpartition(".")[1:]) if "." in name else ""]


def segment(trace: Trace) -> dict[str, Any]:
    """For JSON: a list entry a sample, or a bucket with its ``offset_ms`` since ``started_at``."""
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
    return head | {"stride": trace.stride, "offset_ms": offsets} | columns | {PHASE: phase}


def missing(traces: Sequence[Trace]) -> int:
    """How many samples lie between the traces of one boot."""
    return sum(max(0, later.first - earlier.after) for earlier, later in pairwise(traces))
