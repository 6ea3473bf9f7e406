"""What stands on an invoice: everything that § 12 GOÄ asks for, as the words and numbers to be set."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from services.billing.goae import charges
from services.billing.models import Address, Clinic, Language, Outlay, Paper, Patient, PricedLine, Recipient
from services.billing.papers import girocode
from services.billing.papers.sums import ZERO, Sums, sums
from services.billing.papers.wording import OUTLAYS, TAX, country, day, factor, money, phrases, short_day

EN_DASH: Final = "\N{EN DASH}"
RECEIPT_FROM: Final = Decimal("25.56")  # § 12 Abs. 2 Nr. 5 GOÄ: above it the receipt comes with the invoice


def invoice(paper: Paper, *, language: Language, is_copy: bool) -> dict[str, Any]:
    """The values that the page's template sets. Raises Invalid when the sums disagree."""
    told = sums(paper)
    say = phrases(language)
    return {
        "language": language,
        "say": say,
        "title": f"{say[paper.kind]} {paper.number}",
        "copy": say["copy"] if is_copy else None,
        "letterhead": letterhead(paper.clinic, language),
        "recipient": address_lines(paper.recipient, language),
        "facts": _facts(paper, say, language),
        "about": about(paper.patient, paper.diagnosis, language),
        "cancels": _cancels(paper, language),
        "intro": say["greeting"] if paper.kind == "invoice" else None,
        "rows": _rows(paper, told, language),
        "sums": _closing(paper, told, say, language),
        "tax": f"{TAX[language]}.",
        "remarks": list(paper.remarks),
        "payment": _payment(paper, language),
    }


def letterhead(clinic: Clinic, language: Language) -> dict[str, Any]:
    """Head, return line and foot of every paper of a clinic."""
    say = phrases(language)
    address = one_line(clinic.address)
    reach = [
        f"{say['phone']} {clinic.phone}" if clinic.phone else None,
        clinic.email,
        clinic.website,
    ]
    bank = [
        f"{say['holder']}: {clinic.account_holder}" if clinic.account_holder else None,
        f"IBAN {spaced(clinic.iban)}" if clinic.iban else None,
        " ".join(part for part in (f"BIC {clinic.bic}" if clinic.bic else "", clinic.bank or "") if part)
        or None,
    ]
    tax = [
        f"{say['tax_number']} {clinic.tax_number}" if clinic.tax_number else None,
        f"{say['vat_id']} {clinic.vat_id}" if clinic.vat_id else None,
        f"{say['identifier']} {clinic.identifier}" if clinic.identifier else None,
    ]
    who = [clinic.name, *address_of(clinic.address, language)]
    return {
        "name": clinic.name,
        "doctor": clinic.doctor,
        "speciality": clinic.speciality,
        "address": address_of(clinic.address, language),
        "reach": _present(reach),
        "return_line": " · ".join([clinic.name, *([address] if address else [])]),
        "foot": [_present(who), _present(reach), _present(bank), _present(tax)],
    }


def address_lines(recipient: Recipient, language: Language) -> list[str]:
    """The address as DIN 5008 sets it: name, street, place, and the country where it is another."""
    return [recipient.name, *address_of(recipient.address, language)]


def address_of(address: Address | None, language: Language) -> list[str]:
    """Street, place and country of an address."""
    if address is None:
        return []
    lines = [address.street, f"{address.postal_code} {address.city}", country(address.country, language)]
    return _present(lines)


def one_line(address: Address | None) -> str:
    """An address in one line, as it stands above the recipient's."""
    return "" if address is None else f"{address.street}, {address.postal_code} {address.city}"


def spaced(iban: str) -> str:
    """An IBAN in groups of four."""
    tight = iban.replace(" ", "")
    return " ".join(tight[at : at + 4] for at in range(0, len(tight), 4))


def _present(parts: Sequence[str | None]) -> list[str]:
    return [part for part in parts if part]


def _facts(paper: Paper, say: dict[str, str], language: Language) -> list[list[str]]:
    first, last = paper.period
    span = (
        day(first, language) if first == last else f"{day(first, language)} {EN_DASH} {day(last, language)}"
    )
    due = [[say["due_on"], day(paper.due_on, language)]] if paper.kind == "invoice" else []
    return [
        [say["number"], paper.number],
        [say["issued_on"], day(paper.issued_on, language)],
        [say["treatment"], span],
        *due,
    ]


def about(patient: Patient, diagnosis: str | None, language: Language) -> list[list[str]]:
    """Who was treated, and for what."""
    say = phrases(language)
    born = f"{patient.name}, {say['born']} {day(patient.birth_date, language)}"
    return [[say["patient"], born], *([[say["diagnosis"], diagnosis]] if diagnosis else [])]


def _cancels(paper: Paper, language: Language) -> str | None:
    """Which paper it takes back, by number and date (EN 16931 BT-25, BT-26)."""
    if paper.kind != "cancellation":
        return None
    on = f"{day(paper.cancels_on, language)}" if paper.cancels_on else ""
    if language == "de":
        dated = f" vom {on}" if on else ""
        return f"Diese Stornorechnung hebt die Rechnung Nr. {paper.cancels}{dated} vollständig auf."
    dated = f" of {on}" if on else ""
    return f"This cancellation takes back invoice no. {paper.cancels}{dated} in full."


def _rows(paper: Paper, told: Sums, language: Language) -> list[dict[str, Any]]:
    """Lines, then outlays, in order of their days; each with what it all comes to so far."""
    rows: list[dict[str, Any]] = []
    running = ZERO
    for line in in_order(paper.lines):
        gross, reduction, _ = told.of(line)
        running += gross
        rows.append({**_line_row(line, gross, language), "running": money(running, language)})
        if reduction:
            running -= reduction
            rows.append({**_reduction_row(reduction, language), "running": money(running, language)})
    for outlay in outlays_in_order(paper.outlays):
        amount = told.of_outlay(outlay)
        running += amount
        rows.append({**_outlay_row(outlay, amount, language), "running": money(running, language)})
    return rows


def in_order(lines: Sequence[PricedLine]) -> list[PricedLine]:
    """By day, within a day as the paper has them."""
    return sorted(lines, key=lambda one: one.line.date)


def outlays_in_order(outlays: Sequence[Outlay]) -> list[Outlay]:
    """The same of what was bought."""
    return sorted(outlays, key=lambda one: one.date)


def _line_row(line: PricedLine, gross: Decimal, language: Language) -> dict[str, Any]:
    name, notes = words_of(line, language)
    return {
        "day": short_day(line.line.date, language), "number": line.line.number, "name": name, "notes": notes,
        "count": str(line.line.count), "factor": factor(line.line.factor, language),
        "amount": money(gross, language), "part": False,
    }  # fmt: skip


def _reduction_row(reduction: Decimal, language: Language) -> dict[str, Any]:
    """What § 6a takes off the line above (§ 12 Abs. 2 Nr. 3 GOÄ)."""
    return {
        "day": "", "number": "", "name": phrases(language)["reduction"], "notes": [], "count": "",
        "factor": "", "amount": money(-reduction, language), "part": True,
    }  # fmt: skip


def _outlay_row(outlay: Outlay, amount: Decimal, language: Language) -> dict[str, Any]:
    say = phrases(language)
    notes = [OUTLAYS[outlay.kind][language]]
    if outlay.receipt:
        notes.append(f"{say['receipt']}: {outlay.receipt}")
    if outlay.amount > RECEIPT_FROM:
        notes.append(say["receipt_enclosed"])
    return {
        "day": short_day(outlay.date, language), "number": "§ 10", "name": outlay.text, "notes": notes,
        "count": "1", "factor": "", "amount": money(amount, language), "part": False,
    }  # fmt: skip


def words_of(line: PricedLine, language: Language) -> tuple[str, list[str]]:
    """What a line is called, and what § 12 Abs. 2 to 4 GOÄ want to be said of it below.

    An analogue service has its own words, then "entsprechend" with number and name of the equivalent. A copy
    in English translates what sessions are charged with; what somebody wrote stays as it is.
    """
    say, told = phrases(language), line.line
    own = charges.in_english if language == "en" else str
    equivalent = f"{say['equivalent']} Nr. {told.number} GOÄ: {line.name}" if told.analogue else None
    least = f"{say['at_least']} {line.minimum_min} {say['minutes']}" if line.minimum_min else ""
    lasted = f"{told.duration_min} {say['minutes']}" if told.duration_min else ""
    both = f"{lasted} ({least})" if lasted and least else lasted or least
    facts = [
        f"{told.time:%H:%M} {say['clock']}" if told.time else None,
        f"{say['duration']}: {both}" if both else None,
        f"{say['body_part']}: {own(told.body_part)}" if told.body_part else None,
    ]
    notes = [
        equivalent,
        " · ".join(_present(facts)),
        say["on_demand"] if told.on_demand else None,
        say["agreed"] if told.agreed else None,
        f"{say['justification']}: {own(told.justification)}" if told.justification else None,
    ]
    return own(told.analogue) if told.analogue else line.name, _present(notes)


def _closing(paper: Paper, told: Sums, say: dict[str, str], language: Language) -> list[list[str]]:
    """The sums below the table; the last is what is to be paid."""
    total = say["total" if paper.kind == "invoice" else "credited"]
    parts = [
        [say["fees"], money(told.fees, language)],
        [say["outlays"], money(told.outlays, language)],
    ]
    return [*(parts if paper.outlays else []), [total, money(told.total, language)]]


def _payment(paper: Paper, language: Language) -> dict[str, Any] | None:
    """How to pay; nothing on a cancellation."""
    if paper.kind != "invoice" or paper.total <= 0:
        return None
    return payment(paper.clinic, paper.total, paper.due_on, paper.number, language)


def payment(
    clinic: Clinic, total: Decimal, due_on: date, reference: str, language: Language
) -> dict[str, Any] | None:
    """Words, account and code for paying; nothing without an account."""
    if clinic.iban is None:
        return None
    say = phrases(language)
    holder = clinic.account_holder or clinic.name
    due, amount = day(due_on, language), money(total, language)
    text = {
        "de": f"Bitte überweisen Sie {amount} € bis zum {due} unter Angabe des Verwendungszwecks.",
        "en": f"Please transfer {amount} € by {due}, quoting the payment reference.",
    }[language]
    facts = [
        [say["holder"], holder],
        ["IBAN", spaced(clinic.iban)],
        *([["BIC", clinic.bic]] if clinic.bic else []),
        [say["reference"], reference],
    ]
    code = girocode.svg(holder, clinic.iban, clinic.bic, total, reference)
    return {"text": text, "facts": facts, "code": code, "code_text": say["giro_code"]}
