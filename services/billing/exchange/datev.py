"""A period as a DATEV file (EXTF, Buchungsstapel): header 700, category 21, version 13, CP1252.

By DATEV's published description of the format (developer.datev.de, Buchungsstapel): 31 fields of the header,
125 columns. No name and no diagnosis: the invoice's number and the debtor's account are enough for the books
(§ 203 StGB).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from services.billing.errors import Invalid, said
from services.billing.exchange.books import Book, Receipt
from services.billing.models import Accounts
from services.kit.language import Text

ENCODING: Final = "cp1252"
VERSION, CATEGORY, FORMAT_VERSION = 700, 21, 13
LONGEST_REFERENCE: Final = 36
LONGEST_TEXT: Final = 60
MOST_ROWS: Final = 99_999
_HEADER_TEXTS: Final = frozenset({1, 4, 8, 9, 10, 17, 18, 22, 24, 27, 30, 31})
_FIRST: Final = (
    "Umsatz (ohne Soll/Haben-Kz)", "Soll/Haben-Kennzeichen", "WKZ Umsatz", "Kurs", "Basis-Umsatz",
    "WKZ Basis-Umsatz", "Konto", "Gegenkonto (ohne BU-Schlüssel)", "BU-Schlüssel", "Belegdatum",
    "Belegfeld 1", "Belegfeld 2", "Skonto", "Buchungstext", "Postensperre", "Diverse Adressnummer",
    "Geschäftspartnerbank", "Sachverhalt", "Zinssperre", "Beleglink",
)  # fmt: skip
_MIDDLE: Final = (
    "KOST1 - Kostenstelle", "KOST2 - Kostenstelle", "Kost-Menge", "EU-Land u. UStID (Bestimmung)",
    "EU-Steuersatz (Bestimmung)", "Abw. Versteuerungsart", "Sachverhalt L+L", "Funktionsergänzung L+L",
    "BU 49 Hauptfunktionstyp", "BU 49 Hauptfunktionsnummer", "BU 49 Funktionsergänzung",
)  # fmt: skip
_LAST: Final = (
    "Stück", "Gewicht", "Zahlweise", "Forderungsart", "Veranlagungsjahr", "Zugeordnete Fälligkeit",
    "Skontotyp", "Auftragsnummer", "Buchungstyp", "USt-Schlüssel (Anzahlungen)", "EU-Land (Anzahlungen)",
    "Sachverhalt L+L (Anzahlungen)", "EU-Steuersatz (Anzahlungen)", "Erlöskonto (Anzahlungen)",
    "Herkunft-Kz", "Buchungs GUID", "KOST-Datum", "SEPA-Mandatsreferenz", "Skontosperre",
    "Gesellschaftername", "Beteiligtennummer", "Identifikationsnummer", "Zeichnernummer",
    "Postensperre bis", "Bezeichnung SoBil-Sachverhalt", "Kennzeichen SoBil-Buchung", "Festschreibung",
    "Leistungsdatum", "Datum Zuord. Steuerperiode", "Fälligkeit", "Generalumkehr (GU)", "Steuersatz",
    "Land", "Abrechnungsreferenz", "BVV-Position", "EU-Land u. UStID (Ursprung)",
    "EU-Steuersatz (Ursprung)", "Abw. Skontokonto",
)  # fmt: skip
COLUMNS: Final = (
    *_FIRST,
    *(f"Beleginfo - {part} {number}" for number in range(1, 9) for part in ("Art", "Inhalt")),
    *_MIDDLE,
    *(f"Zusatzinformation{part} {number}" for number in range(1, 21) for part in (" - Art", "- Inhalt")),
    *_LAST,
)
_PLACE: Final[Mapping[str, int]] = {name: place for place, name in enumerate(COLUMNS)}
_TEXTS: Final = frozenset(
    {"Soll/Haben-Kennzeichen", "WKZ Umsatz", "Belegfeld 1", "Belegfeld 2", "Buchungstext", "BU-Schlüssel"}
)

# What a file lacks without it; the name of the account, what it is.
NEEDED: Final[Mapping[str, Text]] = {
    "consultant": {"de": "Beraternummer", "en": "consultant's number"},
    "client": {"de": "Mandantennummer", "en": "client's number"},
    "revenue": {"de": "Erlöskonto", "en": "revenue account"},
    "debtors_from": {"de": "erstes Debitorenkonto", "en": "first debtor's account"},
    "debtors_to": {"de": "letztes Debitorenkonto", "en": "last debtor's account"},
}
MONEY: Final[Mapping[str, Text]] = {
    "bank": {"de": "Bankkonto", "en": "bank account"},
    "cash": {"de": "Kassenkonto", "en": "cash account"},
    "card": {"de": "Konto für Kartenzahlungen", "en": "account of card payments"},
    "other": {"de": "Konto für sonstige Zahlungen", "en": "account of other payments"},
}
FEES: Final[Mapping[str, Text]] = {
    "fees": {"de": "Konto für Mahnkosten", "en": "account of reminders' fees"},
}
_WORDS: Final[Mapping[str, Text]] = {**NEEDED, **MONEY, **FEES}
NUMBERS: Final = ("consultant", "client")  # of people, not of accounts


@dataclass(frozen=True, slots=True)
class Entry:
    """A row: ``debit`` says on which side the amount stands in ``account``."""

    amount: Decimal
    debit: bool
    account: int
    against: int
    on: date
    reference: str
    text: str
    due_on: date | None = None


def require_complete(accounts: Accounts | None, book: Book) -> Accounts:
    """The accounts, if nothing that this period needs is missing. Raises Invalid that names each."""
    told = accounts or Accounts()
    wanted = [*NEEDED, *sorted({one.method for one in book.receipts}), *(FEES if book.fees else ())]
    missing = [name for name in wanted if getattr(told, name) is None]
    if missing:
        german = ", ".join(_WORDS[one]["de"] for one in missing)
        english = ", ".join(_WORDS[one]["en"] for one in missing)
        raise said(
            Invalid,
            {
                "de": f"Den Praxisdaten fehlt für DATEV: {german}.",
                "en": f"the clinic's data lack for DATEV: {english}",
            },
            missing=[f"accounts.{name}" for name in missing],
        )
    _require_digits(told, wanted)
    _require_one_year(told, book)
    return told


def entries(book: Book, accounts: Accounts, debtors: Mapping[UUID, int]) -> list[Entry]:
    """An entry an invoice, a cancellation, a payment, one taken back, a fee and one waived, by day."""
    revenue = accounts.revenue or 0
    found = [
        Entry(
            abs(one.total), one.total >= 0, debtors[one.patient], revenue, one.issued_on,
            one.paper.cancels or one.number, _named(one.number, one.paper.cancels),
            None if one.paper.cancels else one.due_on,
        )
        for one in book.invoices
        if one.total
    ]  # fmt: skip
    found += [
        Entry(
            abs(one.amount), one.amount >= 0, getattr(accounts, one.method), debtors[one.patient],
            one.received_on, one.number, f"{_money(one)} {one.number}",
        )
        for one in book.receipts
    ]  # fmt: skip
    found += [
        Entry(
            abs(one.amount), one.amount >= 0, debtors[one.patient], accounts.fees or 0, one.on, one.number,
            f"{'Mahnkosten' if one.amount >= 0 else 'Mahnkosten erlassen'} {one.number}",
        )
        for one in book.fees
    ]  # fmt: skip
    return sorted(found, key=lambda entry: (entry.on, entry.reference, entry.text))


def file(book: Book, accounts: Accounts, rows: Iterable[Entry], made_at: datetime) -> bytes:
    """The whole file. Raises Invalid when it would have more rows than DATEV takes."""
    told = list(rows)
    if len(told) > MOST_ROWS:
        raise said(
            Invalid,
            {
                "de": f"{len(told)} Buchungen: DATEV nimmt höchstens {MOST_ROWS} je Datei; Zeitraum teilen.",
                "en": f"{len(told)} entries: DATEV takes at most {MOST_ROWS} a file; divide the period",
            },
        )
    lines = [_header(book, accounts, made_at), ";".join(COLUMNS), *map(_row, told)]
    return ("\r\n".join(lines) + "\r\n").encode(ENCODING, "replace")


def _header(book: Book, accounts: Accounts, made_at: datetime) -> str:
    begins = year_of(book.since, accounts.year_begins)
    fields = [
        "EXTF", VERSION, CATEGORY, "Buchungsstapel", FORMAT_VERSION, f"{made_at:%Y%m%d%H%M%S}000", "", "RE",
        "Spondyl", "", accounts.consultant, accounts.client, f"{begins:%Y%m%d}", accounts.account_digits,
        f"{book.since:%Y%m%d}", f"{book.until:%Y%m%d}", f"Rechnungen {book.since:%m/%Y}", "", 1, 0, 0, "EUR",
        "", "", "", "", accounts.chart or "", "", "", "", "",
    ]  # fmt: skip
    return ";".join(
        _quoted(str(value)) if place in _HEADER_TEXTS else str(value) for place, value in enumerate(fields, 1)
    )


def _row(entry: Entry) -> str:
    told = {
        "Umsatz (ohne Soll/Haben-Kz)": f"{entry.amount:.2f}".replace(".", ","),
        "Soll/Haben-Kennzeichen": "S" if entry.debit else "H",
        "WKZ Umsatz": "EUR",
        "Konto": str(entry.account),
        "Gegenkonto (ohne BU-Schlüssel)": str(entry.against),
        "Belegdatum": f"{entry.on:%d%m}",
        "Belegfeld 1": entry.reference[-LONGEST_REFERENCE:].lstrip("-"),
        "Buchungstext": entry.text[:LONGEST_TEXT],
        "Festschreibung": "0",
        "Fälligkeit": f"{entry.due_on:%d%m%Y}" if entry.due_on else "",
    }
    fields = [""] * len(COLUMNS)
    for name, value in told.items():
        fields[_PLACE[name]] = _quoted(value) if name in _TEXTS else value
    return ";".join(fields)


def year_of(day: date, begins: int) -> date:
    """The first day of the fiscal year that a day belongs to."""
    first = date(day.year, begins, 1)
    return first if day >= first else first.replace(year=day.year - 1)


def _money(one: Receipt) -> str:
    if one.is_reversal:
        return "Rücknahme Zahlung"
    return "Zahlung" if one.amount >= 0 else "Rückzahlung"


def _named(number: str, cancels: str | None) -> str:
    return f"Storno {number} zu {cancels}" if cancels else f"Rechnung {number}"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _require_digits(accounts: Accounts, names: list[str]) -> None:
    """General accounts have at most so many digits, debtors' exactly one more (10000 to 69999)."""
    digits = accounts.account_digits
    for name in names:
        if name in NUMBERS:
            continue
        is_debtor = name.startswith("debtors")
        low, high = (10**digits, 7 * 10**digits - 1) if is_debtor else (1, 10**digits - 1)
        value = int(getattr(accounts, name))
        if not low <= value <= high:
            raise _no_account(name, value, digits, low, high)
    if (accounts.debtors_from or 0) > (accounts.debtors_to or 0):
        raise said(
            Invalid,
            {
                "de": f"Debitorenkonten von {accounts.debtors_from} bis {accounts.debtors_to}: von ... bis.",
                "en": f"debtors' accounts from {accounts.debtors_from} to {accounts.debtors_to}: from ... to",
            },
            field="accounts.debtors_to",
        )


def _no_account(name: str, value: int, digits: int, low: int, high: int) -> Invalid:
    words = _WORDS[name]
    return said(
        Invalid,
        {
            "de": f"{words['de']} ist {value}: bei {digits}-stelligen Sachkonten {low} bis {high} (DATEV).",
            "en": f"{words['en']} is {value}: with accounts of {digits} digits {low} to {high} (DATEV)",
        },
        field=f"accounts.{name}",
    )


def _require_one_year(accounts: Accounts, book: Book) -> None:
    """An entry says day and month alone: all of a file belong to one fiscal year."""
    first, last = (year_of(day, accounts.year_begins) for day in (book.since, book.until))
    if first != last:
        raise said(
            Invalid,
            {
                "de": f"{book.since:%d.%m.%Y} bis {book.until:%d.%m.%Y}: ein Stapel liegt in einem "
                f"Wirtschaftsjahr; am {last:%d.%m.%Y} beginnt das nächste (DATEV, WJ-Beginn).",
                "en": f"{book.since} to {book.until}: a file lies in one fiscal year; the next one begins on "
                f"{last} (DATEV, WJ-Beginn)",
            },
        )
