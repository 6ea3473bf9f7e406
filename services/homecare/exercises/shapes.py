"""SVG shapes in a panel: rounded limbs, lines, arrows; rounded, so that drawing again gives the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import acos, atan2, cos, hypot, pi, sin
from typing import Final

Point = tuple[float, float]
Limb = tuple[Point, Point, float, float]  # from, to, and the radius at either end

ACCENT: Final = "#d9601a"
TONES: Final = {"soft": 0.16, "mid": 0.45, "full": 1.0}


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a panel's own units, y upward, lie in the drawing."""

    left: float  # of x = 0
    ground: float  # of y = 0
    zoom: float

    def at(self, point: Point) -> Point:
        """A point in the drawing."""
        return self.left + self.zoom * point[0], self.ground - self.zoom * point[1]

    def limb(self, limb: Limb) -> str:
        """A limb's outline as path data."""
        start, end, first, last = limb
        return tapered(self.at(start), self.at(end), first * self.zoom, last * self.zoom)

    def limbs(self, limbs: Sequence[Limb]) -> str:
        """The outline of several, as one shape."""
        return "".join(self.limb(limb) for limb in limbs)


def number(value: float) -> str:
    """A coordinate with one decimal, and none where it is whole."""
    text = f"{value:.1f}"
    return "0" if text == "-0.0" else text.removesuffix(".0")


def pair(point: Point) -> str:
    """A point as path data."""
    return f"{number(point[0])} {number(point[1])}"


def along(point: Point, degrees: float, length: float) -> Point:
    """The point so far away in a direction: 0 to the right, 90 upward."""
    return point[0] + length * cos(degrees * pi / 180), point[1] + length * sin(degrees * pi / 180)


def circle(centre: Point, radius: float) -> str:
    """A circle as path data, wound like a limb."""
    x, y = centre
    arc = f"A{number(radius)} {number(radius)} 0 0 0 "
    return f"M{pair((x + radius, y))}{arc}{pair((x - radius, y))}{arc}{pair((x + radius, y))}Z"


def tapered(start: Point, end: Point, first: float, last: float) -> str:
    """The hull of two circles as path data."""
    distance = hypot(end[0] - start[0], end[1] - start[1])
    if distance <= abs(first - last) + 0.01:
        return circle(start, first) if first > last else circle(end, last)
    towards = atan2(end[1] - start[1], end[0] - start[0])
    tangent = acos((first - last) / distance)

    def on(centre: Point, radius: float, angle: float) -> str:
        return pair((centre[0] + radius * cos(angle), centre[1] + radius * sin(angle)))

    return (
        f"M{on(start, first, towards + tangent)}L{on(end, last, towards + tangent)}"
        f"A{number(last)} {number(last)} 0 {int(tangent > pi / 2)} 0 {on(end, last, towards - tangent)}"
        f"L{on(start, first, towards - tangent)}"
        f"A{number(first)} {number(first)} 0 {int(tangent < pi / 2)} 0 {on(start, first, towards + tangent)}Z"
    )


def fill(data: str, tone: str = "full", *, accent: bool = False) -> str:
    """A filled shape in the text's colour, or in the accent's."""
    colour = f'class="accent" fill="{ACCENT}"' if accent else 'fill="currentColor"'
    pale = "" if tone == "full" else f' opacity="{TONES[tone]}"'
    return f'<path {colour}{pale} d="{data}"/>'


def stroke(data: str, width: float, tone: str = "full", *, accent: bool = False) -> str:
    """A line in the text's colour, or in the accent's."""
    colour = f'class="accent" stroke="{ACCENT}"' if accent else 'stroke="currentColor"'
    pale = "" if tone == "full" else f' opacity="{TONES[tone]}"'
    return (
        f'<path fill="none" {colour}{pale} stroke-width="{number(width)}"'
        f' stroke-linecap="round" stroke-linejoin="round" d="{data}"/>'
    )


def arrow(start: Point, end: Point, bulge: float, width: float = 5) -> str:
    """A motion arrow in the accent's colour; ``bulge`` pushes its middle to the left of its way."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = hypot(dx, dy) or 1
    middle = ((start[0] + end[0]) / 2 + dy / length * bulge, (start[1] + end[1]) / 2 - dx / length * bulge)
    way = atan2(end[1] - middle[1], end[0] - middle[0])
    head = 2.6 * width
    neck = (end[0] - head * 0.8 * cos(way), end[1] - head * 0.8 * sin(way))
    wings = [(end[0] - head * cos(way + turn), end[1] - head * sin(way + turn)) for turn in (0.55, -0.55)]
    line = stroke(f"M{pair(start)}Q{pair(middle)} {pair(neck)}", width, accent=True)
    return line + fill(f"M{pair(end)}L{pair(wings[0])}L{pair(wings[1])}Z", accent=True)
