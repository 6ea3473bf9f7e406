"""Histograms of durations with logarithmic buckets: written by the loop, read by everyone."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.controller.kernel.memory import BUCKET_BITS, BUCKETS, BUCKETS_PER_OCTAVE, H_MAX, H_SUM

PERCENTILES = {"p50": 50.0, "p99": 99.0, "p999": 99.9}


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of durations in ns; exact to 3 %, its greatest value exactly."""

    counts: npt.NDArray[np.int64]
    max_ns: int
    sum_ns: int

    @classmethod
    def from_row(cls, row: npt.NDArray[np.int64]) -> "Histogram":
        """Copy one row of the shared section."""
        copied = row.copy()
        return cls(copied[:BUCKETS], int(copied[H_MAX]), int(copied[H_SUM]))

    @property
    def total(self) -> int:
        """How many durations were counted."""
        return int(self.counts.sum())

    def __add__(self, other: "Histogram") -> "Histogram":
        return Histogram(
            self.counts + other.counts, max(self.max_ns, other.max_ns), self.sum_ns + other.sum_ns
        )

    def at_least(self, bucket: int) -> int:
        """How many durations fell into this bucket or a later one, see bucket_start_ns."""
        return int(self.counts[bucket:].sum())

    def percentile_us(self, percent: float) -> float:
        """The duration that this share of all stays at or below, in microseconds; 0 for an empty one."""
        total = self.total
        if total == 0:
            return 0.0
        rank = max(1, int(np.ceil(total * percent / 100)))
        bucket = int(np.searchsorted(np.cumsum(self.counts), rank))
        return min((bucket_start_ns(bucket) + bucket_start_ns(bucket + 1)) / 2, self.max_ns) / 1000

    def summary_us(self) -> dict[str, float]:
        """Percentiles and the greatest value, in microseconds."""
        values = {name: round(self.percentile_us(percent), 1) for name, percent in PERCENTILES.items()}
        return values | {"max": round(self.max_ns / 1000, 1)}


def bucket_start_ns(bucket: int) -> int:
    """The least duration that falls into a bucket (ns): linear within an octave, see ``ring.bucket``."""
    if bucket < BUCKETS_PER_OCTAVE:
        return bucket
    octave, within = divmod(bucket, BUCKETS_PER_OCTAVE)
    return (BUCKETS_PER_OCTAVE + within) << (octave - 1)


def first_bucket(least_ns: int) -> int:
    """The first bucket that holds nothing below least_ns."""
    return next(bucket for bucket in range(BUCKETS) if bucket_start_ns(bucket) >= least_ns)


assert 1 << BUCKET_BITS == BUCKETS_PER_OCTAVE  # noqa: S101  (two names of one constant, checked when imported)
