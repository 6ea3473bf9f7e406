"""An Invoice or Bundle of the Digitale Patientenrechnung as a sheet that can be checked.

Positions of other fee schedules, laboratories and journeys stay lines under a number that the GOÄ lacks: they
are not recalculated, and what is printed for them counts. An invoice with a negative total takes another one
back: it is read with its signs turned round.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from pydantic import ValidationError

from services.billing.errors import Invalid, said
from services.billing.exchange.fhir import terms
from services.billing.exchange.fhir.terms import extensions, rows, value_of
from services.billing.goae.sheet import Sheet
from services.kit import fhir
from services.kit.language import Text

Object = Mapping[str, Any]
KNOWN: Final = ("Invoice", "Bundle")
LONGEST: Final = 500
MOST_DIGITS: Final = 12  # before or behind the point
OTHERS: Final[Mapping[str, str]] = {  # what stands for a number, by the kind of the position
    "GOZ": "GOZ", "BEMA": "BEMA", "EigenlaborleistungMaterial": "Labor", "Fremdlaborleistung": "Labor",
    "WegegeldReiseentschaedigung": "Wegegeld",
}  # fmt: skip
TREATMENTS: Final[Mapping[Decimal, str]] = {Decimal(25): "inpatient", Decimal(15): "attending"}


@dataclass(frozen=True, slots=True)
class Position:
    """A row of the invoice with the ChargeItem that it names."""

    sequence: int
    item: Object
    amount: Decimal | None
    reduction: Decimal
    tax: Decimal

    @property
    def kind(self) -> str:
        """GOÄ, GOZ, SachkostenAuslagen and so on; a GOÄ code without a kind is one of GOÄ."""
        told = fhir.text_of(_object(value_of(self.item, terms.POSITION_TYPE)), "code")
        return told or (terms.FEE if self.goae else "")

    @property
    def goae(self) -> str:
        """Its number in the GOÄ."""
        return _code(self.item.get("code"), terms.GOAE)


@dataclass(frozen=True, slots=True)
class Read:
    """An invoice of a file: the Invoice, its positions, and whether it takes another one back."""

    invoice: Object
    positions: tuple[Position, ...]
    sign: int

    @property
    def tax(self) -> Decimal:
        """Of all positions."""
        return sum((one.tax for one in self.positions), Decimal(0))

    @property
    def net(self) -> Decimal | None:
        """As it is printed."""
        return _turned(amount_of(self.invoice.get("totalNet")), self.sign)

    @property
    def gross(self) -> Decimal | None:
        """As it is printed."""
        return _turned(amount_of(self.invoice.get("totalGross")), self.sign)

    @property
    def total(self) -> Decimal | None:
        """What the positions should come to: amounts of positions are without tax, where there is one."""
        return self.net if self.tax else self.gross


def knows(told: Object) -> bool:
    """Whether this is FHIR that might be an invoice."""
    return told.get("resourceType") in KNOWN


def sheet(told: Object) -> Sheet:
    """The invoice in it. Raises Invalid for no invoice, more than one, or what FHIR does not allow."""
    found = read(told)
    lines = [_line(one, found) for one in found.positions if one.kind != terms.EXPENSE]
    outlays = [_outlay(one, found) for one in found.positions if one.kind == terms.EXPENSE]
    taken_off = sum((one.reduction for one in found.positions), Decimal(0))
    shares = [share for one in found.positions if (share := _share(one.item)) is not None]
    tariffs = {_factor_reason(one.item) for one in found.positions}
    body = {
        "number": _number(found.invoice), "date": str(found.invoice.get("date") or "")[:10] or None,
        "lines": lines, "outlays": outlays, "tariff": "standard" if "ST" in tariffs else "private",
        "treatment": TREATMENTS.get(max(shares, default=Decimal(0)), "outpatient"),
        "reduction": taken_off or None,
        "total": found.total,
    }  # fmt: skip
    try:
        return Sheet.model_validate(body)
    except ValidationError as error:
        row = error.errors(include_url=False)[0]
        place = ".".join(map(str, row["loc"])) or "Invoice"
        raise _refused(place, f"{row['msg']} ({str(row['input'])[:60]})") from None


def read(told: Object) -> Read:
    """The Invoice with its positions in their order. Raises Invalid."""
    resources = _resources(told)
    invoices = [one for one in resources.values() if one.get("resourceType") == "Invoice"]
    if len(invoices) != 1:
        raise _refused("Bundle", f"{len(invoices)} x Invoice, 1 is needed (dipag-rechnungsbundle)")
    invoice = invoices[0]
    total = amount_of(invoice.get("totalGross"))
    sign = -1 if total is not None and total < 0 else 1
    listed = sorted(rows(invoice, "lineItem"), key=lambda row: int(row.get("sequence") or 0))
    found = tuple(_position(row, resources, sign) for row in listed)
    return Read(invoice, found, sign)


def _resources(told: Object) -> dict[str, Object]:
    """Every resource by each name that references may use; FHIR's own rules hold for the whole file."""
    kind: fhir.Kind = "Bundle" if told.get("resourceType") == "Bundle" else "Invoice"
    try:
        fhir.checked(kind, told)
    except fhir.FhirInvalid as error:
        raise _refused(kind, error.message[:400]) from None
    if kind == "Invoice":
        inside = {f"#{one.get('id')}": one for one in rows(told, "contained")}
        return {"": told, **inside}
    found: dict[str, Object] = {}
    for entry in rows(told, "entry"):
        resource = entry.get("resource")
        name = str(entry.get("fullUrl") or f"#{len(found)}")
        if name in found:
            raise _refused("Bundle", f"fullUrl {name[:80]!r} stands twice")
        if isinstance(resource, Mapping):
            found[name] = resource
    return found


def _position(row: Object, resources: Mapping[str, Object], sign: int) -> Position:
    sequence = int(row.get("sequence") or 0)
    named = fhir.text_of(row, "chargeItemReference", "reference")
    item = _resolved(named, resources)
    if item is None and "chargeItemCodeableConcept" in row:
        item = {"code": row["chargeItemCodeableConcept"]}
    if item is None:
        raise _refused(f"lineItem {sequence}", f"ChargeItem {named!r} is not in the file")
    prices = rows(row, "priceComponent")
    base = [amount_of(price.get("amount")) for price in prices if price.get("type") == "base"]
    less = [amount_of(price.get("amount")) for price in prices if price.get("type") == "deduction"]
    tax = [amount_of(price.get("amount")) for price in prices if price.get("type") == "tax"]
    amount = sum((one for one in base if one is not None), Decimal(0)) if base else None
    reduction = sum((abs(one) for one in less if one is not None), Decimal(0))
    whole_tax = sum((one for one in tax if one is not None), Decimal(0))
    return Position(sequence, item, _turned(amount, sign), reduction, whole_tax * sign)


def _resolved(named: str, resources: Mapping[str, Object]) -> Object | None:
    """By its whole address, or by kind and id as `ChargeItem/7`."""
    if named in resources:
        return resources[named]
    kind, _, identity = named.rpartition("/")
    kind = kind.rpartition("/")[2]
    same = (one for one in resources.values() if one.get("id") == identity)
    return next((one for one in same if one.get("resourceType") == kind), None)


def _line(one: Position, found: Read) -> dict[str, Any]:
    item = one.item
    reasons = rows(item, "reason")
    addition = fhir.text_of(_object(value_of(item, terms.ADDITION)), "code")
    is_analogue = addition == "A" or _marked(reasons, "analogue")
    told = {
        **_when(one, found),
        "number": one.goae or _elsewhere(one),
        "analogue": _described(item, reasons) if is_analogue else None,
        "factor": _factor(one),
        "count": _count(one),
        "justification": _joined(reasons),
        "on_demand": addition == "V" or _marked(reasons, "on-demand"),
        "agreed": _factor_reason(item) == "HV",
        "duration_min": (_object(value_of(item, terms.DURATION)) or {}).get("value"),
        "body_part": next((text for place in rows(item, "bodysite") if (text := place.get("text"))), None),
        "illness": value_of(item, terms.ILLNESS),
        "amount": one.amount,
    }
    return {name: value for name, value in told.items() if value is not None}


def _factor(one: Position) -> str:
    """Its factor; positions of other fee schedules need none. Raises Invalid for one of the GOÄ without."""
    told = value_of(one.item, terms.SCHEDULE, "Faktor", "Value")
    if told is None and one.goae:
        raise _refused(f"lineItem {one.sequence}", "no Faktor (§ 12 Abs. 2 Nr. 2 GOÄ)")
    return "1" if told is None else str(told)


def _outlay(one: Position, found: Read) -> dict[str, Any]:
    item = one.item
    text = fhir.text_of(item, "code", "text") or fhir.text_of(item, "productCodeableConcept", "text")
    return {
        "date": _when(one, found)["date"], "kind": value_of(item, terms.OUTLAY) or "material",
        "text": (text or "-")[:LONGEST], "amount": one.amount or Decimal(0),
        "receipt": value_of(item, terms.RECEIPT) is not None,
    }  # fmt: skip


def _when(one: Position, found: Read) -> dict[str, Any]:
    """The day of the service, and its time where it has one. Raises Invalid without a day."""
    period = _object(one.item.get("occurrencePeriod")) or {}
    begins = str(period.get("start") or one.item.get("occurrenceDateTime") or "")
    whole = _object(value_of(found.invoice, terms.PERIOD)) or {}
    day = value_of(one.item, terms.DAY) or begins[:10] or value_of(found.invoice, terms.PERIOD)
    if isinstance(day, Mapping):
        day = whole.get("start") if whole.get("start") == whole.get("end") else None
    if not day:
        raise _refused(f"lineItem {one.sequence}", "no Behandlungsdatum (§ 12 Abs. 2 Nr. 1 GOÄ)")
    time = begins[11:19] if len(begins) > len("2026-11-23T09:30") else None
    return {"date": str(day), **({"time": time} if time else {})}


def _described(item: Object, reasons: list[Object]) -> str | None:
    """What an analogue service was: its text, or the reason that the profile asks for."""
    told = fhir.text_of(item, "code", "text") or next((str(row.get("text") or "") for row in reasons), "")
    return told[:LONGEST] or "-"


def _joined(reasons: list[Object]) -> str | None:
    """The reasons but those that repeat what the line says already."""
    told = [str(row["text"]) for row in reasons if row.get("text") and not _code(row, terms.REASON)]
    return "; ".join(told)[:LONGEST] or None


def _marked(reasons: list[Object], code: str) -> bool:
    return any(_code(row, terms.REASON) == code for row in reasons)


def _elsewhere(one: Position) -> str:
    """What stands in place of a number for a position that the GOÄ does not have."""
    codes = [str(row.get("code") or "") for row in rows(one.item.get("code"), "coding")]
    return f"{OTHERS.get(one.kind, one.kind) or '?'} {''.join(codes[:1])}".strip()[:12]


def _count(one: Position) -> int:
    told = (_object(one.item.get("quantity")) or {}).get("value", 1)
    count = decimal_of(told)
    if count is None or count != int(count):
        raise _refused(f"lineItem {one.sequence}", f"quantity is {str(told)[:20]}")
    return int(count)


def _factor_reason(item: Object) -> str:
    """HV, ST and so on; where older versions had it, too."""
    schedule = next(extensions(item, terms.SCHEDULE), None)
    told = value_of(schedule, "Faktor", "FaktorGrund") or value_of(schedule, "FaktorGrund")
    return fhir.text_of(_object(told), "code")


def _share(item: Object) -> Decimal | None:
    told = _object(value_of(item, terms.SCHEDULE, "MinderungP6GOAE")) or {}
    return decimal_of(told.get("value"))


def _number(invoice: Object) -> str | None:
    """The invoice's number: the identifier of that kind, or the only one."""
    told = rows(invoice, "identifier")
    named = [one for one in told if _code(one.get("type"), terms.IDENTIFIER_TYPES) == "invoice"]
    return next((str(one["value"]) for one in named or told if one.get("value")), None)


def codes(concept: Any) -> Iterator[tuple[str, str]]:
    """System and code of every coding of a concept."""
    for one in rows(concept, "coding"):
        yield str(one.get("system") or ""), str(one.get("code") or "")


def _code(concept: Any, system: str) -> str:
    return next((code for of, code in codes(concept) if of == system), "")


def _object(value: Any) -> Object | None:
    return value if isinstance(value, Mapping) else None


def amount_of(told: Any) -> Decimal | None:
    """Euro of a Money. Raises Invalid for another currency."""
    value = _object(told)
    if value is None:
        return None
    if value.get("currency", "EUR") != "EUR":
        raise _refused("Money", f"currency is {str(value['currency'])[:10]}: EUR is needed")
    return decimal_of(value.get("value"))


def decimal_of(told: Any) -> Decimal | None:
    """A number; None for what is none. Raises Invalid for one that nobody could work with."""
    try:
        found = None if told is None or isinstance(told, bool) else Decimal(str(told))
    except InvalidOperation:
        return None
    if found is None or not found.is_finite():
        return None
    if found and abs(found.adjusted()) > MOST_DIGITS:  # 1e999999 as a whole number fills the memory
        raise _refused("value", f"{str(told)[:20]} is beyond {MOST_DIGITS} digits")
    return found


def _turned(amount: Decimal | None, sign: int) -> Decimal | None:
    return None if amount is None else amount * sign


def _refused(place: str, what: str) -> Invalid:
    words: Text = {
        "de": f"{place}: {what} (Digitale Patientenrechnung, FHIR R4)",
        "en": f"{place}: {what} (Digitale Patientenrechnung, FHIR R4)",
    }
    return said(Invalid, words, field=place)
