"""What every export is made of: a session's runs, in exact integers, and what happened in it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import numpy as np

from services.telemetry.archive.models import BITS, PHASE, VALUES, Counts, Floats, Run, Times
from services.telemetry.errors import NotExportable

COLUMNS: Final = (*VALUES, PHASE)
UNITS: Final = {"tension_n": "N", "target_n": "N", "position_mm": "mm", "residual_n": "N", PHASE: ""}
PIECE: Final = 50_000  # samples that an export holds in a form of its own at a time


@dataclass(frozen=True, slots=True)
class Recorded:
    """A session, or a window of a device, with its samples: runs in order of seq, none overlapping."""

    site: str
    device: str
    boot: UUID
    runs: Sequence[Run]
    session: UUID | None = None
    patient: UUID | None = None  # a random id: no export has any other word of a person
    region: str | None = None
    segment: str | None = None
    events: Sequence[dict[str, Any]] = field(default_factory=list)
    blackbox: Callable[[], Sequence[dict[str, Any]]] | None = None  # a session's chunks, from its load on

    @property
    def name(self) -> str:
        """For a file."""
        return f"spondyl-{self.session or f'{self.site}-{self.device}'}"

    @property
    def first(self) -> int:
        """Seq of the first sample. Raises NotExportable when there is none."""
        if not self.runs:
            raise NotExportable(f"{self.name} has no samples: there is nothing to export")
        return self.runs[0].first

    @property
    def after(self) -> int:
        """The seq behind the last sample."""
        return self.runs[-1].after if self.runs else 0

    @property
    def period_ms(self) -> float:
        """The one period of all its samples. Raises NotExportable when there are several."""
        periods = sorted({run.period_ms for run in self.runs})
        if len(periods) != 1:
            raise NotExportable(
                f"{self.name} has samples of {len(periods)} periods ({', '.join(map(str, periods))} ms): "
                "this format holds one; parquet, arrow and csv hold any"
            )
        return periods[0]

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """(first, after) of the samples that are missing between the runs."""
        pairs = zip(self.runs, self.runs[1:], strict=False)
        return [(before.after, behind.first) for before, behind in pairs if before.after < behind.first]

    @property
    def unmeasured(self) -> int:
        """How many samples have a tension that nobody measured."""
        masks = (run.unmeasured("tension_n") for run in self.runs)
        return sum(int(np.count_nonzero(mask)) for mask in masks if mask is not None)

    def counts(self, name: str) -> tuple[int, list[Counts]]:
        """(decimals, counts of each run) of a column, all runs in the same decimals.

        Raises NotExportable for a column that is no decimal number of at most three places.
        """
        decimals = [run.decimals.get(name, 0) for run in self.runs]
        if BITS in decimals:
            raise NotExportable(
                f"{name} of {self.name} has more than 3 decimals: this format holds scaled integers; "
                "parquet, arrow and csv hold any number"
            )
        most = max(decimals, default=0)
        pairs = zip(self.runs, decimals, strict=True)
        return most, [run.columns[name] * 10 ** (most - own) for run, own in pairs]


def pieces(runs: Sequence[Run], size: int = PIECE) -> Iterator[Run]:
    """The same samples in runs of at most ``size``."""
    for run in runs:
        for first in range(run.first, run.after, size):
            yield run.slice(first, min(first + size, run.after))


def times_us(run: Run) -> Counts:
    """When each sample of a run was taken, microseconds since the epoch."""
    return times_at(np.arange(run.first, run.after, dtype=np.int64), run.times, run.period_ms)


def times_at(seqs: Counts, times: Times, period_ms: float) -> Counts:
    """When these samples were taken, by the anchors of their run."""
    anchors = np.array(times, dtype=np.int64).reshape(-1, 2)
    place = np.maximum(np.searchsorted(anchors[:, 0], seqs, side="right") - 1, 0)
    since: Floats = (seqs - anchors[place, 0]) * (period_ms * 1000)
    found: Counts = anchors[place, 1] + np.rint(since).astype(np.int64)
    return found
