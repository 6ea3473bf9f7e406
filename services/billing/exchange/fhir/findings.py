"""What a Digitale Patientenrechnung says of money beside its amounts: points, simple rates, sums."""

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from services.billing.exchange.fhir import reading, terms
from services.billing.exchange.fhir.reading import Position, Read
from services.billing.goae import catalogue as catalogues
from services.billing.goae import pricing
from services.billing.goae.figures import german
from services.billing.goae.findings import Finding
from services.kit.language import Text

PRICE: Final = "§ 5 Abs. 1, § 12 Abs. 2 Nr. 2 GOÄ"


def of(told: Mapping[str, Any]) -> list[Finding]:
    """Everything that does not match. Raises Invalid for no invoice."""
    found = reading.read(told)
    lines = [one for one in found.positions if one.kind != terms.EXPENSE]
    per_line = [finding for index, one in enumerate(lines) for finding in _of_line(one, index)]
    return [*per_line, *_of_sums(found)]


def _of_line(one: Position, index: int) -> Iterator[Finding]:
    day = str(terms.value_of(one.item, terms.DAY) or "")
    if not one.goae or not day:
        return
    schedule = catalogues.at(dt.date.fromisoformat(day))
    if not schedule.has(one.goae):
        return
    points = Decimal(schedule.item(one.goae).points)
    simple = pricing.amount(int(points), schedule.point_value_ct, pricing.LOWEST_FACTOR)
    stated = reading.decimal_of(terms.value_of(one.item, terms.SCHEDULE, "Punktzahl"))
    if stated is not None and stated != points:
        yield _differs("points", f"Nr. {one.goae}: Punktzahl", stated, points, one.goae, index)
    rate = reading.amount_of(terms.value_of(one.item, terms.SCHEDULE, "Einfachsatz"))
    if rate is not None and rate != simple:
        yield _differs("simple-rate", f"Nr. {one.goae}: Einfachsatz", rate, simple, one.goae, index)


def _of_sums(found: Read) -> Iterator[Finding]:
    whole = pricing.added(one.amount or Decimal(0) for one in found.positions)
    left = whole - sum((one.reduction for one in found.positions), Decimal(0))
    for row in terms.rows(found.invoice, "totalPriceComponent"):
        if (terms.SUMS, "SummeRechnungspositionen") in reading.codes(row.get("code")):
            stated = reading.amount_of(row.get("amount"))
            if stated is not None and stated * found.sign not in (whole, left):
                yield _differs("sum", "SummeRechnungspositionen", stated * found.sign, left)
    if found.net is not None and found.gross is not None:
        wanted = found.net + found.tax
        if found.gross not in (found.net, wanted):
            yield _differs("net", "totalGross", found.gross, wanted)


def _differs(
    rule: str, where: str, stated: Decimal, worked_out: Decimal, number: str = "", index: int | None = None
) -> Finding:
    text: Text = {
        "de": f"{where} ist mit {german(stated)} angegeben, richtig ist {german(worked_out)}.",
        "en": f"{where} states {stated}; it is {worked_out}",
    }
    numbers = (number,) if number else ()
    return Finding(rule, "forbidden", PRICE, "", text, numbers, () if index is None else (index,))
