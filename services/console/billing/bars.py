"""Money as bars in SVG, made on the server: columns beside each other, with their amounts.

Each plot is drawn twice, as wide as a desk and as narrow as a phone, so that words stay as large as they are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil, floor, log10
from typing import Final

from services.kit import formats
from services.kit.language import Language

WIDTHS: Final = (880, 440)
HEIGHT: Final = 260
SIDE: Final = 12.0
SCALE: Final = 70.0  # room for the scale, where amounts have none above their bars
TOP: Final = 26.0  # room for the amounts
BOTTOM: Final = 44.0  # room for what a group is called, and how many
FILLED: Final = 0.72  # of a group's room
WIDEST: Final = 96.0  # a bar
ROOM_OF_AMOUNT: Final = {880: 74.0, 440: 80.0}  # of one amount above its bar
ROOM_OF_NAME: Final = {880: 66.0, 440: 62.0}
EXACT_BELOW: Final = 10_000  # euro: an amount that is larger is said in whole euro
STEPS: Final = (1, 2, 5, 10)


@dataclass(frozen=True, slots=True)
class Group:
    """What stands at one place: its name, a second line, and an amount for each colour."""

    name: str
    below: str
    amounts: Sequence[Decimal]
    tones: Sequence[str]


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle."""

    x: float
    y: float
    width: float
    height: float
    tone: str
    said: str  # the amount in full
    label: str  # the same above it, empty where there is no room

    @property
    def middle(self) -> float:
        """From the left."""
        return round(self.x + self.width / 2, 1)


@dataclass(frozen=True, slots=True)
class Plot:
    """Groups over a common floor; amounts below zero hang from it."""

    width: int
    groups: Sequence[Group]
    language: Language

    @property
    def height(self) -> int:
        """Of the drawing."""
        return HEIGHT

    @property
    def has_amounts(self) -> bool:
        """Whether each bar has its amount above it; else there is a scale at the left."""
        most = max((len(group.amounts) for group in self.groups), default=1)
        room = (self.width - 2 * SIDE) / max(len(self.groups), 1)
        return room / max(most, 1) >= ROOM_OF_AMOUNT[self.width]

    @property
    def left(self) -> float:
        """Where its room begins."""
        return SIDE if self.has_amounts else SCALE

    @property
    def right(self) -> float:
        """Where its room ends."""
        return self.width - SIDE

    @property
    def grid(self) -> list[tuple[float, str]]:
        """Lines of round amounts, the floor among them."""
        least, most, step = self._scale()
        count = round((most - least) / step)
        return [
            (self.y(least + step * place), _short(Decimal(least + step * place), self.language))
            for place in range(count + 1)
        ]

    @property
    def floor(self) -> float:
        """Where nothing stands."""
        return self.y(0)

    def y(self, amount: float) -> float:
        """From the top."""
        least, most, _step = self._scale()
        room = HEIGHT - TOP - BOTTOM
        return round(TOP + room * (most - amount) / (most - least), 1)

    @property
    def bars(self) -> list[Bar]:
        """Every rectangle."""
        return [bar for place, group in enumerate(self.groups) for bar in self._of(place, group)]

    @property
    def names(self) -> list[tuple[float, str, str]]:
        """Places, names and second lines below the floor, as many as there is room for."""
        every = ceil(ROOM_OF_NAME[self.width] / self._room)
        return [
            (round(self._middle(place), 1), group.name, group.below)
            for place, group in enumerate(self.groups)
            if place % every == 0
        ]

    @property
    def _room(self) -> float:
        return (self.right - self.left) / max(len(self.groups), 1)

    def _middle(self, place: int) -> float:
        return self.left + self._room * (place + 0.5)

    def _of(self, place: int, group: Group) -> list[Bar]:
        count = max(len(group.amounts), 1)
        width = min(self._room * FILLED / count, WIDEST)
        begin = self._middle(place) - width * count / 2
        return [
            self._bar(begin + width * number, width, amount, tone)
            for number, (amount, tone) in enumerate(zip(group.amounts, group.tones, strict=True))
        ]

    def _bar(self, x: float, width: float, amount: Decimal, tone: str) -> Bar:
        top, bottom = self.y(max(float(amount), 0)), self.y(min(float(amount), 0))
        label = _short(amount, self.language) if self.has_amounts and amount else ""
        gap = min(2.0, width / 8)
        return Bar(
            round(x + gap, 1), top, round(width - 2 * gap, 1), round(bottom - top, 1), tone,
            formats.money(amount, self.language), label,
        )  # fmt: skip

    def _scale(self) -> tuple[float, float, float]:
        """Least, most and step of the scale: round numbers that hold every amount."""
        amounts = [float(amount) for group in self.groups for amount in group.amounts]
        least, most = min(amounts, default=0.0), max(amounts, default=0.0)
        step = _step(max(most, 0) - min(least, 0))
        return step * min(floor(least / step), 0), step * max(ceil(most / step), 1), step


def plots(groups: Sequence[Group], language: Language) -> list[Plot]:
    """The same in every width; none of nothing."""
    if not any(amount for group in groups for amount in group.amounts):
        return []
    return [Plot(width, groups, language) for width in WIDTHS]


def groups_of(
    rows: Sequence[Mapping[str, str]], name: Callable[[Mapping[str, str]], str], columns: Mapping[str, str]
) -> list[Group]:
    """A group a row; ``columns``: the row's amounts, each with its colour."""
    return [
        Group(name(row), "", [Decimal(row[column]) for column in columns], list(columns.values()))
        for row in rows
    ]


def share(amount: Decimal, most: Decimal) -> float:
    """How long a bar of 100 is in a table's row, for an amount beside the largest."""
    return round(float(max(amount, Decimal(0)) / most) * 100, 1) if most > 0 else 0.0


def _step(span: float) -> float:
    """A round number that goes into it about four times."""
    rough = max(span, 1.0) / 4
    power = 10.0 ** floor(log10(rough))
    return next(power * step for step in STEPS if power * step >= rough)


def _short(amount: Decimal, language: Language) -> str:
    """As it has room above a bar."""
    if abs(amount) >= EXACT_BELOW or amount == amount.to_integral_value():
        whole = formats.number(amount, language)
        return f"{whole} €" if language == "de" else f"€{whole}".replace("€-", "-€")
    return formats.money(amount, language)
