"""Curves as SVG, made on the server: what a page shows before its scripts run, without them, and on paper."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from services.console.sessions.curve import Curve
from services.kit.words import PHASES

WIDTH: Final = 1000.0
HEIGHT: Final = 300.0
LEFT: Final = 56.0  # room for the scale
LANE: Final = 10.0  # the phases' lane, at the bottom
BOTTOM: Final = 30.0  # room for the times
TOP: Final = 14.0
STEPS: Final = (60, 120, 300, 600, 900, 1800, 3600)  # seconds between two times that are written
LEAST_SPAN_N: Final = 100.0
TONES: Final[tuple[str, ...]] = tuple(words.tone for words in PHASES.values())
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scale:
    """Seconds and newtons to places in the drawing."""

    seconds: float
    top_n: float

    def x(self, seconds: float) -> float:
        """From the left."""
        return LEFT + (WIDTH - LEFT) * seconds / max(self.seconds, 1e-9)

    def y(self, newtons: float) -> float:
        """From the top."""
        ground = HEIGHT - BOTTOM - LANE
        return ground - (ground - TOP) * newtons / self.top_n

    @property
    def newtons(self) -> list[tuple[float, int]]:
        """Places and values of the scale's lines."""
        step = 50 if self.top_n <= 300 else 100  # noqa: PLR2004  (five lines or so)
        return [(self.y(value), value) for value in range(0, int(self.top_n) + 1, step)]

    @property
    def minutes(self) -> list[tuple[float, str]]:
        """Places and texts of the times."""
        step = next((step for step in STEPS if self.seconds / step <= 8), STEPS[-1])  # noqa: PLR2004  (words fit)
        return [(self.x(at), str(at // 60)) for at in range(0, int(self.seconds) + 1, step)]


@dataclass(frozen=True, slots=True)
class Drawing:
    """The paths of one curve: the band from least to greatest, three lines, the lane of phases."""

    scale: Scale
    band: str
    tension: str
    target: str
    counter: str
    lane: list[tuple[float, float, str]]  # from, width, tone
    unmeasured: list[tuple[float, float]]  # from, width


def top_of(curves: Iterable[Curve], *limits: float | None) -> float:
    """A round number of newtons above everything that is drawn."""
    greatest = [row[2] for curve in curves for row in curve.rows if row[2] is not None]
    most = max([*greatest, *(limit for limit in limits if limit), LEAST_SPAN_N])
    return math.ceil(most * 1.05 / 50) * 50.0


def drawing(curve: Curve, first: int, scale: Scale) -> Drawing:
    """A curve whose time zero is the sample ``first``."""

    def line(column: int) -> list[list[Point]]:
        found: list[list[Point]] = [[]]
        for row in curve.rows:
            seq, value = row[0], row[column]
            if seq is None or value is None:
                found.append([])
            else:
                found[-1].append((scale.x((seq - first) * curve.period_s), scale.y(value)))
        return [piece for piece in found if piece]

    least, greatest = line(1), line(2)
    places = [
        (scale.x((begin - first) * curve.period_s), scale.x((end - first) * curve.period_s), TONES[phase])
        for begin, end, phase in curve.phases
    ]
    lane = [(left, right - left, tone) for left, right, tone in places]
    unmeasured = [
        (scale.x((begin - first) * curve.period_s), (scale.x(end - begin) - scale.x(0)) * curve.period_s)
        for begin, end in curve.unmeasured
    ]
    bands = [[*up, *reversed(down)] for up, down in zip(greatest, least, strict=True)]
    return Drawing(
        scale, _path(bands, "Z"), _path(greatest), _path(line(3)), _path(line(4)), lane, unmeasured
    )


def _path(pieces: Iterable[Sequence[Point]], end: str = "") -> str:
    return "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in piece) + end for piece in pieces)
