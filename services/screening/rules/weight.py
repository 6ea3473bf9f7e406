"""The body's weight against the limits of the region's prescriptions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

from services.kit.language import Text
from services.kit.therapy import dosing
from services.kit.therapy.dosing import Limit
from services.screening.rules.findings import Case, german_day
from services.screening.rules.models import WEIGHT

FIELD: Final = "body_weight_kg"
MISSING: Final = WEIGHT
DOCUMENT: Final = "docs/dosing.md"
WEIGHED: Final[Text] = {"de": "Körpergewicht", "en": "Body weight"}
_WEIGH: Final[Text] = {
    "de": "Eine Waage, und die Berichtigung in der Akte.", "en": "A scale, and the correction in the file.",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Weighed:
    """What a limit of the dosing table says of this body's weight; or that nobody weighed."""

    rule: str
    why: Text
    source: Text
    text: Text
    region: str = "any"
    is_open: bool = False

    @property
    def change(self) -> Text:
        """What would change it."""
        return _WEIGH

    def shown(self) -> Mapping[str, Any]:
        """In the form of a rule; it comes of the dosing table, not of the contraindications."""
        return {
            "id": self.rule, "absolute": True, "region": self.region, "origin": "dosing",
            "source": self.source["en"], "source_de": self.source["de"],
            "text_de": self.text["de"], "text_en": self.text["en"],
        }  # fmt: skip


def weigh(case: Case, aged_since: date | None = None) -> list[Weighed]:
    """What stands against this weight in this region; ``aged_since``: it is too old to stand for anybody."""
    if case.body_weight_kg is None:
        return [_MISSING]
    limits = [row for row in dosing.load().limit if row.field == FIELD and row.region in ("any", case.region)]
    broken = [_broken(row, case.body_weight_kg) for row in limits if _breaks(row, case.body_weight_kg)]
    return broken or ([_aged(aged_since)] if aged_since else [])


def _aged(since: date) -> Weighed:
    last = since - timedelta(days=1)
    why: Text = {
        "de": f"Körpergewicht: neu zu wiegen, die Angabe galt bis zum {german_day(last)}.",
        "en": f"Body weight: to be weighed again, what is in the file held until {last.isoformat()}.",
    }
    return replace(_MISSING, why=why)


def _value(limit: Limit) -> float:
    return limit.of.get("constant", 0.0)  # of a weight a limit is a number: it depends on nothing else


def _breaks(limit: Limit, weight_kg: float) -> bool:
    return weight_kg < _value(limit) if limit.bound == "min" else weight_kg > _value(limit)


def _broken(limit: Limit, weight_kg: float) -> Weighed:
    low = limit.bound == "min"
    german = f"{weight_kg:g}".replace(".", ",")
    return Weighed(
        limit.id,
        {
            "de": f"Körpergewicht {german} kg: {limit.de} ist {_value(limit):g} kg.",
            "en": f"Body weight {weight_kg:g} kg: {limit.en} is {_value(limit):g} kg.",
        },
        {"de": limit.source_de or limit.source, "en": limit.source},
        {
            "de": f"Körpergewicht {'unter' if low else 'über'} {_value(limit):g} kg",
            "en": f"Body weight {'below' if low else 'above'} {_value(limit):g} kg",
        },
        limit.region,
    )


_MISSING: Final = Weighed(
    MISSING,
    {
        "de": "Das Körpergewicht fehlt: Danach richten sich die Grenzen der Verordnung.",
        "en": "The body weight is missing: the limits of a prescription depend on it.",
    },
    {"de": f"Dosierungstabelle, {DOCUMENT}", "en": f"Dosing table, {DOCUMENT}"},
    WEIGHED,
    is_open=True,
)
