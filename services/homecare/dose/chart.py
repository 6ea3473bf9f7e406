"""The pull over the angle as a drawing: one line a friction, the span of what is not known, the chosen angle.

Drawn here, so that the console, the note and the documents show the same; colours are the page's by class.
"""

from typing import Final
from xml.sax.saxutils import escape

from services.homecare.dose.traction import BELOW, BELOW_FROM, BELOW_TO, GRAVITY_M_PER_S2, force_n
from services.kit.language import Language, Text

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 56, 96, 24, 48
STEP_DEG: Final = 1
FRICTIONS: Final = (0.0, 0.3, 0.5)
WORDS: Final[dict[str, Text]] = {
    "angle": {"de": "Winkel der Fläche (Grad)", "en": "angle of the surface (degrees)"},
    "force": {"de": "Zug (N)", "en": "pull (N)"},
    "friction": {"de": "Reibung", "en": "friction"},
    "title": {
        "de": "Zug durch das eigene Gewicht bei {weight} kg: {force} N bei {angle} Grad und Reibung "
        "{friction}, ein Modell, keine Messung",
        "en": "Pull by one's own weight at {weight} kg: {force} N at {angle} degrees and friction "
        "{friction}, a model, not a measurement",
    },
}


def svg(body_weight_kg: float, friction: float, marked_angle_deg: float, language: Language) -> str:
    """The chart. Raises Invalid for what has no formula."""
    found = force_n("board", body_weight_kg, marked_angle_deg, friction)
    top_n = body_weight_kg * GRAVITY_M_PER_S2 * BELOW_TO
    chart = _Chart(body_weight_kg, max(top_n, 1.0))
    title = WORDS["title"][language].format(
        weight=f"{body_weight_kg:g}", force=f"{found.force_n:.0f}", angle=f"{marked_angle_deg:g}",
        friction=f"{friction:g}",
    )  # fmt: skip
    lines = [chart.line(one, friction, language) for one in sorted({*FRICTIONS, friction})]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'class="angle-chart"><title>{escape(title)}</title>{chart.axes(language)}{chart.span(friction)}'
        f"{''.join(lines)}"
        f"{chart.mark(marked_angle_deg, found.force_n)}</svg>"
    )


class _Chart:
    def __init__(self, body_weight_kg: float, top_n: float) -> None:
        self.weight, self.top_n = body_weight_kg, top_n

    def x(self, angle_deg: float) -> float:
        return LEFT + angle_deg / 90 * (WIDTH - LEFT - RIGHT)

    def y(self, force: float) -> float:
        return HEIGHT - BOTTOM - force / self.top_n * (HEIGHT - TOP - BOTTOM)

    def points(self, friction: float, share: float = BELOW) -> list[str]:
        return [
            f"{self.x(angle):.1f},"
            f"{self.y(force_n('board', self.weight, angle, friction).force_n * share / BELOW):.1f}"
            for angle in range(0, 91, STEP_DEG)
        ]

    def line(self, friction: float, chosen: float, language: Language) -> str:
        """A curve and its name: left of it, but the lowest's below it, where nothing is drawn."""
        name = f"{WORDS['friction'][language]} {friction:g}"
        if language == "de":
            name = name.replace(".", ",")
        marked = " chosen" if friction == chosen else ""
        is_lowest = friction == max(*FRICTIONS, chosen)
        at_deg, aside, below, anchor = (54, 8, 16, "start") if is_lowest else (48, -8, -4, "end")
        at = force_n("board", self.weight, at_deg, friction).force_n
        return (
            f'<polyline class="curve{marked}" fill="none" points="{" ".join(self.points(friction))}"/>'
            f'<text class="curve-name{marked}" x="{self.x(at_deg) + aside:.0f}" '
            f'y="{self.y(at) + below:.0f}" text-anchor="{anchor}">{escape(name)}</text>'
        )

    def span(self, friction: float) -> str:
        upper, lower = self.points(friction, BELOW_TO), self.points(friction, BELOW_FROM)
        return f'<polygon class="span" points="{" ".join(upper + lower[::-1])}"/>'

    def mark(self, angle_deg: float, force: float) -> str:
        x, y = self.x(angle_deg), self.y(force)
        side = "end" if angle_deg > 75 else "start"  # noqa: PLR2004  (where the words would leave the picture)
        shift = -10 if side == "end" else 10
        return (
            f'<line class="mark" x1="{x:.1f}" y1="{HEIGHT - BOTTOM}" x2="{x:.1f}" y2="{y:.1f}"/>'
            f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="6"/>'
            f'<text class="mark-name" x="{x + shift:.1f}" y="{y + 22:.1f}" text-anchor="{side}">'
            f"{force:.0f} N</text>"
        )

    def axes(self, language: Language) -> str:
        step = next(one for one in (10, 20, 50, 100, 200, 500) if self.top_n / one <= 6)  # noqa: PLR2004  (lines)
        rows = [
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{self.y(at):.1f}" '
            f'y2="{self.y(at):.1f}"/>'
            f'<text class="tick" x="{LEFT - 8}" y="{self.y(at) + 4:.1f}" text-anchor="end">{at}</text>'
            for at in range(0, int(self.top_n) + 1, step)
        ]
        columns = [
            f'<text class="tick" x="{self.x(angle):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">'
            f"{angle}°</text>"
            for angle in range(0, 91, 15)
        ]
        names = (
            f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">'
            f"{escape(WORDS['angle'][language])}</text>"
            f'<text class="axis" x="{LEFT}" y="{TOP - 8}" text-anchor="start">'
            f"{escape(WORDS['force'][language])}</text>"
        )
        return "".join(rows + columns) + names
