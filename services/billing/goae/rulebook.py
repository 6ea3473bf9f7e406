"""The rules of a fee schedule: rows of data/rules.toml, and those that its own notes and names spell out."""

import datetime as dt
import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.billing.goae.catalogue import DATA, Catalogue
from services.billing.goae.notes import spelt_out
from services.billing.goae.numbers import expand, tidy
from services.billing.goae.search import plain
from services.kit.language import Text

Kind = Literal[
    "excludes", "at_most", "once_beside", "alone_or_beside", "again", "duration", "only_higher", "included",
    "note",
]  # fmt: skip
Period = Literal["contact", "day", "case", "year", "months"]
FIRST: Final = "GOÄ 1982"


class Row(BaseModel):
    """A rule as it is written; data/rules.toml explains every field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    kind: Kind
    catalogue: str = FIRST
    since: dt.date | None = None
    until: dt.date | None = None
    numbers: tuple[str, ...] = Field(min_length=1)
    others: tuple[str, ...] = ()
    other_sections: tuple[str, ...] = ()
    scope: Literal["contact", "case"] = "contact"
    times: int = Field(1, ge=1)
    period: Period = "case"
    months: int = Field(1, ge=1, le=120)
    each: bool = False  # the limit holds for each of the numbers by itself
    minutes: int = Field(1, ge=1)
    reason_for: tuple[str, ...] = ()
    verdict: Literal["forbidden", "justification"] = "forbidden"
    unknown: Literal["forbidden", "justification"] = "forbidden"
    paragraph: str = Field(min_length=1)
    sentence: str = Field(min_length=1)
    de: str = ""
    en: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A row with the numbers that it names in one catalogue."""

    row: Row
    numbers: frozenset[str]
    others: frozenset[str]

    @property
    def is_mutual(self) -> bool:
        """Whether the numbers exclude each other."""
        return not self.others

    def holds(self, day: dt.date) -> bool:
        """Whether it holds for services of this day."""
        row = self.row
        return (row.since is None or row.since <= day) and (row.until is None or day < row.until)

    def body(self) -> dict[str, Any]:
        """The rule as programs read it."""
        return {
            "id": self.row.id, "kind": self.row.kind, "paragraph": self.row.paragraph,
            "sentence": self.row.sentence, "numbers": list(self.row.numbers), "others": list(self.row.others),
            "other_sections": list(self.row.other_sections),
        }  # fmt: skip

    @property
    def advice(self) -> Text:
        """What to do about it, where the row says so."""
        return {"de": self.row.de, "en": self.row.en}


@cache
def of(catalogue: Catalogue) -> tuple[Rule, ...]:
    """Every rule of a catalogue: the written ones, then those its notes and names spell out."""
    rows = [row for row in written() if row.catalogue == catalogue.name]
    taken = {_same(row) for row in rows}
    read = [Row.model_validate(found) for found in spelt_out(catalogue)]
    return tuple(
        _resolved(row, catalogue) for row in [*rows, *(row for row in read if _same(row) not in taken)]
    )


def _same(row: Row) -> tuple[str, str]:
    """What makes two rows the same rule: a written one stands for what could be read as well."""
    return row.kind, row.sentence if row.kind == "excludes" else ",".join(row.numbers)


def about(catalogue: Catalogue, number: str) -> list[Rule]:
    """What is to be known before this number is charged: every rule that names it, on either side."""
    wanted = tidy(number)
    return [rule for rule in of(catalogue) if wanted in rule.numbers or wanted in rule.others]


def minutes(catalogue: Catalogue, number: str) -> int | None:
    """The minimum duration that an invoice prints with this number (§ 12 Abs. 2 Nr. 2), if it has one."""
    wanted = tidy(number)
    found = (
        rule.row.minutes for rule in of(catalogue) if rule.row.kind == "duration" and wanted in rule.numbers
    )
    return next(found, None)


@cache
def written() -> tuple[Row, ...]:
    """The rows of data/rules.toml."""
    rows = tuple(Row.model_validate(row) for row in _told()["rule"])
    ids = [row.id for row in rows]
    twice = {one for one in ids if ids.count(one) > 1}
    if twice:
        raise ValueError(f"rules of the same id: {', '.join(sorted(twice))}")
    return rows


def part(written: str) -> str:
    """A part of the body by one name, however it is written; empty when no paper says."""
    shown = plain(written)
    return _parts().get(shown, shown)


@cache
def _parts() -> dict[str, str]:
    return {plain(name): part for part, names in _told()["part"].items() for name in names}


@cache
def _told() -> dict[str, Any]:
    return tomllib.loads((DATA / "rules.toml").read_text(encoding="utf-8"))


def _resolved(row: Row, catalogue: Catalogue) -> Rule:
    numbers = expand(row.numbers, catalogue.items)
    others = expand(row.others, catalogue.items) | {
        number for number, item in catalogue.items.items() if item.section in row.other_sections
    }
    if row.kind == "excludes":
        others -= numbers
        if (row.others or row.other_sections) and not others:
            raise ValueError(f"rule {row.id} names no number beside its own")
    return Rule(row, numbers, others)
