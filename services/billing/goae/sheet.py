"""An invoice as a file for `spondyl invoice check`, and everything that is to be said of it. docs/billing.md
describes the file.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.billing.goae import catalogue as catalogues
from services.billing.goae import outlays, pricing, rules
from services.billing.goae.figures import german
from services.billing.goae.findings import ORDER, Finding, days, sorted_findings
from services.billing.goae.lines import Amount, Day, Line, Words
from services.billing.goae.outlays import Outlay
from services.billing.goae.pricing import Kind, Reduction, Treatment, Verdict
from services.kit.language import Text

MOST_LINES: Final = 10_000
_REDUCED: Final = (
    "Bei vollstationären, teilstationären sowie vor- und nachstationären privatärztlichen Leistungen sind "
    "die nach dieser Verordnung berechneten Gebühren einschließlich der darauf entfallenden Zuschläge um 25 "
    "von Hundert zu mindern. Abweichend davon beträgt die Minderung für Leistungen und Zuschläge nach Satz 1 "
    "von Belegärzten oder niedergelassenen anderen Ärzten 15 vom Hundert."
)


class Sheet(BaseModel):
    """An invoice, typed by hand or read from elsewhere."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal["spondyl-invoice/1"] = "spondyl-invoice/1"
    number: Words | None = None
    date: Annotated[Day | None, Field(description="of the invoice; no service may be later")] = None
    tariff: Kind = "private"
    treatment: Annotated[
        Treatment, Field(description="§ 6a: in hospital, or there by a doctor from outside")
    ] = "outpatient"
    lines: tuple[Line, ...] = Field((), max_length=MOST_LINES)
    history: Annotated[
        tuple[Line, ...], Field(max_length=MOST_LINES, description="what was charged before, for the limits")
    ] = ()
    outlays: tuple[Outlay, ...] = Field((), max_length=MOST_LINES)
    reduction: Amount | None = None  # as printed, § 6a
    total: Amount | None = None  # as printed

    @model_validator(mode="after")
    def _something(self) -> "Sheet":
        if not self.lines and not self.outlays:
            raise ValueError("has neither lines nor outlays: there is nothing to check")
        return self


@dataclass(frozen=True, slots=True)
class Checked:
    """What is to be said of an invoice, and what it comes to."""

    findings: tuple[Finding, ...]
    unpriced: tuple[int, ...]  # lines whose number the catalogue lacks: their printed amount counts, if any
    reduction: Reduction
    outlays: Decimal
    total: Decimal

    @property
    def verdict(self) -> Verdict:
        """The strictest of all."""
        return min((finding.verdict for finding in self.findings), key=ORDER.index, default="fine")

    def body(self) -> dict[str, Any]:
        """The check as programs read it."""
        counts = {name: sum(one.verdict == name for one in self.findings) for name in ORDER}
        return {
            "verdict": self.verdict, "counts": counts, "fees": str(self.reduction.fees),
            "reduction": str(self.reduction.taken_off), "outlays": str(self.outlays),
            "total": str(self.total), "unpriced": list(self.unpriced),
            "findings": [finding.body() for finding in self.findings],
        }  # fmt: skip


def check(sheet: Sheet) -> Checked:
    """Prices, rules, outlays and sums of an invoice. Raises Invalid for a day without a catalogue."""
    fees, unpriced = _fees(sheet)
    reduction = pricing.reduced(fees, sheet.treatment, sheet.reduction)
    laid_out = pricing.added(outlay.amount for outlay in sheet.outlays)
    total = pricing.added((reduction.left, laid_out))
    findings = [
        *rules.check(sheet.lines, sheet.history, sheet.tariff),
        *outlays.check(sheet.outlays, sheet.lines),
        *_of_the_whole(sheet, reduction, total, unpriced),
    ]
    return Checked(tuple(sorted_findings(findings)), unpriced, reduction, laid_out, total)


def _fees(sheet: Sheet) -> tuple[list[Decimal], tuple[int, ...]]:
    """What each line costs by the fee schedule; of one that cannot be priced, what is printed."""
    fees: list[Decimal] = []
    unpriced: list[int] = []
    for index, line in enumerate(sheet.lines):
        schedule = catalogues.at(line.date)
        if schedule.has(line.number):
            fees.append(pricing.of_line(schedule, line, sheet.tariff).amount)
        else:
            unpriced.append(index)
            fees.append(line.amount or Decimal(0))
    return fees, tuple(unpriced)


def _of_the_whole(
    sheet: Sheet, reduction: Reduction, total: Decimal, unpriced: tuple[int, ...]
) -> Iterator[Finding]:
    if sheet.date is not None:
        yield from _too_late(sheet, sheet.date)
    if sheet.treatment != "outpatient" or sheet.reduction is not None:
        yield _reduced(sheet, reduction)
    if sheet.total is not None:
        verdict: Verdict = "fine" if sheet.total == total else "forbidden"
        text = _total(sheet.total, total)
        if any(sheet.lines[index].amount is None for index in unpriced):
            verdict, text = "note", _no_total(sheet.total)
        yield Finding("total", verdict, "§ 12 Abs. 2 Nr. 2 GOÄ", "", text, (), ())


def _too_late(sheet: Sheet, day: dt.date) -> Iterator[Finding]:
    late = tuple(index for index, line in enumerate(sheet.lines) if line.date > day)
    every = [*(line.date for line in sheet.lines), *(outlay.date for outlay in sheet.outlays)]
    when = [one for one in every if one > day]
    if when:
        text: Text = {
            "de": f"Leistungen oder Auslagen vom {days(when, 'de')} nach dem Tag der Rechnung, "
            f"{days([day], 'de')}.",
            "en": f"services or outlays of {days(when, 'en')} after the day of the invoice, "
            f"{days([day], 'en')}",
        }
        yield Finding("date", "forbidden", "§ 12 Abs. 2 Nr. 1 GOÄ", "", text, (), late)


def _reduced(sheet: Sheet, reduction: Reduction) -> Finding:
    verdict: Verdict = "fine" if sheet.reduction == reduction.taken_off else "forbidden"
    if sheet.reduction is None:
        verdict = "note"
    text: Text = {
        "de": f"Minderung um {reduction.share:.0%} von {german(reduction.fees)} EUR: "
        f"{german(reduction.taken_off)} EUR; auf der Rechnung: {german(sheet.reduction)}.",
        "en": f"reduction by {reduction.share:.0%} of {reduction.fees} EUR: {reduction.taken_off} EUR; on "
        f"the invoice: {sheet.reduction or '-'}",
    }
    return Finding("reduction", verdict, "§ 6a Abs. 1, § 12 Abs. 2 Nr. 3 GOÄ", _REDUCED, text, (), ())


def _total(printed: Decimal, total: Decimal) -> Text:
    if printed == total:
        return {"de": f"Summe {german(total)} EUR stimmt.", "en": f"the sum of {total} EUR is right"}
    return {
        "de": f"Als Summe stehen {german(printed)} EUR da; die Beträge ergeben {german(total)} EUR.",
        "en": f"{printed} EUR are printed as the sum; the amounts come to {total} EUR",
    }


def _no_total(printed: Decimal) -> Text:
    return {
        "de": f"Als Summe stehen {german(printed)} EUR da; nicht nachgerechnet, weil eine "
        f"Zeile keinen Preis hat.",
        "en": f"{printed} EUR are printed as the sum; not recalculated, as a line has no price",
    }
