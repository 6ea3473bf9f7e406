"""The pull of a body's own weight on an inclined surface or hanging, and of weights.

    F = W_below * max(0, sin(angle) - friction * cos(angle)) + F_weights

(a body on an incline, Newton). ``W_below`` is the weight below the chosen place of the spine: a share of body
weight that nobody measured at this patient, so the result carries the span of that share.
"""

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

from services.homecare.errors import Invalid, said
from services.homecare.exercises.models import Mechanics
from services.kit.language import Text

GRAVITY_M_PER_S2: Final = 9.80665  # standard gravity, ISO 80000-3
BELOW: Final = 0.45  # of body weight: a convention of this software, unverified, for clinical review
BELOW_FROM: Final = 0.40
BELOW_TO: Final = 0.50
FORMULA: Final = "F = W_below * max(0, sin(angle) - friction * cos(angle)) + F_weights"
SOURCE: Final[Text] = {
    "de": "Körper auf schiefer Ebene (Newton); W_below = 0,45 x Körpergewicht ist eine Annahme dieser "
    "Software, ungeprüft; Reibung aus der Literatur: ungeteilte Liege etwa 0,5, geteilte 0 bis 0,05",
    "en": "Body on an incline (Newton); W_below = 0.45 x body weight is an assumption of this software, "
    "unverified; friction from the literature: un-split table about 0.5, split table 0 to 0.05",
}
Field = Literal["angle_deg", "body_weight_kg", "friction", "weights_n"]
LIMITS: Final[dict[Field, tuple[float, float, Text]]] = {
    "angle_deg": (0, 90, {"de": "0: liegend, 90: hängend", "en": "0: lying, 90: hanging"}),
    "body_weight_kg": (20, 300, {"de": "was eine Waage anzeigt", "en": "what a scale shows"}),
    "friction": (0, 1, {"de": "1: nichts gleitet bis 45°", "en": "1: nothing slides up to 45°"}),
    "weights_n": (0, 500, {"de": "angehängte Gewichte", "en": "weights that are attached"}),
}
NAMES: Final[dict[Field, Text]] = {
    "angle_deg": {"de": "Der Winkel (angle_deg)", "en": "the angle (angle_deg)"},
    "body_weight_kg": {"de": "Das Körpergewicht (body_weight_kg)", "en": "body weight (body_weight_kg)"},
    "friction": {"de": "Die Reibung (friction)", "en": "friction"},
    "weights_n": {"de": "Das Zuggewicht (weights_n)", "en": "the weights (weights_n)"},
}


@dataclass(frozen=True, slots=True)
class Force:
    """A model's answer, never a measurement; newton."""

    mechanics: Mechanics
    angle_deg: float
    body_weight_kg: float
    friction: float
    weights_n: float
    force_n: float
    least_n: float
    most_n: float

    @property
    def share_percent(self) -> float:
        """Of body weight."""
        return 100 * self.force_n / (self.body_weight_kg * GRAVITY_M_PER_S2)

    def body(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "kind": self.mechanics, "angle_deg": self.angle_deg, "body_weight_kg": self.body_weight_kg,
            "friction": self.friction, "weights_n": self.weights_n, "force_n": round(self.force_n, 1),
            "least_n": round(self.least_n, 1), "most_n": round(self.most_n, 1),
            "share_of_body_weight_percent": round(self.share_percent, 1), "formula": FORMULA,
            "below_share": BELOW, "below_share_from": BELOW_FROM, "below_share_to": BELOW_TO,
            "source": SOURCE["en"], "source_de": SOURCE["de"],
        }  # fmt: skip


def force_n(
    mechanics: Mechanics,
    body_weight_kg: float,
    angle_deg: float,
    friction: float = 0.0,
    weights_n: float = 0.0,
) -> Force:
    """The pull at the place that bears the body below it. Raises Invalid beyond LIMITS.

    Hanging takes the angle and the friction of hanging freely, whatever is given: 90 degrees, 0. In water the
    body bears itself: what is attached pulls alone, by its weight in water.
    """
    given: dict[Field, float] = {
        "angle_deg": angle_deg, "body_weight_kg": body_weight_kg, "friction": friction,
        "weights_n": weights_n,
    }  # fmt: skip
    for name, value in given.items():
        _require(name, value)
    if mechanics.startswith("hanging"):
        angle_deg, friction = 90.0, 0.0
    share = 0.0 if mechanics == "underwater" else _share(angle_deg, friction)
    weight_n = body_weight_kg * GRAVITY_M_PER_S2 * share
    least, likely, most = (part * weight_n + weights_n for part in (BELOW_FROM, BELOW, BELOW_TO))
    return Force(mechanics, angle_deg, body_weight_kg, friction, weights_n, likely, least, most)


def angle_for(force: float, body_weight_kg: float, friction: float) -> float:
    """The steepest angle, whole degrees, whose pull by formula is at most ``force`` newton."""
    return float(
        max(
            (angle for angle in range(91)
             if force_n("board", body_weight_kg, angle, friction).force_n <= force),
            default=0,
        )
    )  # fmt: skip


def _share(angle_deg: float, friction: float) -> float:
    angle = math.radians(angle_deg)
    return max(0.0, math.sin(angle) - friction * math.cos(angle))


def _require(name: Field, value: float) -> None:
    least, most, why = LIMITS[name]
    if math.isfinite(value) and least <= value <= most:
        return
    raise said(
        Invalid,
        {
            "de": f"{NAMES[name]['de']} ist {value:g}: erlaubt sind {least:g} bis {most:g} ({why['de']})",
            "en": f"{NAMES[name]['en']} is {value:g}: {least:g} to {most:g} are allowed ({why['en']})",
        },
        field=name,
    )
