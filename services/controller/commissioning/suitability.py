"""Whether a bed is one that the controller's figures are of, by what `spondyl bed identify` measured there.

A bed beyond a limit is served: the envelope holds whatever the bed is. But the figures of docs/control.md are
not its figures, so it says so by itself, at its commissioning and at its panel before every start.
"""

from dataclasses import dataclass
from typing import Any, Final

from services.controller.commissioning.parameters import IDENTIFY, BedParameters, Unusable
from services.controller.words import Words

WHERE: Final = 'docs/control.md, "Which beds"'


@dataclass(frozen=True, slots=True)
class Limit:
    """Between what a measured value must be, what lies beyond, and what to do; one bound may be none."""

    name: str
    unit: str
    what: Words
    beyond: Words
    todo: Words
    least: float | None = None
    most: float | None = None

    def broken(self, value: float) -> float | None:
        """The bound that a value is beyond."""
        if self.least is not None and value < self.least:
            return self.least
        return self.most if self.most is not None and value > self.most else None


@dataclass(frozen=True, slots=True)
class Doubt:
    """One thing that is against a bed, in both languages; without a value where nothing was measured."""

    name: str
    text: Words
    value: float | None = None
    limit: float | None = None
    unit: str = ""

    def as_json(self) -> dict[str, Any]:
        """For reports and pages."""
        told = {"name": self.name, "value": self.value, "limit": self.limit, "unit": self.unit}
        return {**told, "text": self.text.as_json()}


LIMITS: Final = (
    Limit(
        "friction",
        "",
        Words("friction, as a share of what slides,", "Reibung, als Anteil dessen, was gleitet,"),
        Words(
            "more than one false stop in ten hours is to be expected",
            "mehr als ein falscher Halt in zehn Stunden ist zu erwarten",
        ),
        Words("clean and service the table's slides", "Führungen der Liege reinigen und warten"),
        most=0.04,
    ),
    Limit(
        "harness_n_mm",
        "N/mm",
        Words("harness", "Gurt"),
        Words(
            "softer and stiffer ones stop falsely five to fifty times as often",
            "weichere und steifere halten fünf- bis fünfzigmal so oft falsch an",
        ),
        Words("take another harness", "einen anderen Gurt nehmen"),
        least=10.0,
        most=30.0,
    ),
    Limit(
        "drive_mm_s",
        "mm/s",
        Words("drive's speed", "Tempo des Antriebs"),
        Words(
            "the table yields to a contraction too slowly",
            "die Liege gibt einer Abwehr zu langsam nach",
        ),
        Words("set or repair the drive", "Antrieb einstellen oder instand setzen"),
        least=15.0,
    ),
    Limit(
        "drive_lag_s",
        "s",
        Words("drive's lag", "Verzug des Antriebs"),
        Words(
            "the table yields to a contraction later, and above 0.1 s the drive is told as stuck",
            "die Liege gibt einer Abwehr später nach, und über 0,1 s gilt der Antrieb als blockiert",
        ),
        Words("set or repair the drive", "Antrieb einstellen oder instand setzen"),
        most=0.08,
    ),
)
_SAID: Final = Words(
    "{what} {value:.3g} {unit}: {bound} {limit:g} {unit} ({where}); {beyond}; {todo}, measure again",
    "{what} {value:.3g} {unit}: {bound} {limit:g} {unit} ({where}); {beyond}; {todo}, neu messen",
)
_BOUND: Final = {True: Words("at least", "mindestens"), False: Words("at most", "höchstens")}
UNMEASURED: Final = Doubt(
    "unmeasured",
    Words(
        f"never measured: friction, harness and drive are not known; with a doll: {IDENTIFY}",
        f"nie vermessen: Reibung, Gurt und Antrieb sind nicht bekannt; mit einer Puppe: {IDENTIFY}",
    ),
)


def doubts(found: BedParameters) -> tuple[Doubt, ...]:
    """Everything that is against this bed, by LIMITS; none of a suitable one."""
    rows = ((limit, float(getattr(found, limit.name))) for limit in LIMITS)
    return tuple(_doubt(limit, value, bound) for limit, value in rows
                 if (bound := limit.broken(value)) is not None)  # fmt: skip


def _doubt(limit: Limit, value: float, bound: float) -> Doubt:
    return Doubt(limit.name, Words(*(_said(limit, value, bound, way) for way in ("en", "de"))),
                 value, bound, limit.unit)  # fmt: skip


def _said(limit: Limit, value: float, bound: float, language: str) -> str:
    """One language of a doubt, without the gap that a value without a unit leaves."""
    parts = {
        "what": limit.what,
        "bound": _BOUND[bound == limit.least],
        "beyond": limit.beyond,
        "todo": limit.todo,
    }
    words = {name: getattr(part, language) for name, part in parts.items()}
    told = getattr(_SAID, language).format(value=value, limit=bound, unit=limit.unit, where=WHERE, **words)
    return str(told).replace(" :", ":").replace("  ", " ")


def unusable(error: Unusable) -> Doubt:
    """Parameters that are another bed's, or no parameters: what was measured of this bed is not known."""
    return Doubt("unusable", Words(error.message, f"Messwerte nicht verwendbar: {error.german}"))
