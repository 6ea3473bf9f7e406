"""Sums and days of an embedded invoice: what schema and rules of EN 16931 leave to the eye."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Final

from lxml import etree

from services.billing.papers.schematron import Problem

STANDARD: Final = "EN 16931-1 calculation (6.5.2)"
CENT: Final = Decimal("0.01")
_NAMESPACES: Final = {
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
}
_DAY: Final = "{*}DateTimeString"
_LINES: Final = ".//ram:IncludedSupplyChainTradeLineItem"
_SETTLED: Final = "ram:SpecifiedLineTradeSettlement"
_NET: Final = f"{_SETTLED}/ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount"
_EXTRAS: Final = f"{_SETTLED}/ram:SpecifiedTradeAllowanceCharge"
_PRICED: Final = "ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice"
_QUANTITY: Final = "ram:SpecifiedLineTradeDelivery/ram:BilledQuantity"
_TOTALS: Final = ".//ram:SpecifiedTradeSettlementHeaderMonetarySummation"
_CURRENCY: Final = ".//ram:ApplicableHeaderTradeSettlement/ram:InvoiceCurrencyCode"
_STATED: Final = (
    "LineTotalAmount", "ChargeTotalAmount", "AllowanceTotalAmount", "TaxBasisTotalAmount", "GrandTotalAmount",
    "TotalPrepaidAmount", "RoundingAmount", "DuePayableAmount",
)  # fmt: skip
Node = etree._Element  # noqa: SLF001  (lxml publishes the type of an element under no other name)


def problems(root: Node) -> list[Problem]:
    """Where a stated amount is not what its parts come to."""
    try:
        return [*_of_days(root), *_of_lines(root), *_of_totals(root)]
    except InvalidOperation:
        return [Problem(STANDARD, "amount", "an amount is no number")]


def _of_days(root: Node) -> list[Problem]:
    """Format 102 is year, month and day: the schema takes any text for it."""
    return [
        Problem(STANDARD, "UNTDID 2379, 102", f"{(one.text or '')[:40]!r} is no day like 20261122")
        for one in root.iter(_DAY)
        if one.get("format") == "102" and not _is_day(one.text or "")
    ]


def _is_day(text: str) -> bool:
    try:
        return f"{date.fromisoformat(text):%Y%m%d}" == text
    except ValueError:
        return False


def due(root: Node) -> Decimal:
    """What the invoice asks for (BT-115). Raises InvalidOperation when that is no number."""
    return _number(root, f"{_TOTALS}/ram:DuePayableAmount")


def _number(element: Node, path: str, otherwise: str = "0") -> Decimal:
    return Decimal((element.findtext(path, otherwise, _NAMESPACES) or "").strip())


def _extras(line: Node) -> Decimal:
    """Charges less allowances."""
    total = Decimal(0)
    for one in line.findall(_EXTRAS, _NAMESPACES):
        charge = (one.findtext("ram:ChargeIndicator/udt:Indicator", "", _NAMESPACES) or "").strip()
        amount = _number(one, "ram:ActualAmount")
        total += amount if charge in ("true", "1") else -amount
    return total


def _of_lines(root: Node) -> list[Problem]:
    found = []
    for line in root.findall(_LINES, _NAMESPACES):
        name = line.findtext("ram:AssociatedDocumentLineDocument/ram:LineID", "?", _NAMESPACES)
        base = _number(line, f"{_PRICED}/ram:BasisQuantity", "1") or Decimal(1)
        price = _number(line, f"{_PRICED}/ram:ChargeAmount")
        whole = (price * _number(line, _QUANTITY) / base).quantize(CENT, ROUND_HALF_UP)
        stated, worked_out = _number(line, _NET), whole + _extras(line)
        if stated != worked_out:
            found.append(_differs("BT-131", f"line {name}", stated, worked_out))
    return found


def _of_totals(root: Node) -> list[Problem]:
    totals = root.findall(_TOTALS, _NAMESPACES)
    if len(totals) != 1:
        return [Problem(STANDARD, "BG-22", f"there are {len(totals)} document totals; exactly one")]
    lines = sum((_number(line, _NET) for line in root.findall(_LINES, _NAMESPACES)), Decimal(0))
    stated = {name: _number(totals[0], f"ram:{name}") for name in _STATED}
    stated["TaxTotalAmount"] = _tax(root, totals[0])
    net = lines - stated["AllowanceTotalAmount"] + stated["ChargeTotalAmount"]
    gross = stated["TaxBasisTotalAmount"] + stated["TaxTotalAmount"]
    left = stated["GrandTotalAmount"] - stated["TotalPrepaidAmount"] + stated["RoundingAmount"]
    wanted = (
        ("BR-CO-10", "LineTotalAmount", lines),
        ("BR-CO-13", "TaxBasisTotalAmount", net),
        ("BR-CO-15", "GrandTotalAmount", gross),
        ("BR-CO-16", "DuePayableAmount", left),
    )
    return [
        _differs(rule, name, stated[name], value) for rule, name, value in wanted if stated[name] != value
    ]


def _tax(root: Node, totals: Node) -> Decimal:
    """The tax in the invoice's currency (BT-110); beside it may stand that of the books (BT-111)."""
    currency = root.findtext(_CURRENCY, "", _NAMESPACES).strip()
    found = totals.findall("ram:TaxTotalAmount", _NAMESPACES)
    mine = [one for one in found if one.get("currencyID", currency) == currency] or found
    return Decimal((mine[0].text or "").strip()) if mine else Decimal(0)


def _differs(rule: str, where: str, stated: Decimal, worked_out: Decimal) -> Problem:
    return Problem(STANDARD, rule, f"{where} states {stated}, its parts come to {worked_out}", where)
