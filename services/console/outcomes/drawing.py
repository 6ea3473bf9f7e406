"""The course of a cure as SVG, made on the server: pain by session, questionnaire and leg raise by day.

Each is drawn twice, as wide as a desk and as narrow as a phone, so that words stay as large as they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.kit import formats
from services.kit.language import Language

WIDTHS: Final = (880, 440)
HEIGHT: Final = 220
LEFT: Final = 44.0
RIGHT: Final = 16.0
TOP: Final = 16.0
BOTTOM: Final = 34.0
MOST_WORDS: Final = {880: 20, 440: 8}  # below the axis, before they run into each other
WINDOW: Final = (6, 8)  # sessions between which improvement is usually expected


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its trace (colour), and a value or none at each place."""

    trace: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Plot:
    """Lines over the same places, from ``least`` to ``most``; ``limit`` is where a change matters."""

    width: int
    least: float
    most: float
    step: float
    words: Sequence[str]
    series: Sequence[Series]
    limit: float | None = None
    window: tuple[int, int] | None = None  # places between which something is expected

    def x(self, place: float) -> float:
        """From the left; a single place stands in the middle."""
        room = self.width - LEFT - RIGHT
        count = len(self.words)
        return round(LEFT + room * ((place + 0.5) / max(count, 1)), 1)

    def y(self, value: float) -> float:
        """From the top."""
        room = HEIGHT - TOP - BOTTOM
        return round(TOP + room * (self.most - value) / (self.most - self.least), 1)

    @property
    def height(self) -> int:
        """Of the drawing."""
        return HEIGHT

    @property
    def right(self) -> float:
        """Where the drawing's room ends."""
        return self.width - RIGHT

    @property
    def grid(self) -> list[tuple[float, str]]:
        """Places and values of the scale's lines."""
        count = round((self.most - self.least) / self.step)
        return [
            (self.y(value), f"{value:g}") for value in (self.least + self.step * n for n in range(count + 1))
        ]

    @property
    def labels(self) -> list[tuple[float, str]]:
        """Places and words below the axis, as many as there is room for."""
        every = -(-len(self.words) // MOST_WORDS[self.width]) or 1
        return [(self.x(place), word) for place, word in enumerate(self.words) if place % every == 0]

    def points(self, series: Series) -> list[tuple[float, float, float]]:
        """Where each value stands, and the value."""
        return [
            (self.x(place), self.y(value), value)
            for place, value in enumerate(series.values)
            if value is not None
        ]

    def line(self, series: Series) -> str:
        """The same as the points of a polyline."""
        return " ".join(f"{x},{y}" for x, y, _value in self.points(series))

    @property
    def band(self) -> tuple[float, float] | None:
        """From and width of the expected window."""
        if self.window is None:
            return None
        first, last = self.window
        inside = [
            place for place, word in enumerate(self.words) if word.isdigit() and first <= int(word) <= last
        ]
        if not inside:
            return None
        left, right = self.x(inside[0] - 0.5), self.x(inside[-1] + 0.5)
        return left, round(right - left, 1)


def _both(make: Callable[[int], Plot]) -> list[Plot]:
    return [make(width) for width in WIDTHS]


def pain(course: dict[str, Any], scale: dict[str, Any]) -> list[Plot]:
    """Pain before and after each session."""
    rows = course["pain"]
    if not rows:
        return []
    before = [row["before"] for row in rows]
    change = course["pain_change"]
    limit = change["first"] - change["matters"] if change else None
    words = [str(row["number"]) if row["number"] else "·" for row in rows]
    lines = (Series("pain-before", before), Series("pain-after", [row["after"] for row in rows]))
    return _both(
        lambda width: Plot(width, scale["least"], scale["most"], 2.0, words, lines, _above(limit), WINDOW)
    )


def scores(course: dict[str, Any], language: Language) -> list[Plot]:
    """The questionnaire in per cent."""
    rows = course["scores"]
    if not rows:
        return []
    change = course["score_change"]
    limit = change["first"] - change["matters"] if change else None
    words = [_day(row["at"], language) for row in rows]
    lines = (Series("tension", [row["score"] for row in rows]),)
    return _both(lambda width: Plot(width, 0.0, 100.0, 20.0, words, lines, _above(limit)))


def leg_raises(course: dict[str, Any], language: Language) -> list[Plot]:
    """Both sides in degrees."""
    rows = course["leg_raises"]
    if not rows:
        return []
    words = [_day(row["at"], language) for row in rows]
    lines = (
        Series("left", [row["left_deg"] for row in rows]),
        Series("right", [row["right_deg"] for row in rows]),
    )
    return _both(lambda width: Plot(width, 0.0, 120.0, 30.0, words, lines))


def _above(limit: float | None) -> float | None:
    """A limit below zero cannot be reached, and is not drawn."""
    return None if limit is None or limit < 0 else limit


def _day(at: datetime, language: Language) -> str:
    shown = formats.day(at, language)
    return shown[:6] if language == "de" else shown.rpartition(" ")[0]
