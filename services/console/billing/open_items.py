"""What is owed at a site, by how long: the rows, their sums, and what a reader narrows them to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from services.console.billing import bars
from services.console.texts import TEXTS
from services.kit.language import Language

Row = Mapping[str, Any]
DAYS: Final = ("issued_on", "due_on", "payable_until", "reminded_on")
MONEY: Final = ("total", "paid", "open", "open_invoice", "open_fees", "fees")


@dataclass(frozen=True, slots=True)
class Age:
    """From how many days overdue to how many; ``tone``: its bar's colour."""

    id: str
    least: int
    most: int
    tone: str


AGES: Final = (
    Age("not-due", 0, 0, "calm"),
    Age("to-30", 1, 30, "late-1"),
    Age("to-60", 31, 60, "late-2"),
    Age("to-90", 61, 90, "late-3"),
    Age("over-90", 91, 10**6, "late-4"),
)


@dataclass(frozen=True, slots=True)
class Sum:
    """How many there are of an age, and what they come to."""

    age: Age
    count: int
    amount: Decimal


def age_of(days: int) -> Age:
    """By how many days an invoice is overdue."""
    return next(age for age in AGES if age.least <= days <= age.most)


def read(items: Sequence[Row], on: date) -> list[dict[str, Any]]:
    """The service's rows with days and amounts as such, the longest overdue first.

    Counted from the invoice's own day: a reminder gives more time, and makes no debt younger.
    """
    rows = [_read(row, on) for row in items]
    return sorted(rows, key=lambda row: (row["due_on"], row["number"]))


def of_patient(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A patient's invoices with days and amounts as such; cancellations are told by their invoice."""
    return [
        {
            **row, "issued_on": date.fromisoformat(row["issued_on"]),
            **{name: Decimal(row[name]) for name in ("total", "open")},
        }
        for row in rows
        if row["kind"] == "invoice"
    ]  # fmt: skip


def _read(row: Row, on: date) -> dict[str, Any]:
    days = max(0, (on - date.fromisoformat(row["due_on"])).days)
    return {
        **row, **{name: _day(row[name]) for name in DAYS}, **{name: Decimal(row[name]) for name in MONEY},
        "overdue_days": days, "age": age_of(days).id,
        "state": "overdue" if days and Decimal(row["open_invoice"]) > 0 else row["state"],
    }  # fmt: skip


def sums(rows: Sequence[Row]) -> list[Sum]:
    """One an age, in their order."""
    of_age = {age.id: [row["open"] for row in rows if row["age"] == age.id] for age in AGES}
    return [Sum(age, len(of_age[age.id]), sum(of_age[age.id], Decimal(0))) for age in AGES]


def narrowed(rows: Sequence[Row], text: str, age: str) -> list[Row]:
    """Those of an age whose number or payer is like this."""
    wanted = text.casefold().split()
    return [
        row
        for row in rows
        if (not age or row["age"] == age)
        and all(word in f"{row['number']} {row['recipient']}".casefold() for word in wanted)
    ]


def plots(found: Sequence[Sum], language: Language) -> list[bars.Plot]:
    """A bar an age, with how many invoices it is."""
    return bars.plots([_group(one, language) for one in found], language)


def _group(one: Sum, language: Language) -> bars.Group:
    count = f"{one.count} \N{MULTIPLICATION SIGN}"
    return bars.Group(age_name(one.age, language, "oi_short_"), count, [one.amount], [one.age.tone])


def age_name(age: Age, language: Language, kind: str = "oi_age_") -> str:
    """It in words."""
    return TEXTS[f"{kind}{age.id.replace('-', '_')}"][language]


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
