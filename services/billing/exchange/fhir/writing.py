"""An invoice as the Digitale Patientenrechnung wants it: a Bundle of the Invoice and all that it names."""

from collections.abc import Iterator
from datetime import UTC
from decimal import Decimal
from typing import Final

from services.billing.exchange.fhir import people, positions, terms
from services.billing.exchange.fhir.terms import Resource, coding, concept, extension, money
from services.billing.invoices.models import Issued
from services.billing.models import Clinic, Paper
from services.billing.papers.sums import Sums, sums
from services.billing.papers.wording import money as money_words
from services.kit import fhir
from services.kit.moments import instant_of

NUMBERS: Final = "urn:spondyl:site:{site}:invoice-number"
NOTE: Final = (
    "Berechnet nach der Gebührenordnung für Ärzte (GOÄ). Umsatzsteuerfrei nach § 4 Nr. 14 Buchstabe a UStG."
)


def bundle(issued: Issued, cancellation: Issued | None = None, now: Clinic | None = None) -> Resource:
    """The invoice with everything that it names; ``cancellation`` took it back since.

    ``now``: the clinic's data of today, asked for the field of medicine alone. Raises Invalid when nothing
    says which, FhirInvalid when something does not fit FHIR.
    """
    paper = issued.paper
    told = sums(paper)
    field = people.speciality(paper.clinic, now)
    found = [
        _invoice(issued, told, field, cancellation),
        people.patient(paper),
        *([] if paper.patient_pays else [people.payer(paper)]),
        people.doctor(paper, field),
        people.clinic(paper, field),
        *_positions(paper),
    ]
    made: Resource = {
        "resourceType": "Bundle",
        "id": str(paper.id),
        "meta": {"profile": [f"{terms.PROFILE}/dipag-rechnungsbundle"]},
        "type": "collection",
        "timestamp": instant_of(issued.at_us).astimezone(UTC).isoformat(timespec="seconds"),
        "entry": [{"fullUrl": people.urn(one["id"]), "resource": one} for one in found],
    }
    return fhir.checked("Bundle", made)


def _invoice(issued: Issued, told: Sums, field: Resource, cancellation: Issued | None) -> Resource:
    paper = issued.paper
    made: Resource = {
        "resourceType": "Invoice",
        "id": people.key(paper, "invoice"),
        "identifier": [_number(paper)],
        "status": "issued",
        "type": {
            "coding": [
                coding(terms.KINDS, terms.FEE, "Gebührenordnung für Ärzte"),
                coding(terms.INVOICE_KINDS, "ABSCHLUSS", "Abschlussrechnung"),
            ]
        },
        "subject": {"reference": people.urn(people.key(paper, "patient"))},
        "recipient": _recipient(paper),
        "date": paper.issued_on.isoformat(),
        "participant": [_doctor(paper)],
        "issuer": {"reference": people.urn(people.key(paper, "clinic"))},
        "lineItem": list(_items(paper, told)),
        "totalPriceComponent": [_whole(told)],
        "totalNet": money(told.total),
        "totalGross": money(told.total),
        "extension": list(_extensions(issued, field)),
        **_payment(paper),
        "note": [{"text": text} for text in (NOTE, *paper.remarks)],
    }
    if cancellation is None:
        return made | {"meta": {"profile": [f"{terms.PROFILE}/dipag-rechnung"]}}
    # The profile fixes the status `issued`: an invoice that was taken back is none of it, and says so.
    why = f"storniert durch {cancellation.number}: {cancellation.reason or ''}".rstrip(": ")
    return made | {"status": "cancelled", "cancelledReason": why}


def _extensions(issued: Issued, field: Resource) -> Iterator[Resource]:
    paper = issued.paper
    first, last = paper.period
    yield extension(terms.PERIOD, valuePeriod={"start": first.isoformat(), "end": last.isoformat()})
    if paper.diagnosis:
        yield extension(terms.DIAGNOSIS, valueString=paper.diagnosis)
    stays = any(line.reduction for line in paper.lines)
    told = (
        coding(terms.ACTS, "IMP", "inpatient encounter") if stays else coding(terms.ACTS, "AMB", "ambulatory")
    )
    yield extension(terms.TREATMENT, valueCoding=told)
    yield extension(terms.SPECIALITY, valueCoding=field)
    if issued.cancels is not None:
        yield extension(terms.REPLACES, valueCanonical=people.urn(people.key_of(issued.cancels, "invoice")))


def _number(paper: Paper) -> Resource:
    return {
        "type": concept(terms.IDENTIFIER_TYPES, "invoice"),
        "system": NUMBERS.format(site=paper.site),
        "value": paper.number,
    }


def _recipient(paper: Paper) -> Resource:
    who = "patient" if paper.patient_pays else "payer"
    return {
        "reference": people.urn(people.key(paper, who)),
        "identifier": people.insured(paper if who == "patient" else None),
        "display": paper.recipient.name,
    }


def _doctor(paper: Paper) -> Resource:
    return {
        "role": concept(terms.ROLES, "leistungserbringer"),
        "actor": {"reference": people.urn(people.key(paper, "doctor"))},
    }


def _positions(paper: Paper) -> Iterator[Resource]:
    count = len(paper.lines)
    for sequence, line in enumerate(paper.lines, 1):
        yield positions.of_line(paper, line, sequence)
    for sequence, outlay in enumerate(paper.outlays, count + 1):
        yield positions.of_outlay(paper, outlay, sequence)


def _items(paper: Paper, told: Sums) -> Iterator[Resource]:
    """A row a position; what § 6a takes off is a deduction beside the fee."""
    rows: list[tuple[Decimal, Decimal]] = []
    for line in paper.lines:
        gross, reduction, _ = told.of(line)
        rows.append((gross, reduction))
    rows += [(told.of_outlay(outlay), Decimal(0)) for outlay in paper.outlays]
    for sequence, (amount, reduction) in enumerate(rows, 1):
        parts: list[Resource] = [{"type": "base", "amount": money(amount)}]
        if reduction:
            parts.append({"type": "deduction", "amount": money(-reduction)})
        position = people.urn(people.key(paper, f"position {sequence}"))
        yield {
            "sequence": sequence, "chargeItemReference": {"reference": position}, "priceComponent": parts,
        }  # fmt: skip


def _whole(told: Sums) -> Resource:
    """The sum of all positions, and of each of their kinds."""
    kinds = ((terms.FEE, told.fees), (terms.EXPENSE, told.outlays))
    return {
        "extension": [
            {
                "url": terms.PARTIAL_SUM,
                "extension": [
                    extension(
                        "type", valueCoding=coding(terms.POSITION_TYPES, kind, terms.POSITION_NAMES[kind])
                    ),
                    extension("summe", valueMoney=money(amount)),
                ],
            }
            for kind, amount in kinds
            if amount
        ],
        "type": "base",
        "code": concept(terms.SUMS, "SummeRechnungspositionen", "Summe aller Rechnungspositionen"),
        "amount": money(told.total),
    }


def _payment(paper: Paper) -> Resource:
    if paper.kind == "cancellation":
        words = f"Storno der Rechnung {paper.cancels} vom {paper.cancels_on:%d.%m.%Y}: nicht zu zahlen."
    else:
        words = f"{_account(paper.clinic)}Verwendungszweck {paper.number}, zahlbar bis "
        words += f"{paper.due_on:%d.%m.%Y} ohne Abzug: {money_words(paper.total, 'de')} EUR"
    until = extension(terms.PAY_UNTIL, valueDate=paper.due_on.isoformat())
    return {"paymentTerms": words, "_paymentTerms": {"extension": [until]}}


def _account(clinic: Clinic) -> str:
    """Whose account and where, for a transfer by hand: all that the page says."""
    if not clinic.iban:
        return ""
    holder = clinic.account_holder or clinic.name
    return f"Überweisung an {holder}, IBAN {clinic.iban}, " + (f"BIC {clinic.bic}, " if clinic.bic else "")
