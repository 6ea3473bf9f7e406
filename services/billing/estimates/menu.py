"""What an estimate is made of (estimates.toml): first visits, what can come in addition, who pays."""

import datetime as dt
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from services.billing.errors import Invalid, said
from services.kit.language import Text

Row = TypeVar("Row")
DATA: Final = Path(__file__).with_name("estimates.toml")


@dataclass(frozen=True, slots=True)
class Visit:
    """What is charged before the first session."""

    id: str
    text: Text
    paragraph: str
    items: tuple[str, ...]  # numbers of the fee schedule


@dataclass(frozen=True, slots=True)
class Addition:
    """What can come in addition: behind every so many sessions, or (0) once, on demand."""

    id: str
    text: Text
    paragraph: str
    every_sessions: int
    items: tuple[str, ...]  # numbers of the fee schedule


@dataclass(frozen=True, slots=True)
class Version:
    """The rows that hold from a day on."""

    valid_from: dt.date
    holds_days: int
    sessions_a_week: int
    shortened_share: Decimal
    visits: dict[str, Visit]
    additions: tuple[Addition, ...]


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays: by which tariff unless told, and whether somebody is sure to reimburse it."""

    id: str
    tariff: str
    assured: bool
    text: Text
    note: Text


def at(day: dt.date) -> Version:
    """The rows that hold on this day. Raises Invalid before the first."""
    found = [version for version in _load()[0] if version.valid_from <= day]
    if not found:
        first = _load()[0][0].valid_from
        raise said(
            Invalid,
            {
                "de": f"Kostenvoranschlag vom {day:%d.%m.%Y}: es gibt sie ab {first:%d.%m.%Y}.",
                "en": f"estimate of {day}: there are estimates from {first} on",
            },
        )
    return found[-1]


def payers() -> dict[str, Payer]:
    """Every payer by its id."""
    return _load()[1]


def visit(version: Version, wanted: str) -> Visit:
    """The first visit of this id. Raises Invalid."""
    return _one(version.visits, wanted, {"de": "Erstvorstellung", "en": "first visit"})


def payer(wanted: str) -> Payer:
    """The payer of this id. Raises Invalid."""
    return _one(payers(), wanted, {"de": "Kostenträger", "en": "payer"})


def _one(rows: dict[str, Row], wanted: str, what: Text) -> Row:
    found = rows.get(wanted)
    if found is None:
        shown, known = wanted[:40], ", ".join(rows)
        raise said(
            Invalid,
            {
                "de": f"{what['de']} {shown!r} gibt es nicht: {known}.",
                "en": f"there is no {what['en']} {shown!r}: {known}",
            },
        )
    return found


@cache
def _load() -> tuple[tuple[Version, ...], dict[str, Payer]]:
    told = tomllib.loads(DATA.read_text(encoding="utf-8"))
    versions = sorted((_version(row) for row in told["version"]), key=lambda one: one.valid_from)
    return tuple(versions), {row["id"]: _payer(row) for row in told["payer"]}


def _version(row: dict[str, Any]) -> Version:
    visits = (
        Visit(one["id"], _text(one), one["paragraph"], tuple(one["items"])) for one in row["first_visit"]
    )
    additions = (
        Addition(one["id"], _text(one), one["paragraph"], one["every_sessions"], tuple(one["items"]))
        for one in row["may"]
    )
    return Version(
        row["valid_from"], row["holds_days"], row["sessions_a_week"], Decimal(row["shortened_share"]),
        {one.id: one for one in visits}, tuple(additions),
    )  # fmt: skip


def _payer(row: dict[str, Any]) -> Payer:
    note: Text = {"de": row["note_de"], "en": row["note_en"]}
    return Payer(row["id"], row["tariff"], row["assured"], _text(row), note)


def _text(row: dict[str, Any]) -> Text:
    return {"de": row["de"], "en": row["en"]}
