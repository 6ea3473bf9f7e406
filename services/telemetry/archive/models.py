"""What the archive speaks of: runs of consecutive samples in exact integers."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from services.telemetry.errors import Corrupt

Counts = npt.NDArray[Any]  # int32 where all fit, else int64
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Times = tuple[tuple[int, int], ...]  # (seq, microseconds since 1970-01-01T00:00Z)

VALUES: Final = ("tension_n", "target_n", "position_mm", "residual_n")
PHASE: Final = "phase"
# A column of bits, one of VALUES each in their order: which values of a sample nobody measured. The order is
# on disk, too. A run that was measured throughout does without.
UNMEASURED: Final = "unmeasured"
BIT: Final = {name: 1 << number for number, name in enumerate(VALUES)}
# The order is on disk: a new phase is appended here, whatever its place in the contract.
PHASES: Final = (
    "idle", "ready", "slack", "precondition", "ramp", "hold", "release", "rest",
    "guarded", "rebuild", "cooldown", "done", "paused", "stopped", "fault",
)  # fmt: skip
BITS: Final = -1  # decimals of a column that is not exact in 3: its counts are the floats' own 64 bits
_INT32: Final = np.iinfo(np.int32)
TIME_TOLERANCE_US: Final = 500  # how far a sample's time may be from what was published


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive samples of one device and boot, one int32 or int64 a column and sample.

    ``times`` are anchors in order of seq, the first at or before ``first``: a sample's time is that of the
    last anchor at or before it and ``period_ms`` for each sample since. ``note`` is JSON lines, see runs.py.
    """

    first: int
    period_ms: float
    times: Times
    columns: Mapping[str, Counts]
    decimals: Mapping[str, int] = field(default_factory=dict)  # 0 where not given
    note: bytes = b""

    @property
    def count(self) -> int:
        """How many samples."""
        return len(next(iter(self.columns.values())))

    @property
    def after(self) -> int:
        """The seq of the sample behind the last one."""
        return self.first + self.count

    def values(self, name: str) -> Floats:
        """A column as the very floats that were published (an integer column as floats)."""
        return as_floats(self.columns[name], self.decimals.get(name, 0))

    @property
    def bits(self) -> Counts:
        """What of each sample nobody measured, also where that is nothing."""
        bits = self.columns.get(UNMEASURED)
        return np.zeros(self.count, np.int32) if bits is None else bits

    def unmeasured(self, name: str) -> Mask | None:
        """Which samples of a column nobody measured; None when there is none."""
        bits = self.columns.get(UNMEASURED)
        if bits is None:
            return None
        mask: Mask = (bits & BIT[name]) != 0
        return mask if mask.any() else None

    def measured(self, name: str) -> Floats:
        """As ``values``, nan where nobody measured."""
        values, mask = self.values(name), self.unmeasured(name)
        return values if mask is None else np.where(mask, np.nan, values)

    def started_at_us(self, seq: int) -> int:
        """When a sample was taken, microseconds since 1970-01-01T00:00Z, right to 0.5 ms."""
        place = max(0, bisect_right(self.times, seq, key=lambda anchor: anchor[0]) - 1)
        anchor_seq, anchor_us = self.times[place]
        return anchor_us + round((seq - anchor_seq) * self.period_ms * 1000)

    @property
    def ended_at_us(self) -> int:
        """When the last sample was over."""
        return self.started_at_us(self.after - 1) + round(self.period_ms * 1000)

    def slice(self, first: int, after: int) -> "Run":
        """The samples ``first`` .. ``after - 1`` of it, at least one; views, nothing is copied.

        Of the note, the lines of all chunks that reach into it.
        """
        begin, end = max(first, self.first), min(after, self.after)
        if begin >= end:
            raise ValueError(f"samples {first} to {after} do not touch {self.first} to {self.after}")
        if (begin, end) == (self.first, self.after):
            return self
        rows = slice(begin - self.first, end - self.first)
        inside = tuple(anchor for anchor in self.times if begin < anchor[0] < end)
        return Run(
            begin,
            self.period_ms,
            ((begin, self.started_at_us(begin)), *inside),
            {name: column[rows] for name, column in self.columns.items()},
            self.decimals,
            _note_between(self.note, begin, end),
        )


class Head(msgspec.Struct, frozen=True):
    """What every line of a note says of its chunk."""

    seq: int
    count: int


def heads(note: bytes) -> list[tuple[Head, bytes]]:
    """The lines of a note, each with where its chunk lies."""
    decoder = msgspec.json.Decoder(Head)
    try:
        return [(decoder.decode(line), line) for line in note.split(b"\n") if line]
    except msgspec.MsgspecError as error:
        raise Corrupt(f"a note is no JSON lines of chunks: {error}") from None


def _note_between(note: bytes, first: int, after: int) -> bytes:
    if not note:
        return note
    return b"\n".join(
        line for head, line in heads(note) if head.seq < after and head.seq + head.count > first
    )


def as_floats(counts: Counts, decimals: int) -> Floats:
    """Counts of 10**-decimals (or the floats' own bits) as floats: the nearest to the decimal number."""
    if decimals == BITS:
        return counts.view(np.float64)
    return counts / float(10**decimals)


def narrowed(counts: Counts) -> Counts:
    """The same integers in 32 bits when all fit, else in 64."""
    if counts.dtype == np.int32:
        return counts
    if np.minimum.reduce(counts) >= _INT32.min and np.maximum.reduce(counts) <= _INT32.max:
        return counts.astype(np.int32)
    return counts.astype(np.int64, copy=False)


def join(runs: Sequence[Run]) -> list[Run]:
    """Runs in order of seq, joined where they touch; a sample that is in two of them is taken once."""
    groups: list[list[Run]] = []
    reached = -1
    for run in sorted(runs, key=lambda run: (run.first, -run.count)):
        if run.after <= reached:
            continue
        part = run.slice(max(run.first, reached), run.after)
        if groups and part.first == reached and _alike(groups[-1][-1], part):
            groups[-1].append(part)
        else:
            groups.append([part])
        reached = run.after
    return [_joined(group) for group in groups]


def _alike(one: Run, other: Run) -> bool:
    return (
        one.period_ms == other.period_ms
        and one.columns.keys() - {UNMEASURED} == other.columns.keys() - {UNMEASURED}
        and _decimals(one) == _decimals(other)
    )


def _decimals(run: Run) -> dict[str, int]:
    return {name: decimals for name, decimals in run.decimals.items() if name != UNMEASURED}


def _joined(group: Sequence[Run]) -> Run:
    head = group[0]
    if len(group) == 1:
        return head
    lines: dict[bytes, Any] = {}
    for run in group:
        lines.update(dict.fromkeys(line for line in run.note.split(b"\n") if line))
    columns = {
        name: np.concatenate([run.columns[name] for run in group])
        for name in head.columns
        if name != UNMEASURED
    }
    if any(UNMEASURED in run.columns for run in group):
        columns[UNMEASURED] = np.concatenate([run.bits for run in group])
    return Run(
        head.first,
        head.period_ms,
        thin_times([anchor for run in group for anchor in run.times], head.period_ms, tolerance_us=1),
        columns,
        head.decimals,
        b"\n".join(lines),
    )


def thin_times(
    published: Sequence[tuple[int, int]] | Counts, period_ms: float, *, tolerance_us: int = TIME_TOLERANCE_US
) -> Times:
    """The anchors that are needed so that none of these times is off by more than the tolerance."""
    seqs, times = np.array(published, dtype=np.int64).T
    offsets = times - np.rint((seqs - seqs[0]) * (period_ms * 1000)).astype(np.int64)
    kept, at = [], 0
    while at < len(offsets):
        kept.append((int(seqs[at]), int(times[at])))
        off = np.abs(offsets[at:] - offsets[at]) > tolerance_us
        step = int(off.argmax())
        if not off[step]:
            break
        at += step
    return tuple(kept)
