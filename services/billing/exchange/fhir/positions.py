"""What is charged, a ChargeItem a position: factor, points, simple rate, analogue, reasons, days."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from services.billing.exchange.fhir import people, terms
from services.billing.exchange.fhir.terms import Resource, coding, extension, money
from services.billing.goae import catalogue, pricing
from services.billing.goae.lines import Line
from services.billing.models import Outlay, Paper, PricedLine

SHARES: Final = (Decimal(25), Decimal(15))  # § 6a Abs. 1, per cent
PER_CENT: Final = {"unit": "%", "system": terms.UCUM, "code": "%"}
TARIFFS: Final = {"standard": ("ST", "Standardtarif")}


def of_line(paper: Paper, line: PricedLine, sequence: int) -> Resource:
    """A service of the fee schedule."""
    told = line.line
    made = _position(paper, terms.FEE, sequence) | {
        "code": {
            "coding": [coding(terms.GOAE, told.number, line.name)],
            **({"text": told.analogue} if told.analogue else {}),
        },
        "occurrencePeriod": _period(told, paper.clinic.zone),
        "quantity": _quantity(told.count),
    }
    made["extension"] += [*_addition(told), _schedule(paper, line), _day(told.date.isoformat()), *_own(told)]
    if told.body_part:
        made["bodysite"] = [{"text": told.body_part}]
    if told.duration_min is not None:
        made["note"] = [{"text": f"Dauer {told.duration_min} min"}]
    if reasons := _reasons(line):
        made["reason"] = reasons
    return made


def of_outlay(paper: Paper, outlay: Outlay, sequence: int) -> Resource:
    """Something bought for this patient."""
    day = outlay.date.isoformat()
    made = _position(paper, terms.EXPENSE, sequence) | {
        "code": {"text": outlay.text},
        "occurrencePeriod": {"start": day, "end": day},
        "quantity": _quantity(1),
        "productCodeableConcept": {"text": outlay.text},
    }
    made["extension"] += [_day(day), extension(terms.OUTLAY, valueCode=outlay.kind)]
    if outlay.receipt:
        made["extension"].append(extension(terms.RECEIPT, valueString=outlay.receipt))
    return made


def share_of(line: PricedLine) -> Decimal | None:
    """By how much § 6a reduces it, in per cent; None for not at all."""
    if not line.reduction:
        return None
    exact = abs(line.reduction) * 100 / abs(line.gross)
    return min(SHARES, key=lambda share: abs(share - exact))


def _position(paper: Paper, kind: str, sequence: int) -> Resource:
    return {
        "resourceType": "ChargeItem",
        "id": people.key(paper, f"position {sequence}"),
        "meta": {"profile": [f"{terms.PROFILE}/dipag-rechnungsposition"]},
        "extension": [extension(terms.POSITION_TYPE, valueCoding=terms.position(kind))],
        "status": "billable",
        "subject": {"reference": people.urn(people.key(paper, "patient"))},
        "performer": [{"actor": {"reference": people.urn(people.key(paper, "doctor"))}}],
    }


def _addition(line: Line) -> list[Resource]:
    """The profile has room for one; an analogue service on demand says the latter as a reason."""
    code = "A" if line.analogue else "V" if line.on_demand else None
    if code is None:
        return []
    told = coding(terms.ADDITIONS, code, terms.ADDITION_NAMES[code])
    return [extension(terms.ADDITION, valueCoding=told)]


def _schedule(paper: Paper, line: PricedLine) -> Resource:
    """Simple rate, points, factor and why, reduction. The simple rate is shown, never multiplied."""
    told = line.line
    value = catalogue.at(told.date).point_value_ct
    factor: list[Resource] = [extension("Value", valueDecimal=float(told.factor))]
    reason = ("HV", "Honorarvereinbarung") if told.agreed else TARIFFS.get(paper.tariff)
    if reason:
        factor.append(extension("FaktorGrund", valueCoding=coding(terms.FACTOR_REASONS, *reason)))
    parts: list[Resource] = []
    if line.points is not None:
        simple = pricing.amount(line.points, value, pricing.LOWEST_FACTOR)
        parts.append(extension("Einfachsatz", valueMoney=money(simple)))
        parts.append(extension("Punktzahl", valueDecimal=line.points))
    parts.append({"url": "Faktor", "extension": factor})
    if (share := share_of(line)) is not None:
        parts.append(extension("MinderungP6GOAE", valueQuantity={"value": float(share), **PER_CENT}))
    return {"url": terms.SCHEDULE, "extension": parts}


def _own(line: Line) -> list[Resource]:
    """What the profile has no place for."""
    found: list[Resource] = []
    if line.duration_min is not None:
        told = {"value": line.duration_min, "unit": "min", "system": terms.UCUM, "code": "min"}
        found.append(extension(terms.DURATION, valueDuration=told))
    if line.illness:
        found.append(extension(terms.ILLNESS, valueString=line.illness))
    return found


def _reasons(line: PricedLine) -> list[Resource]:
    told = line.line
    found: list[Resource] = []
    if told.analogue:
        text = f"{told.analogue}, entsprechend Nr. {told.number} {line.name} (§ 6 Abs. 2 GOÄ)"
        found.append({"coding": [coding(terms.REASON, "analogue")], "text": text})
        if told.on_demand:
            text = "auf Verlangen erbracht (§ 1 Abs. 2 Satz 2 GOÄ)"
            found.append({"coding": [coding(terms.REASON, "on-demand")], "text": text})
    if told.justification:
        found.append({"text": told.justification})
    return found


def _period(line: Line, zone: str) -> Resource:
    """The day; with its time by the clinic's clock, where it has one."""
    if line.time is None:
        return {"start": line.date.isoformat(), "end": line.date.isoformat()}
    begins = datetime.combine(line.date, line.time, ZoneInfo(zone))
    ends = begins + timedelta(minutes=line.duration_min or 0)
    return {"start": begins.isoformat(), "end": ends.isoformat()}


def _day(day: str) -> Resource:
    return extension(terms.DAY, valueDate=day)


def _quantity(count: int) -> Resource:
    return {"value": count, "unit": "Anzahl", "system": terms.UCUM, "code": "{count}"}
