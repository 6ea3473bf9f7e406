"""Outlays beside the fees, § 10 GOÄ: what may be charged, and what is covered by the fee."""

import tomllib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from services.billing.goae import catalogue as catalogues
from services.billing.goae.catalogue import DATA
from services.billing.goae.figures import german
from services.billing.goae.findings import Finding
from services.billing.goae.lines import Amount, Day, Line, Words
from services.billing.goae.pricing import Verdict
from services.billing.goae.search import plain
from services.kit.language import Text


class Outlay(BaseModel):
    """What was laid out for this patient, at what it cost."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    date: Day
    kind: Literal["material", "shipping", "radioactive", "listed"]
    text: Words
    amount: Amount
    receipt: bool = False  # is attached


def check(outlays: Sequence[Outlay], lines: Sequence[Line]) -> list[Finding]:
    """What § 10 and § 12 say of outlays; each finding names its outlay in the text."""
    physical = {line.date for line in lines if _is_physical(line)}
    return [finding for outlay in outlays for finding in _of_one(outlay, physical)]


def _of_one(outlay: Outlay, physical: set[Any]) -> Iterator[Finding]:
    told = _rules()
    low = _compared(outlay.text)
    spoke = False
    for row in told["never"]:
        if any(_compared(word) in low for word in row["words"]):
            spoke = True
            yield _finding(outlay, "forbidden", row, {"de": row["de"], "en": row["en"]})
    if outlay.amount > Decimal(told["receipt"]["above_eur"]) and not outlay.receipt:
        spoke = True
        yield _finding(outlay, "justification", told["receipt"] | {"id": "outlay-receipt"}, _receipt())
    if outlay.kind == "material" and outlay.date in physical:
        spoke = True
        yield _finding(outlay, "note", told["physical"] | {"id": "outlay-physical"}, _physical())
    if not spoke:
        row = {"id": "outlay", "paragraph": told["paragraphs"][outlay.kind], "sentence": ""}
        yield _finding(outlay, "fine", row, {"de": "berechnungsfähig.", "en": "may be charged"})


def _compared(text: str) -> str:
    """Words as they are compared: „Einmal-Handschuhe“ and „Einmal Handschuhe“ as „Einmalhandschuhe“."""
    return plain(text).replace("einmal ", "einmal")


def _receipt() -> Text:
    above = _rules()["receipt"]["above_eur"]
    return {
        "de": f"über {german(above)} EUR (50 DM): der Beleg ist beizufügen.",
        "en": f"above {above} EUR (50 DM): the receipt is to be attached",
    }


def _physical() -> Text:
    return {
        "de": "am Tag einer Leistung des Abschnitts E, in der alle Kosten enthalten sind.",
        "en": "on the day of a service of section E, which includes every cost",
    }


def _finding(outlay: Outlay, verdict: Verdict, row: dict[str, Any], text: Text) -> Finding:
    shown = outlay.text[:60]
    said: Text = {
        "de": f"Auslage „{shown}“ ({german(outlay.amount)} EUR): {text['de']}",
        "en": f"outlay “{shown}” ({outlay.amount} EUR): {text['en']}",
    }
    return Finding(row["id"], verdict, row["paragraph"], row["sentence"], said, (), ())


def _is_physical(line: Line) -> bool:
    schedule = catalogues.at(line.date)
    return schedule.has(line.number) and schedule.item(line.number).section == _rules()["physical"]["section"]


@cache
def _rules() -> dict[str, Any]:
    return tomllib.loads((DATA / "outlays.toml").read_text(encoding="utf-8"))
