"""The fee schedule of a day: its items, their frames, and what it is known to lack."""

import datetime as dt
import itertools
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

from services.billing.errors import Invalid, said
from services.billing.goae.numbers import expand, order, tidy
from services.kit.language import Text

DATA: Final = Path(__file__).with_name("data")
_SHOWN: Final = 20  # of what somebody typed, in a refusal


@dataclass(frozen=True, slots=True)
class Frame:
    """Between which factors a fee is set, and by which paragraph."""

    id: str
    threshold: Decimal  # above it a written reason
    maximum: Decimal  # above it only a fee agreement
    standard_tariff: Decimal  # § 5b
    agreement: bool  # whether § 2 allows one
    paragraph: str
    agreement_paragraph: str
    name: Text


@dataclass(frozen=True, slots=True)
class Item:
    """One number of the fee schedule."""

    number: str
    name: str
    points: int
    notes: tuple[str, ...]
    section: str
    frame: Frame

    def body(self) -> dict[str, Any]:
        """The item as programs read it."""
        return {
            "number": self.number, "name": self.name, "points": self.points, "section": self.section,
            "threshold": str(self.frame.threshold), "maximum": str(self.frame.maximum),
            "paragraph": self.frame.paragraph, "notes": list(self.notes),
        }  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """The fee schedule that holds on a day."""

    name: str
    valid_from: dt.date
    valid_until: dt.date | None  # the first day on which it holds no longer
    point_value_ct: Decimal
    items: Mapping[str, Item]
    gaps: tuple[tuple[re.Pattern[str], Text], ...]

    def item(self, number: str) -> Item:
        """The item of this number. Raises Invalid, which names the gap when it is one."""
        found = self.items.get(tidy(number))
        if found is None:
            raise self._missing(number)
        return found

    def has(self, number: str) -> bool:
        """Whether it has this number."""
        return tidy(number) in self.items

    def gap(self, number: str) -> Text | None:
        """What this number is, when it is one that the catalogue is known to lack."""
        wanted = tidy(number)
        return next((text for pattern, text in self.gaps if pattern.fullmatch(wanted)), None)

    def _missing(self, number: str) -> Invalid:
        shown = number.strip()[:_SHOWN]
        gap = self.gap(number)
        if gap is None:
            words: Text = {
                "de": f"Nummer {shown!r} steht nicht im Verzeichnis {self.name} ({len(self.items)} Nummern).",
                "en": f"number {shown!r} is not in the catalogue {self.name} ({len(self.items)} numbers)",
            }
        else:
            words = {
                "de": f"Nummer {shown!r} ist nicht erfasst: {gap['de']}. Der Preis wird nicht geschätzt.",
                "en": f"number {shown!r} is not covered: {gap['en']}; its price is not guessed",
            }
        return said(Invalid, words, number=shown, covered=False)

    def holds(self, day: dt.date) -> bool:
        """Whether it holds on this day."""
        return self.valid_from <= day and (self.valid_until is None or day < self.valid_until)


def at(day: dt.date) -> Catalogue:
    """The catalogue that holds on this day. Raises Invalid when there is none."""
    found = next((catalogue for catalogue in load() if catalogue.holds(day)), None)
    if found is None:
        first = min(catalogue.valid_from for catalogue in load())
        words: Text = {
            "de": f"Für den {day:%d.%m.%Y} gibt es kein Verzeichnis: das erste gilt ab {first:%d.%m.%Y}.",
            "en": f"no catalogue holds on {day}: the first holds from {first}",
        }
        raise said(Invalid, words, date=day.isoformat(), first=first.isoformat())
    return found


@cache
def load() -> tuple[Catalogue, ...]:
    """Every catalogue that comes with the software, earliest first."""
    told = tomllib.loads((DATA / "catalogues.toml").read_text(encoding="utf-8"))
    found = sorted((parse(row, DATA) for row in told["catalogue"]), key=lambda one: one.valid_from)
    for earlier, later in itertools.pairwise(found):
        if earlier.valid_until is None or earlier.valid_until > later.valid_from:
            raise ValueError(f"{earlier.name} and {later.name} hold on the same day")
    return tuple(found)


def parse(row: Mapping[str, Any], folder: Path) -> Catalogue:
    """A catalogue from its row and its file. Raises KeyError or ValueError for one that is wrong."""
    rows = json.loads((folder / row["file"]).read_text(encoding="utf-8"))
    by_number, by_section, otherwise = _frames(row["frame"], [item["number"] for item in rows])
    items = {
        item["number"]: Item(
            item["number"], item["name"], item["points"], tuple(item["notes"]), item["section"],
            by_number.get(item["number"]) or by_section.get(item["section"], otherwise),
        )
        for item in sorted(rows, key=lambda item: order(item["number"]))
    }  # fmt: skip
    gaps = tuple((re.compile(str(gap["pattern"])), _text(gap)) for gap in row.get("gap", []))
    return Catalogue(
        row["name"], row["valid_from"], row.get("valid_until"), Decimal(row["point_value_ct"]),
        items, gaps,
    )  # fmt: skip


def _text(row: Mapping[str, Any]) -> Text:
    return {"de": row["de"], "en": row["en"]}


def _frames(rows: list[dict[str, Any]], known: list[str]) -> tuple[dict[str, Frame], dict[str, Frame], Frame]:
    """Frames by number, by section, and of everything else; a number's own comes before its section's."""
    by_number: dict[str, Frame] = {}
    by_section: dict[str, Frame] = {}
    otherwise: Frame | None = None
    for row in rows:
        frame = Frame(
            row["id"], Decimal(row["threshold"]), Decimal(row["maximum"]), Decimal(row["standard_tariff"]),
            row["agreement"], row["paragraph"], row["agreement_paragraph"],
            _text(row),
        )  # fmt: skip
        for number in expand(row.get("numbers", ()), known):
            by_number.setdefault(number, frame)
        for section in row.get("sections", ()):
            by_section.setdefault(section, frame)
        if "numbers" not in row and "sections" not in row:
            otherwise = frame
    if otherwise is None:
        raise ValueError("no frame for every other item")
    return by_number, by_section, otherwise
