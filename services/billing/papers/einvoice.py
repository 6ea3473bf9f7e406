"""The invoice for programs: UN/CEFACT Cross Industry Invoice, profile EN 16931 (ZUGFeRD, Factur-X).

BT and BG numbers are those of EN 16931-1. One category holds for all of it: E, exempt, because medical
treatment is (§ 4 Nr. 14 Buchst. a UStG, Article 132(1)(c) of Directive 2006/112/EC).
"""

from datetime import date
from decimal import Decimal
from typing import Final

from lxml import etree

from services.billing.models import Address, Clinic, Outlay, Paper, PricedLine
from services.billing.papers.content import in_order, outlays_in_order
from services.billing.papers.script import checked
from services.billing.papers.sums import Sums, sums
from services.billing.papers.wording import OUTLAYS, TAX, day, factor

NAMESPACES: Final = {
    "rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
    "qdt": "urn:un:unece:uncefact:data:standard:QualifiedDataType:100",
}
PROFILE: Final = "urn:cen.eu:en16931:2017"  # BT-24
# UNTDID 1001: 384, a corrected invoice, takes another one back with negative amounts and names it (BG-3);
# 381, a credit note, would state positive ones and be a document of its own kind.
TYPE_CODES: Final = {"invoice": "380", "cancellation": "384"}
TRANSFER: Final = "58"  # UNTDID 4461: SEPA credit transfer
PIECE: Final = "C62"  # UN/ECE Recommendation 20: one
EXEMPT: Final = "E"  # UNTDID 5305
EXEMPTION: Final = "VATEX-EU-132-1C"
CURRENCY: Final = "EUR"
ZERO: Final = "0.00"
Node = etree._Element  # noqa: SLF001  (lxml publishes the type of an element under no other name)
Child = Node | str | None


def xml(paper: Paper) -> bytes:
    """The whole invoice. Raises Invalid when its sums disagree."""
    told = sums(paper)
    root = _node(
        "rsm:CrossIndustryInvoice",
        _node(
            "rsm:ExchangedDocumentContext",
            _node("ram:GuidelineSpecifiedDocumentContextParameter", _text("ram:ID", PROFILE)),
        ),
        _document(paper),
        _node(
            "rsm:SupplyChainTradeTransaction",
            *_lines(paper, told),
            _agreement(paper),
            _delivery(paper),
            _settlement(paper, told),
        ),
    )
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _tag(name: str) -> str:
    prefix, _, local = name.partition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}"


def _node(name: str, *children: Child, **attributes: str) -> Node:
    """An element of its children; what is None is left out."""
    made = etree.Element(_tag(name), attributes, nsmap=NAMESPACES)
    for child in children:
        if isinstance(child, str):
            made.text = checked(child)
        elif child is not None:
            made.append(child)
    return made


def _text(name: str, value: str | None, **attributes: str) -> Node | None:
    return None if value is None else _node(name, value, **attributes)


def _day(name: str, value: date, *, qualified: bool = False) -> Node:
    """A day: format 102 of UNTDID 2379."""
    kind = "qdt:DateTimeString" if qualified else "udt:DateTimeString"
    return _node(name, _node(kind, f"{value:%Y%m%d}", format="102"))


def _money(name: str, value: Decimal, **attributes: str) -> Node:
    return _node(name, f"{value:.2f}", **attributes)


def _document(paper: Paper) -> Node:
    patient = f"Patient/in: {paper.patient.name}, geb. {day(paper.patient.birth_date, 'de')}"
    notes = [patient, f"Diagnose: {paper.diagnosis}" if paper.diagnosis else None, *paper.remarks]
    return _node(
        "rsm:ExchangedDocument",
        _text("ram:ID", paper.number),  # BT-1
        _text("ram:TypeCode", TYPE_CODES[paper.kind]),  # BT-3
        _day("ram:IssueDateTime", paper.issued_on),  # BT-2
        *(_node("ram:IncludedNote", _text("ram:Content", note)) for note in notes if note),  # BT-22
    )


def _lines(paper: Paper, told: Sums) -> list[Node]:
    """BG-25: the lines, then the outlays."""
    lines = [_line(at, line, told) for at, line in enumerate(in_order(paper.lines), 1)]
    first = len(lines) + 1
    return lines + [
        _outlay(at, outlay, told) for at, outlay in enumerate(outlays_in_order(paper.outlays), first)
    ]


def _line(at: int, line: PricedLine, told: Sums) -> Node:
    gross, reduction, amount = told.of(line)
    count = line.line.count
    return _item(
        at,
        note=f"Begründung: {line.line.justification}" if line.line.justification else None,
        product=_product(line),
        price=abs(gross) / count,
        count=count * told.sign,
        on=line.line.date,
        reduction=_reduction(reduction) if reduction else None,
        amount=amount,
    )


def _outlay(at: int, outlay: Outlay, told: Sums) -> Node:
    product = _node(
        "ram:SpecifiedTradeProduct",
        _text("ram:Name", outlay.text),
        _text(
            "ram:Description",
            f"Auslage: {OUTLAYS[outlay.kind]['de']}"
            + (f", Beleg: {outlay.receipt}" if outlay.receipt else ""),
        ),
    )
    return _item(
        at, note=None, product=product, price=abs(outlay.amount), count=told.sign, on=outlay.date,
        reduction=None, amount=told.of_outlay(outlay),
    )  # fmt: skip


def _item(
    at: int,
    *,
    note: str | None,
    product: Node,
    price: Decimal,
    count: int,
    on: date,
    reduction: Node | None,
    amount: Decimal,
) -> Node:
    """One line: of a cancellation the quantity is negative, the price never is (BR-27)."""
    return _node(
        "ram:IncludedSupplyChainTradeLineItem",
        _node(
            "ram:AssociatedDocumentLineDocument",
            _text("ram:LineID", str(at)),  # BT-126
            _node("ram:IncludedNote", _text("ram:Content", note)) if note else None,  # BT-127
        ),
        product,
        _node(
            "ram:SpecifiedLineTradeAgreement",
            _node("ram:NetPriceProductTradePrice", _text("ram:ChargeAmount", f"{price:f}")),  # BT-146
        ),
        _node(
            "ram:SpecifiedLineTradeDelivery", _text("ram:BilledQuantity", str(count), unitCode=PIECE)
        ),  # BT-129
        _node(
            "ram:SpecifiedLineTradeSettlement",
            _node(
                "ram:ApplicableTradeTax",
                _text("ram:TypeCode", "VAT"),
                _text("ram:CategoryCode", EXEMPT),  # BT-151
                _text("ram:RateApplicablePercent", "0"),
            ),
            _node(
                "ram:BillingSpecifiedPeriod", _day("ram:StartDateTime", on), _day("ram:EndDateTime", on)
            ),  # BG-26
            reduction,
            _node(
                "ram:SpecifiedTradeSettlementLineMonetarySummation",
                _money("ram:LineTotalAmount", amount),  # BT-131
            ),
        ),
    )


def _product(line: PricedLine) -> Node:
    """BG-31: the service; an analogue one by its own words, with the equivalent (§ 12 Abs. 4 GOÄ)."""
    told = line.line
    equivalent = f"{told.analogue}, entsprechend Nr. {told.number} GOÄ" if told.analogue else None
    properties = [
        ("GOÄ-Nummer", told.number),
        ("Faktor", factor(told.factor, "de")),
        ("Punkte", str(line.points) if line.points is not None else None),
        ("Abschnitt", line.section or None),
        ("entsprechend", f"Nr. {told.number} GOÄ: {line.name}" if told.analogue else None),
        ("Dauer in Minuten", str(told.duration_min) if told.duration_min else None),
        ("Mindestdauer in Minuten", str(line.minimum_min) if line.minimum_min else None),
        ("Uhrzeit", f"{told.time:%H:%M}" if told.time else None),
        ("Körperregion", told.body_part),
        ("auf Verlangen", "ja" if told.on_demand else None),
        ("Vereinbarung nach § 2 GOÄ", "ja" if told.agreed else None),
    ]
    return _node(
        "ram:SpecifiedTradeProduct",
        _text("ram:SellerAssignedID", told.number),  # BT-155
        _text("ram:Name", equivalent or line.name),  # BT-153
        _text("ram:Description", line.name if equivalent else None),  # BT-154
        *(
            _node(
                "ram:ApplicableProductCharacteristic",
                _text("ram:Description", name),
                _text("ram:Value", value),
            )
            for name, value in properties
            if value
        ),  # BG-32
    )


def _reduction(reduction: Decimal) -> Node:
    """BG-27: what § 6a takes off this line; taken off a negative line it is negative itself."""
    return _node(
        "ram:SpecifiedTradeAllowanceCharge",
        _node("ram:ChargeIndicator", _text("udt:Indicator", "false")),
        _money("ram:ActualAmount", reduction),  # BT-136
        _text("ram:Reason", "Minderung nach § 6a GOÄ"),  # BT-139
    )


def _agreement(paper: Paper) -> Node:
    recipient = paper.recipient
    return _node(
        "ram:ApplicableHeaderTradeAgreement",
        _seller(paper.clinic),
        _node(
            "ram:BuyerTradeParty",
            _text("ram:Name", recipient.name),  # BT-44
            _address(recipient.address),
            _email(recipient.email),
        ),
    )


def _seller(clinic: Clinic) -> Node:
    """BG-4; a doctor without VAT id is told apart by BT-29, as BR-CO-26 asks."""
    contact = [
        _text("ram:PersonName", clinic.doctor),  # BT-41
        _node("ram:TelephoneUniversalCommunication", _text("ram:CompleteNumber", clinic.phone))
        if clinic.phone
        else None,
        _node("ram:EmailURIUniversalCommunication", _text("ram:URIID", clinic.email))
        if clinic.email
        else None,
    ]
    return _node(
        "ram:SellerTradeParty",
        _text("ram:ID", clinic.identifier),  # BT-29
        _text("ram:Name", clinic.name),  # BT-27
        _text("ram:Description", clinic.speciality),  # BT-33
        _node("ram:DefinedTradeContact", *contact) if any(one is not None for one in contact) else None,
        _address(clinic.address) if clinic.address else None,
        _email(clinic.email),
        _registration("FC", clinic.tax_number),  # BT-32
        _registration("VA", clinic.vat_id),  # BT-31
    )


def _registration(scheme: str, value: str | None) -> Node | None:
    return _node("ram:SpecifiedTaxRegistration", _text("ram:ID", value, schemeID=scheme)) if value else None


def _email(value: str | None) -> Node | None:
    """BT-34, BT-49: an electronic address of the scheme EM."""
    return _node("ram:URIUniversalCommunication", _text("ram:URIID", value, schemeID="EM")) if value else None


def _address(address: Address) -> Node:
    return _node(
        "ram:PostalTradeAddress",
        _text("ram:PostcodeCode", address.postal_code),
        _text("ram:LineOne", address.street),
        _text("ram:CityName", address.city),
        _text("ram:CountryID", address.country),
    )


def _delivery(paper: Paper) -> Node:
    """BG-13: who was treated, and the last day of it (BT-72)."""
    return _node(
        "ram:ApplicableHeaderTradeDelivery",
        _node("ram:ShipToTradeParty", _text("ram:Name", paper.patient.name)),  # BT-70
        _node("ram:ActualDeliverySupplyChainEvent", _day("ram:OccurrenceDateTime", paper.period[1])),
    )


def _settlement(paper: Paper, told: Sums) -> Node:
    first, last = paper.period
    return _node(
        "ram:ApplicableHeaderTradeSettlement",
        _text("ram:PaymentReference", paper.number),  # BT-83
        _text("ram:InvoiceCurrencyCode", CURRENCY),  # BT-5
        _means(paper),
        _node(
            "ram:ApplicableTradeTax",
            _text("ram:CalculatedAmount", ZERO),  # BT-117
            _text("ram:TypeCode", "VAT"),
            _text("ram:ExemptionReason", TAX["de"]),  # BT-120
            _money("ram:BasisAmount", told.total),  # BT-116
            _text("ram:CategoryCode", EXEMPT),  # BT-118
            _text("ram:ExemptionReasonCode", EXEMPTION),  # BT-121
            _text("ram:RateApplicablePercent", "0"),
        ),
        _node(
            "ram:BillingSpecifiedPeriod", _day("ram:StartDateTime", first), _day("ram:EndDateTime", last)
        ),  # BG-14
        _terms(paper),
        _node(
            "ram:SpecifiedTradeSettlementHeaderMonetarySummation",
            _money("ram:LineTotalAmount", told.fees + told.outlays),  # BT-106
            _money("ram:TaxBasisTotalAmount", told.total),  # BT-109
            _text("ram:TaxTotalAmount", ZERO, currencyID=CURRENCY),  # BT-110
            _money("ram:GrandTotalAmount", told.total),  # BT-112
            _money("ram:DuePayableAmount", told.total),  # BT-115
        ),
        _cancelled(paper),
    )


def _means(paper: Paper) -> Node | None:
    """BG-16: where to pay; a cancellation asks for nothing."""
    clinic = paper.clinic
    if paper.kind != "invoice" or clinic.iban is None:
        return None
    return _node(
        "ram:SpecifiedTradeSettlementPaymentMeans",
        _text("ram:TypeCode", TRANSFER),  # BT-81
        _node(
            "ram:PayeePartyCreditorFinancialAccount",
            _text("ram:IBANID", clinic.iban.replace(" ", "")),  # BT-84
            _text("ram:AccountName", clinic.account_holder),  # BT-85
        ),
        _node("ram:PayeeSpecifiedCreditorFinancialInstitution", _text("ram:BICID", clinic.bic))
        if clinic.bic
        else None,
    )


def _terms(paper: Paper) -> Node | None:
    if paper.kind != "invoice":
        return None
    return _node(
        "ram:SpecifiedTradePaymentTerms",
        _text("ram:Description", f"Zahlbar bis {day(paper.due_on, 'de')} ohne Abzug"),  # BT-20
        _day("ram:DueDateDateTime", paper.due_on),  # BT-9
    )


def _cancelled(paper: Paper) -> Node | None:
    """BG-3: the invoice that this one takes back, by number and date."""
    if paper.cancels is None:
        return None
    return _node(
        "ram:InvoiceReferencedDocument",
        _text("ram:IssuerAssignedID", paper.cancels),  # BT-25
        _day("ram:FormattedIssueDateTime", paper.cancels_on, qualified=True)
        if paper.cancels_on
        else None,  # BT-26
    )
