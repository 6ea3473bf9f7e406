"""A part of a session's curve: telemetry's buckets as columns, with every least and greatest value kept."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from services.console.archive import Archive
from services.console.models import PHASE_INDEX
from services.console.sessions.models import Json, Session
from services.kit.auth.principal import Principal

WHOLE_POINTS: Final = 700
LEAST_POINTS: Final = 10  # telemetry's own limits are wider
MOST_POINTS: Final = 4000
COLUMNS: Final = ("seq", "least", "greatest", "target", "counter")
Cell = float | None


@dataclass(frozen=True, slots=True)
class Curve:
    """Rows of ``COLUMNS`` in order of seq, each a bucket of ``stride`` samples; a row of None is a gap.

    ``phases`` are (first seq, seq behind, index into words.PHASES), ``unmeasured`` (first seq, seq behind) of
    buckets in which the tension of some samples was not measured: it has no part in their least and greatest.
    """

    period_s: float = 0.02
    stride: int = 1
    rows: list[tuple[Cell, ...]] = field(default_factory=list)
    phases: list[tuple[int, int, int]] = field(default_factory=list)
    unmeasured: list[tuple[int, int]] = field(default_factory=list)
    after: int = 0  # the seq behind the last sample
    missing: int = 0

    @classmethod
    def of(cls, window: Json) -> "Curve":
        """From a thinned window of telemetry."""
        segments = window["segments"]
        if not segments:
            return cls(missing=window["missing"])
        rows: list[tuple[Cell, ...]] = []
        for segment in segments:
            if rows:
                rows.append((segment["seq"] - 0.5, None, None, None, None))
            rows.extend(_rows(segment))
        last = segments[-1]
        phases = [part for segment in segments for part in _phases(segment)]
        unmeasured = [part for segment in segments for part in _unmeasured(segment)]
        after = last["seq"] + last["count"]
        return cls(
            last["period_ms"] / 1000, last["stride"], rows, phases, unmeasured, after, window["missing"]
        )

    def columns(self) -> dict[str, list[Cell]]:
        """For a chart."""
        turned: Iterable[Iterable[Cell]] = zip(*self.rows, strict=True) if self.rows else [[]] * len(COLUMNS)
        return {name: list(column) for name, column in zip(COLUMNS, turned, strict=True)}

    def as_json(self) -> Json:
        """What a page's script gets."""
        return {
            "period_s": self.period_s,
            "stride": self.stride,
            "after": self.after,
            "missing": self.missing,
            "phases": self.phases,
            "unmeasured": self.unmeasured,
            **self.columns(),
        }


@dataclass(frozen=True, slots=True)
class SessionCurve:
    """A session and its curve."""

    session: Session
    curve: Curve = field(default_factory=Curve)

    @property
    def first(self) -> int:
        """The seq of the first sample: time zero of the curve."""
        return self.session.first_seq or 0

    @property
    def total_s(self) -> float:
        """How long the curve is."""
        return max(0.0, (self.curve.after - self.first) * self.curve.period_s)

    @property
    def unmeasured_s(self) -> list[tuple[float, float]]:
        """From and to, in seconds since the start, of what was not measured."""
        period_s = self.curve.period_s
        return [
            ((begin - self.first) * period_s, (after - self.first) * period_s)
            for begin, after in self.curve.unmeasured
        ]

    def beginning(self) -> Json:
        """What a page's script begins with; it asks for every other part of the curve itself."""
        return {
            "address": f"/api{self.session.path}/curve",
            "first": self.first,
            "total_s": self.total_s,
            "curve": self.curve.as_json(),
        }


async def window(
    archive: Archive,
    caller: Principal,
    session: UUID,
    *,
    points: int = WHOLE_POINTS,
    first: int | None = None,
    after: int | None = None,
) -> Curve:
    """The session's curve, whole or from a seq to before another."""
    query: dict[str, Any] = {"points": points, "from": first, "to": after}
    return Curve.of(await archive.ask(caller, f"/sessions/{session}/window", query))


def _seqs(segment: Json) -> list[int]:
    """Of each bucket's first sample: the first and last may be shorter, the others are aligned."""
    first, stride = segment["seq"], segment["stride"]
    return [first, *range((first // stride + 1) * stride, first + segment["count"], stride)]


def _rows(segment: Json) -> Iterable[tuple[Cell, ...]]:
    return zip(
        _seqs(segment),
        segment["tension_n"]["min"],
        segment["tension_n"]["max"],
        segment["target_n"]["max"],
        segment["residual_n"]["max"],
        strict=True,
    )


def _phases(segment: Json) -> Iterable[tuple[int, int, int]]:
    for first, after, phase in _stretches(segment, segment["phase"]):
        yield first, after, PHASE_INDEX[phase]


def _unmeasured(segment: Json) -> Iterable[tuple[int, int]]:
    counts = segment.get("unmeasured", {}).get("tension_n", ())
    for first, after, is_lacking in _stretches(segment, [count > 0 for count in counts]):
        if is_lacking:
            yield first, after


def _stretches(segment: Json, values: Sequence[Any]) -> Iterable[tuple[int, int, Any]]:
    """(first seq, seq behind, value) of every stretch of one value, of one a bucket; nothing of none."""
    marked = zip(_seqs(segment) if values else (), values, strict=True)
    runs = [(value, next(group)[0]) for value, group in groupby(marked, key=lambda row: row[1])]
    ends = [seq for _, seq in runs[1:]] + [segment["seq"] + segment["count"]]
    for (value, first), after in zip(runs, ends, strict=bool(runs)):
        yield first, after, value
