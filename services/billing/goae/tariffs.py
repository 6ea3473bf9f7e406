"""Tariffs: which factor a service has for whoever pays. A lower factor, never a percentage off."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Final

from services.billing.errors import Invalid, said
from services.billing.goae.catalogue import DATA, Catalogue, Item
from services.billing.goae.figures import german
from services.billing.goae.numbers import tidy
from services.billing.goae.pricing import LOWEST_FACTOR, Kind, read_factor
from services.kit.language import Text

EVERYTHING: Final = "*"
Given = Mapping[str, Mapping[str, str]]  # tariff -> number, section or "*" -> factor


@dataclass(frozen=True, slots=True)
class Tariff:
    """The factors of one kind of payer."""

    name: str
    kind: Kind
    text: Text
    factors: Mapping[str, Decimal]

    def factor(self, item: Item) -> Decimal:
        """An item's: its number's, else its section's, else that of everything; never above its threshold."""
        named = (self.factors.get(key) for key in (item.number, item.section, EVERYTHING))
        wanted = next((factor for factor in named if factor is not None), item.frame.threshold)
        highest = item.frame.threshold
        if self.kind == "standard":
            highest = min(highest, item.frame.standard_tariff)
        return min(wanted, highest)


def named(name: str, catalogue: Catalogue, given: Given | None = None) -> Tariff:
    """The tariff of this name, with what a clinic set in place of its factors. Raises Invalid."""
    rows = {row["name"]: row for row in _rows()}
    given = given or {}
    unknown = next((key for key in (name, *given) if key not in rows), None)
    if unknown is not None:
        shown, known = unknown[:40], ", ".join(rows)
        words: Text = {
            "de": f"Tarif {shown!r} gibt es nicht: {known}.",
            "en": f"tariff {shown!r} does not exist: {known}",
        }
        raise said(Invalid, words, tariff=shown)
    row = rows[name]
    factors = given.get(name, row.get("factors", {}))
    return Tariff(
        name, row["kind"], {"de": row["de"], "en": row["en"]},
        {key: _checked(name, tidy(key), typed, catalogue) for key, typed in factors.items()},
    )  # fmt: skip


def names() -> dict[str, Text]:
    """Every tariff with how it is called."""
    return {row["name"]: {"de": row["de"], "en": row["en"]} for row in _rows()}


def _checked(tariff: str, key: str, typed: str, catalogue: Catalogue) -> Decimal:
    """A factor that the law lets stand without a reason or an agreement. Raises Invalid."""
    factor = read_factor(typed)
    meant = _meant(key, catalogue)
    highest = max(item.frame.threshold for item in meant) if meant else None
    if highest is not None and LOWEST_FACTOR <= factor <= highest:
        return factor
    shown = key[:20]
    words: Text = {
        "de": f"Tarif {tariff}, {shown}: Faktor {german(factor)} liegt nicht zwischen 1 und "
        f"{german(highest)} (§ 5 GOÄ: ein höherer bräuchte auf jeder Rechnung eine Begründung).",
        "en": f"tariff {tariff}, {shown}: factor {factor} is not between 1 and {highest} (§ 5 GOÄ: a higher "
        f"one would need a reason on every invoice)",
    }
    if highest is None:
        words = {
            "de": f"Tarif {tariff}: {shown!r} ist weder Nummer noch Abschnitt des Verzeichnisses.",
            "en": f"tariff {tariff}: {shown!r} is neither a number nor a section of the catalogue",
        }
    raise said(Invalid, words, tariff=tariff, key=shown)


def _meant(key: str, catalogue: Catalogue) -> list[Item]:
    if key in catalogue.items:
        return [catalogue.items[key]]
    return [item for item in catalogue.items.values() if key in (EVERYTHING, item.section)]


@cache
def _rows() -> tuple[dict[str, Any], ...]:
    told = tomllib.loads((DATA / "charges.toml").read_text(encoding="utf-8"))
    return tuple(told["tariff"])
