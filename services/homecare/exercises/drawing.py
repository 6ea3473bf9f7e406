"""The drawings of exercises and rules, from poses: two panels, before and after.

``python -m services.homecare.exercises.drawing`` writes them anew. Colours: ``currentColor`` and one accent,
as attributes, so that they stand in a page of any brightness and under a policy without styles. The page
around a drawing names it (``role="img"`` with a label): the drawing itself is silent.
"""

import tomllib
from abc import abstractmethod
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.homecare.exercises.figure import Pose, View, built
from services.homecare.exercises.shapes import (
    TONES,
    Frame,
    Point,
    arrow,
    circle,
    fill,
    number,
    pair,
    stroke,
)

HERE: Final = Path(__file__).parent
PANEL_WIDTH, HEIGHT, GAP, GROUND = 234.0, 250.0, 12.0, 226.0
LETTERS: Final = 'font-size="19" font-weight="700" font-family="sans-serif" fill="currentColor"'
WRONG, RIGHT = "#d32f2f", "#2e8b57"

Tone = Literal["soft", "mid", "full"]


class _Prop(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    front: bool = False  # before the figure
    tone: Tone = "full"

    @abstractmethod
    def drawn(self, frame: Frame) -> str:
        """As SVG."""


class Line(_Prop):
    """A bar, a board, a strap: through points."""

    kind: Literal["line"]
    through: tuple[Point, ...] = Field(min_length=2)
    width: float = 3
    accent: bool = False

    def drawn(self, frame: Frame) -> str:
        """As SVG."""
        data = "M" + "L".join(pair(frame.at(point)) for point in self.through)
        return stroke(data, self.width * frame.zoom, accent=self.accent)


class Box(_Prop):
    """A pillow, a bed, a load: an upright rectangle with round corners, by its lower left corner."""

    kind: Literal["box"]
    at: Point
    size: Point
    round: float = 3
    tone: Tone = "mid"

    def drawn(self, frame: Frame) -> str:
        """As SVG."""
        x, y = frame.at((self.at[0], self.at[1] + self.size[1]))
        width, height, corner = (value * frame.zoom for value in (*self.size, self.round))
        data = (
            f"M{pair((x + corner, y))}h{number(width - 2 * corner)}q{number(corner)} 0 {number(corner)}"
            f" {number(corner)}v{number(height - 2 * corner)}"
            f"q0 {number(corner)} {number(-corner)} {number(corner)}"
            f"h{number(2 * corner - width)}q{number(-corner)} 0 {number(-corner)} {number(-corner)}"
            f"v{number(2 * corner - height)}q0 {number(-corner)} {number(corner)} {number(-corner)}Z"
        )
        return fill(data)


class Disc(_Prop):
    """A bar seen along its length, a pulley, a float."""

    kind: Literal["disc"]
    at: Point
    radius: float

    def drawn(self, frame: Frame) -> str:
        """As SVG."""
        return fill(circle(frame.at(self.at), self.radius * frame.zoom))


class Wave(_Prop):
    """The face of the water, and the water below."""

    kind: Literal["wave"]
    y: float
    from_x: float
    to_x: float
    depth: float

    def drawn(self, frame: Frame) -> str:
        """As SVG."""
        left, top = frame.at((self.from_x, self.y))
        right, bottom = frame.at((self.to_x, self.y - self.depth))
        count = max(2, round((right - left) / 24))
        step = (right - left) / count
        crests = "".join(
            f"q{number(step / 4)} -5 {number(step / 2)} 0t{number(step / 2)} 0" for _ in range(count)
        )
        face = f"M{pair((left, top))}{crests}"
        return fill(f"{face}V{number(bottom)}H{number(left)}Z", "soft") + stroke(face, 2.5, "mid")


class Arrow(_Prop):
    """Where something moves or presses."""

    kind: Literal["arrow"]
    way: tuple[Point, Point]
    bulge: float = 0
    width: float = 5
    front: bool = True

    def drawn(self, frame: Frame) -> str:
        """As SVG."""
        return arrow(frame.at(self.way[0]), frame.at(self.way[1]), self.bulge, self.width)


class Label(_Prop):
    """A measure: figures and units are the same in every language."""

    kind: Literal["label"]
    at: Point
    text: str = Field(pattern=r"^[0-9]{1,3}( cm|°)$")

    def drawn(self, frame: Frame) -> str:
        """As SVG."""
        x, y = frame.at(self.at)
        return f'<text x="{number(x)}" y="{number(y)}" text-anchor="middle" {LETTERS}>{self.text}</text>'


Prop = Annotated[Line | Box | Disc | Wave | Arrow | Label, Field(discriminator="kind")]


class Panel(BaseModel):
    """One picture: the figure and what only here is to be seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pose: Pose
    props: tuple[Prop, ...] = ()
    accent: tuple[str, ...] = ()
    hold_s: int | None = Field(None, ge=0)  # a clock; 0: without a number
    mark: Literal["yes", "no"] | None = None


class Drawing(BaseModel):
    """Two panels and what stands in both."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    view: View = "side"
    zoom: float = 1.2
    shift: Point = (0, 0)  # of what is drawn, in the panel's units
    floor: bool = True
    sides: bool = False  # it is done on one side, then on the other
    props: tuple[Prop, ...] = ()
    start: Panel
    end: Panel


@cache
def drawings() -> dict[str, Drawing]:
    """Every drawing by its id."""
    table = tomllib.loads((HERE / "poses.toml").read_text("utf-8"))
    return {name: Drawing.model_validate(_inherited(row)) for name, row in table.items()}


def _inherited(row: dict[str, dict[str, dict[str, object]]]) -> dict[str, dict[str, dict[str, object]]]:
    """The end's pose is the start's but for what it says."""
    return row | {"end": row["end"] | {"pose": row["start"]["pose"] | row["end"].get("pose", {})}}


def rendered(name: str) -> str:
    """A drawing as SVG."""
    drawing = drawings()[name]
    width = 2 * PANEL_WIDTH + GAP
    panels = (
        _panel(drawing, panel, index, f"{name}-{index + 1}")
        for index, panel in enumerate((drawing.start, drawing.end))
    )
    window = f"0 0 {number(width)} {number(HEIGHT)}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{window}" aria-hidden="true">'
    return "\n".join([head, *panels, "</svg>", ""])


def framed(drawing: Drawing, index: int) -> Frame:
    """Where the units of the first or the second panel lie."""
    left = index * (PANEL_WIDTH + GAP)
    return Frame(
        left + PANEL_WIDTH / 2 + drawing.shift[0] * drawing.zoom,
        GROUND - drawing.shift[1] * drawing.zoom,
        drawing.zoom,
    )


def _panel(drawing: Drawing, panel: Panel, index: int, name: str) -> str:
    left, frame = index * (PANEL_WIDTH + GAP), framed(drawing, index)
    card = f'<rect x="{number(left)}" width="{number(PANEL_WIDTH)}" height="{number(HEIGHT)}" rx="14"'
    props = (*drawing.props, *panel.props)
    parts = [
        f'<clipPath id="{name}-card">{card}/></clipPath>',
        f'{card} fill="currentColor" opacity="0.06"/>',
        f'<g clip-path="url(#{name}-card)">',
        *_behind(frame, [prop for prop in props if not prop.front], left if drawing.floor else None),
        built(panel.pose, drawing.view).drawn(frame, panel.accent, name),
        *(prop.drawn(frame) for prop in props if prop.front),
        _badge(panel.mark, index, left),
        *([_sides(left + PANEL_WIDTH - 14)] if drawing.sides and index == 0 else []),
        *([] if panel.hold_s is None else [_clock(panel.hold_s, left + PANEL_WIDTH - 24)]),
        "</g>",
    ]
    return "\n".join(parts)


def _behind(frame: Frame, props: Sequence[_Prop], floor_from: float | None) -> list[str]:
    """What stands behind the figure, by tones: where two things of one tone meet they are no darker."""
    groups = []
    for tone, opacity in TONES.items():
        inside = [prop.drawn(frame) for prop in props if prop.tone == tone]
        if tone == "mid" and floor_from is not None:
            y = frame.at((0, 0))[1] + 1.5
            inside.append(stroke(f"M{pair((floor_from + 10, y))}H{number(floor_from + PANEL_WIDTH - 10)}", 3))
        if inside:
            groups.append(f'<g opacity="{opacity}">{"".join(inside)}</g>')
    return groups


def _badge(mark: str | None, index: int, left: float) -> str:
    """First and second as dots to count; right and wrong as tick and cross."""
    x, y = left + 22, 24.0
    if mark is None:
        return "".join(fill(circle((x + 13 * dot, y), 4.5), "mid") for dot in range(index + 1))
    colour = RIGHT if mark == "yes" else WRONG
    sign = (
        f"M{pair((x - 6, y))}l5 6 9 -12" if mark == "yes" else f"M{pair((x - 6, y - 6))}l12 12m0 -12l-12 12"
    )
    return (
        f'<path fill="{colour}" d="{circle((x, y), 14)}"/>'
        f'<path fill="none" stroke="#fff" stroke-width="4" stroke-linecap="round" d="{sign}"/>'
    )


def _sides(x: float) -> str:
    """One side, then the other: two arrows, there and back."""
    there = f"M{pair((x - 32, 18))}h32l-7 -6m7 6l-7 6"
    return stroke(f"{there}M{pair((x, 32))}h-32l7 -6m-7 6l7 6", 3)


def _clock(seconds: int, x: float) -> str:
    """Hold: a clock, with how many seconds where it is always as many."""
    y = 24.0
    face = stroke(circle((x, y), 12), 3) + stroke(
        f"M{pair((x, y - 7))}V{number(y)}L{pair((x + 5, y + 3))}", 2.6
    )
    if not seconds:
        return face
    return (
        f'{face}<text x="{number(x - 18)}" y="{number(y + 7)}" text-anchor="end" {LETTERS}>{seconds} s</text>'
    )


def write(folder: Path = HERE / "drawings") -> list[str]:
    """Every drawing into a folder; their ids."""
    folder.mkdir(exist_ok=True)
    for name in drawings():
        (folder / f"{name}.svg").write_text(rendered(name), "utf-8")
    return list(drawings())


if __name__ == "__main__":
    write()
