"""Why a prescription is not taken: each reason in English and German, with value, limit, unit and source."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from services.kit.therapy import dosing

LARGEST = 1e6  # no quantity of a session comes near
GERMAN_UNITS = {"degrees": "Grad", "years": "Jahre"}
UNITS = {
    "_n": "N",
    "_n_s": "N/s",
    "_s": "s",
    "_min": "min",
    "_kg": "kg",
    "_deg": "degrees",
    "_years": "years",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why a prescription is not taken; ``text`` and ``text_de`` say all of it to a person."""

    field: str
    value: Any
    limit: float | None
    unit: str
    source: str
    text: str
    text_de: str

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON; a number that is none is told as text."""
        row = asdict(self)
        value = row["value"]
        plain = isinstance(value, str | int | bool) or value is None
        row["value"] = value if plain or (isinstance(value, float) and math.isfinite(value)) else repr(value)
        return row


def plain(field: str, value: Any, english: str, german: str) -> Refusal:
    """A reason that is no limit of the table."""
    name = f"prescription.{field}"
    return Refusal(name, value, None, "", dosing.DOCUMENT, f"{name} {english}", f"{name} {german}")


def short(value: Any) -> str:
    """A value as one line on a terminal."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python prints
        return "a number of thousands of digits"
    return text if len(text) <= 40 else f"{text[:40]}..."  # noqa: PLR2004  (one line on a terminal)


def told(value: float, unit: str) -> str:
    """A value with its unit."""
    return f"{value:.6g} {unit}".rstrip()


def unit_of(field: str) -> str:
    """The unit a field's name ends in; empty for a count."""
    return next((UNITS[end] for end in sorted(UNITS, key=len, reverse=True) if field.endswith(end)), "")


def is_number(value: Any) -> bool:
    """Whether it is a number that a quantity of a session may be; NaN is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST
