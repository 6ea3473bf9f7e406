"""Letters in the house style of the invoices: estimates, fee agreements, reminders.

What law wants to be said in so many words stands here, once; everything else comes from whoever writes.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from services.billing.errors import Invalid, said
from services.billing.goae.lines import Factor, Words
from services.billing.models import Clinic, Frozen, Language, Money, Patient, PricedLine, Recipient
from services.billing.papers import content, rendering
from services.billing.papers.wording import PHRASES, day, factor, money, phrases, short_day
from services.kit.language import Text

Template = Literal["estimate", "agreement", "reminder"]
MOST_ROWS: Final = 2000


class Row(Frozen):
    """One line of a table; a column that no row of a table fills is not drawn."""

    date: dt.date | None = None
    number: str | None = None
    name: str
    notes: tuple[str, ...] = ()
    count: int | None = None
    factor: Factor | None = None
    amount: Money | None = None


class Section(Frozen):
    """A table with its heading, a word on it, and what it comes to."""

    title: Words | None = None
    note: str | None = None
    rows: tuple[Row, ...] = Field((), max_length=MOST_ROWS)
    total: Money | None = None
    total_label: Words | None = None


class Payment(Frozen):
    """How much is to be paid until when, under which reference; printed with the code for banking apps."""

    amount: Money
    due_on: dt.date
    reference: Words


class Letter(Frozen):
    """What a letter says. Texts are in the letter's language; the templates add what law wants."""

    clinic: Clinic
    recipient: Recipient | None = None  # none: no address is known; the patient's name alone
    patient: Patient | None = None
    issued_on: dt.date
    title: Words | None = None  # the template's own unless told
    facts: tuple[tuple[str, str], ...] = ()  # beside the address: label and value
    diagnosis: Words | None = None
    paragraphs: tuple[str, ...] = ()  # before the tables
    sections: tuple[Section, ...] = ()
    total: Money | None = None
    total_label: Words | None = None
    closing: tuple[str, ...] = ()  # after them
    payment: Payment | None = None
    signatures: tuple[str, ...] | None = None  # under each line; the template's own unless told


@dataclass(frozen=True, slots=True)
class Form:
    """What a template brings along."""

    title: Text
    number: Text  # heading of the numbers' column
    name: Text
    opening: Text
    closing: Text
    signatures: tuple[Text, ...]
    free: bool  # whether words of one's own may stand on it


_FORMS: Final[dict[Template, Form]] = {
    "estimate": Form(
        {"de": "Kostenvoranschlag", "en": "Estimate of costs"},
        {"de": "Nr. GOÄ", "en": "GOÄ no."},
        {"de": "Leistung", "en": "Service"},
        {
            "de": "Vor Beginn der Behandlung informiere ich Sie über die voraussichtlichen Kosten "
            "(§ 630c Abs. 3 BGB). Berechnet wird nach der Gebührenordnung für Ärzte (GOÄ).",
            "en": "Before treatment begins, this is what it is expected to cost (§ 630c(3) BGB). "
            "Fees follow the German fee schedule for physicians (GOÄ).",
        },
        {
            "de": "Ob und in welcher Höhe eine Versicherung oder die Beihilfe diese Kosten erstattet, ist "
            "nicht gesichert. Bitte klären Sie es vor Beginn der Behandlung mit Ihrer Erstattungsstelle.",
            "en": "Whether and how far an insurer or the Beihilfe reimburses these costs is not certain. "
            "Please ask them before treatment begins.",
        },
        (
            {
                "de": "Erhalten: Ort, Datum, Unterschrift Patient/in",
                "en": "Received: place, date, patient's signature",
            },
        ),
        free=True,
    ),
    # § 2 Abs. 2 Satz 2 and 3 GOÄ: number, name, factor, amount and this sentence, and nothing else.
    "agreement": Form(
        {
            "de": "Vereinbarung über die Gebührenhöhe nach § 2 GOÄ",
            "en": "Agreement on fees under § 2 GOÄ",
        },
        {"de": "Nr. GOÄ", "en": "GOÄ no."},
        {"de": "Leistung", "en": "Service"},
        {"de": "", "en": ""},
        {
            "de": "Eine Erstattung der Vergütung durch Erstattungsstellen ist möglicherweise nicht in vollem "
            "Umfang gewährleistet.",
            "en": "Reimbursement of the fee by insurers or other bodies may not be guaranteed in full.",
        },
        (
            {"de": "Ort, Datum, Unterschrift Ärztin/Arzt", "en": "Place, date, doctor's signature"},
            {
                "de": "Ort, Datum, Unterschrift Zahlungspflichtige/r",
                "en": "Place, date, signature of the person who pays",
            },
        ),
        free=False,
    ),
    "reminder": Form(
        {"de": "Zahlungserinnerung", "en": "Payment reminder"},
        {"de": "Rechnung", "en": "Invoice"},
        {"de": "Stand", "en": "Status"},
        {"de": "Sehr geehrte Damen und Herren,", "en": "Dear Sir or Madam,"},
        {
            "de": "Sollte sich Ihre Zahlung mit diesem Schreiben überschnitten haben, betrachten Sie es "
            "bitte als gegenstandslos.",
            "en": "If your payment has crossed with this letter, please disregard it.",
        },
        (),
        free=True,
    ),
}


def pdf(template: Template, values: Mapping[str, Any] | Letter, language: Language) -> bytes:
    """A letter as PDF/A-3b; an English one says that the German one counts.

    Raises Invalid for values that are none, for words of one's own on an agreement, or an undrawable letter.
    """
    form, letter = read(template, values)
    return rendering.page("letter", values_of(form, letter, language), letter.issued_on)


def row_of(line: PricedLine, language: Language, *, times: int = 1) -> Row:
    """A priced line as a row: an analogue one with its equivalent (§ 12 Abs. 4 GOÄ)."""
    name, notes = content.words_of(line, language)
    return Row(
        number=line.line.number, name=name, notes=tuple(notes), count=line.line.count * times,
        factor=line.line.factor, amount=line.amount * times,
    )  # fmt: skip


def read(template: Template, values: Mapping[str, Any] | Letter) -> tuple[Form, Letter]:
    """The template and the letter. Raises Invalid as ``pdf`` does."""
    letter, form = _read(values), _FORMS[template]
    if not form.free and (letter.paragraphs or letter.closing or letter.payment or letter.title):
        raise _nothing_else()
    return form, letter


def _read(values: Mapping[str, Any] | Letter) -> Letter:
    if isinstance(values, Letter):
        return values
    try:
        return Letter.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise said(
            Invalid,
            {"de": f"Schreiben: {where}: {first['msg']}.", "en": f"letter: {where}: {first['msg']}"},
        ) from None


def _nothing_else() -> Invalid:
    return said(
        Invalid,
        {
            "de": "Eine Honorarvereinbarung darf außer Nummer, Bezeichnung, Steigerungssatz, Betrag und dem "
            "Hinweis zur Erstattung keine weiteren Erklärungen enthalten (§ 2 Abs. 2 Satz 3 GOÄ).",
            "en": "a fee agreement may hold nothing but number, name, factor, amount and the note on "
            "reimbursement (§ 2(2) sentence 3 GOÄ)",
        },
    )


def values_of(form: Form, letter: Letter, language: Language) -> dict[str, Any]:
    """What the letter's page sets."""
    say = phrases(language)
    signatures = letter.signatures
    if signatures is None:
        signatures = tuple(text[language] for text in form.signatures)
    about = content.about(letter.patient, letter.diagnosis, language) if letter.patient else []
    return {
        "language": language,
        "say": {**say, "item": form.number[language], "service": form.name[language]},
        "title": letter.title or form.title[language],
        "copy": say["letter_copy"] if language == "en" else None,
        "letterhead": content.letterhead(letter.clinic, language),
        "recipient": _addressed(letter, language),
        "facts": [[say["date"], day(letter.issued_on, language)], *(list(fact) for fact in letter.facts)],
        "about": about,
        "paragraphs": [text for text in (form.opening[language], *letter.paragraphs) if text],
        "sections": [_section(section, language) for section in letter.sections],
        "total": _total(letter.total, letter.total_label or say["sum"], language),
        "closing": [*letter.closing, form.closing[language]],
        "payment": _payment(letter, language),
        "signatures": list(signatures),
    }


def _addressed(letter: Letter, language: Language) -> list[str]:
    if letter.recipient is not None:
        return content.address_lines(letter.recipient, language)
    return [letter.patient.name] if letter.patient else []


def _section(section: Section, language: Language) -> dict[str, Any]:
    rows = [_row(row, language) for row in section.rows]
    names = ("day", "item", "count", "factor", "amount")
    columns = [name for name in names if any(row[name] for row in rows)]
    return {
        "title": section.title,
        "note": section.note,
        "columns": columns,
        "rows": rows,
        "total": _total(section.total, section.total_label or PHRASES["sum"][language], language),
    }


def _row(row: Row, language: Language) -> dict[str, Any]:
    return {
        "day": short_day(row.date, language) if row.date else "",
        "item": row.number or "",
        "name": row.name,
        "notes": list(row.notes),
        "count": "" if row.count is None else str(row.count),
        "factor": "" if row.factor is None else factor(row.factor, language),
        "amount": "" if row.amount is None else money(row.amount, language),
    }


def _total(amount: Decimal | None, label: str, language: Language) -> list[str] | None:
    return None if amount is None else [label, money(amount, language)]


def _payment(letter: Letter, language: Language) -> dict[str, Any] | None:
    told = letter.payment
    if told is None:
        return None
    return content.payment(letter.clinic, told.amount, told.due_on, told.reference, language)
