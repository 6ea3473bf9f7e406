"""How numbers, days and fixed phrases read on paper, in German and in English."""

from datetime import date
from decimal import Decimal
from typing import Final

from babel import Locale

from services.billing.models import Language
from services.kit.language import Table, Text

MINUS: Final = "\N{MINUS SIGN}"
_MONEY_SIGNS: Final[dict[Language, tuple[str, str]]] = {"de": (".", ","), "en": (",", ".")}

TAX: Final[Text] = {
    "de": "Umsatzsteuerfrei nach § 4 Nr. 14 Buchst. a UStG",
    "en": "Exempt from VAT under § 4 no. 14 a UStG",
}
OUTLAYS: Final[Table] = {  # the kinds of § 10 Abs. 1 Satz 1 GOÄ, which § 12 Abs. 2 Nr. 5 GOÄ wants named
    "material": {
        "de": "Arznei-, Verbandmittel, Material (§ 10 Abs. 1 Satz 1 Nr. 1 GOÄ)",
        "en": "medicines, dressings, materials (§ 10(1) no. 1 GOÄ)",
    },
    "shipping": {
        "de": "Versand, Porto (§ 10 Abs. 1 Satz 1 Nr. 2 GOÄ)",
        "en": "shipping, postage (§ 10(1) no. 2 GOÄ)",
    },
    "radioactive": {
        "de": "radioaktive Stoffe (§ 10 Abs. 1 Satz 1 Nr. 3 GOÄ)",
        "en": "radioactive substances (§ 10(1) no. 3 GOÄ)",
    },
    "listed": {
        "de": "nach dem Gebührenverzeichnis gesondert berechnungsfähig (§ 10 Abs. 1 Satz 1 Nr. 4 GOÄ)",
        "en": "charged apart under the fee schedule (§ 10(1) no. 4 GOÄ)",
    },
}
PHRASES: Final[Table] = {
    "invoice": {"de": "Rechnung", "en": "Invoice"},
    "cancellation": {"de": "Stornorechnung", "en": "Cancellation invoice"},
    "number": {"de": "Rechnungsnummer", "en": "Invoice number"},
    "issued_on": {"de": "Rechnungsdatum", "en": "Invoice date"},
    "date": {"de": "Datum", "en": "Date"},
    "treatment": {"de": "Behandlung", "en": "Treatment"},
    "due_on": {"de": "Zahlbar bis", "en": "Due on"},
    "patient": {"de": "Patient/in", "en": "Patient"},
    "born": {"de": "geb.", "en": "born"},
    "diagnosis": {"de": "Diagnose", "en": "Diagnosis"},
    "day": {"de": "Datum", "en": "Date"},
    "item": {"de": "Nr. GOÄ", "en": "GOÄ no."},
    "service": {"de": "Leistung", "en": "Service"},
    "count": {"de": "Anz.", "en": "Qty"},
    "factor": {"de": "Faktor", "en": "Factor"},
    "amount": {"de": "Betrag €", "en": "Amount €"},
    "carried": {"de": "Übertrag", "en": "Carried forward"},
    "fees": {"de": "Summe der Gebühren", "en": "Fees"},
    "outlays": {"de": "Auslagen nach § 10 GOÄ", "en": "Outlays under § 10 GOÄ"},
    "total": {"de": "Rechnungsbetrag", "en": "Invoice total"},
    "credited": {"de": "Stornobetrag", "en": "Total cancelled"},
    "page": {"de": "Seite", "en": "Page"},
    "of": {"de": "von", "en": "of"},
    "phone": {"de": "Tel.", "en": "Tel."},
    "tax_number": {"de": "Steuernummer", "en": "Tax number"},
    "vat_id": {"de": "USt-IdNr.", "en": "VAT ID"},
    "identifier": {"de": "BSNR/IK", "en": "Institution no."},
    "holder": {"de": "Kontoinhaber", "en": "Account holder"},
    "reference": {"de": "Verwendungszweck", "en": "Payment reference"},
    "giro_code": {
        "de": "GiroCode: mit der Banking-App scannen",
        "en": "GiroCode: scan with your banking app",
    },
    "greeting": {
        "de": "Für folgende ärztliche Leistungen berechne ich nach der Gebührenordnung für Ärzte (GOÄ):",
        "en": "For the medical services listed below I charge, under the German fee schedule for physicians "
        "(GOÄ):",
    },
    "copy": {
        "de": "Zweitschrift: Es gilt allein das Original.",
        "en": "English copy for your information: only the German original counts.",
    },
    "letter_copy": {
        "de": "Zweitschrift: Es gilt allein das Original.",
        "en": "For your information: only the German version counts.",
    },
    "sum": {"de": "Summe", "en": "Total"},
    "receipt": {"de": "Beleg", "en": "Receipt"},
    "receipt_enclosed": {
        "de": "Beleg oder sonstiger Nachweis liegt bei (§ 12 Abs. 2 Nr. 5 GOÄ)",
        "en": "receipt or other proof enclosed (§ 12(2) no. 5 GOÄ)",
    },
    "equivalent": {"de": "entsprechend", "en": "entsprechend (equivalent to)"},
    "justification": {"de": "Begründung", "en": "Reason"},
    "duration": {"de": "Dauer", "en": "Duration"},
    "at_least": {"de": "mindestens", "en": "at least"},
    "minutes": {"de": "Minuten", "en": "minutes"},
    "on_demand": {
        "de": "auf Verlangen (§ 1 Abs. 2 Satz 2, § 12 Abs. 3 GOÄ)",
        "en": "auf Verlangen (at the patient's request, § 1(2), § 12(3) GOÄ)",
    },
    "agreed": {
        "de": "abweichende Vereinbarung nach § 2 GOÄ",
        "en": "fee agreed beforehand, § 2 GOÄ",
    },
    "reduction": {"de": "Minderung nach § 6a GOÄ", "en": "Reduction under § 6a GOÄ"},
    "clock": {"de": "Uhr", "en": "h"},
    "body_part": {"de": "Körperregion", "en": "Region"},
    "page_sums": {"de": "Zwischensumme", "en": "Subtotal"},
}


def phrases(language: Language) -> dict[str, str]:
    """Every fixed phrase in one language."""
    return {name: text[language] for name, text in PHRASES.items()}


def money(amount: Decimal, language: Language) -> str:
    """An amount without its currency: 1.060,20 or 1,060.20; with a real minus sign."""
    thousands, point = _MONEY_SIGNS[language]
    whole, cents = f"{abs(amount):,.2f}".split(".")
    sign = MINUS if amount < 0 else ""
    return f"{sign}{whole.replace(',', thousands)}{point}{cents}"


def factor(value: Decimal, language: Language) -> str:
    """A factor with at least one decimal, as the fee schedule prints it: 2,3 or 1,0."""
    text = format(value.normalize(), "f")
    whole, _, rest = text.partition(".")
    return f"{whole}{_MONEY_SIGNS[language][1]}{rest or '0'}"


_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip


def day(value: date, language: Language) -> str:
    """A day as a letter says it; in English with the month spelled out, which nobody can take for another."""
    if language == "de":
        return f"{value.day:02}.{value.month:02}.{value.year:04}"
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year:04}"


def short_day(value: date, language: Language) -> str:
    """A day in a column: 22.11.2026, in English 22 Nov 2026; never broken."""
    if language == "de":
        return day(value, language)
    return f"{value.day} {_MONTHS[value.month - 1][:3]} {value.year:04}".replace(" ", "\N{NO-BREAK SPACE}")


def country(code: str, language: Language) -> str | None:
    """The country's line of an address, in capitals (DIN 5008); none at home; the code if nothing else."""
    if code == "DE":
        return None
    return str(Locale(language).territories.get(code, code)).upper()
