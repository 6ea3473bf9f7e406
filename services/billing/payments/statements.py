"""Bank statements (camt.053, ISO 20022): read, matched to invoices by what people write, booked once.

An entry is matched by itself only when its text names one open invoice of the site and its amount is exactly
what is open; everything else is proposed, best first, and a person decides.
"""

import codecs
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import NAMESPACE_OID, UUID, uuid5

from services.billing.errors import Invalid, said
from services.billing.payments.models import Item

MOST_BYTES: Final = 10_000_000
MOST_ENTRIES: Final = 20_000
_NAMESPACE: Final = re.compile(r"urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.\d\d")
_ENTRIES: Final = "{*}BkToCstmrStmt/{*}Stmt/{*}Ntry"  # nowhere else: an entry within an entry is none
_PARTS: Final = "{*}NtryDtls/{*}TxDtls"
_LIMIT_EUR: Final = Decimal(10) ** 13  # ISO 20022 has 18 digits, no account of a clinic has half of them
_CENTS: Final = re.compile(r"\s*[0-9]{1,12}(\.[0-9]{1,2})?\s*")
_END: Final = re.compile(rb"</([^\s<>:]+:)?Document\s*>\s*\Z|/>\s*\Z")  # of a file that is whole
_SPACE: Final = re.compile(r"[^0-9a-z]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """Money that came in (or, negative, went out)."""

    mark: str
    booked_on: date
    amount: Decimal
    name: str
    iban: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A file of a bank: the account and what was booked."""

    iban: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An invoice that an entry may pay, and why one thinks so."""

    item: Item
    score: int
    reasons: tuple[str, ...]  # number, amount, name


def read(data: bytes) -> Statement:
    """A camt.053 file of any version. Raises Invalid: what is wrong, and where."""
    root = _root(data)
    ibans = {_text(account, "Id", "IBAN") for account in _found(root, "Acct")} - {""}
    booked = [entry for entry in root.iterfind(_ENTRIES) if _status(entry) in ("BOOK", "")]
    counted = sum(max(1, len(entry.findall(_PARTS))) for entry in booked)
    if counted > MOST_ENTRIES:
        raise _refused(f"{counted} > {MOST_ENTRIES}", "Buchungen", "entries")
    if len(ibans) > 1:
        raise _refused(", ".join(sorted(ibans))[:200], "mehrere Konten", "several accounts")
    iban, seen = min(ibans, default=""), Counter[Any]()
    entries = [one for number, entry in enumerate(booked) for one in _entries(entry, iban, number, seen)]
    return Statement(iban, tuple(entries))


class Opened:
    """A site's open invoices, found by number, amount or name without comparing each with every entry.

    ``others``: the other sites that issue invoices; a number may end with one of this site's.
    """

    def __init__(self, items: list[Item], site: str, others: Iterable[str]) -> None:
        self._items = dict(enumerate(item for item in items if item.open > 0))
        self._longer = [_plain(other) for other in others if _plain(other).endswith(_plain(site))]
        self._site = _plain(site)
        self._names = {at: _names(item) for at, item in self._items.items()}
        self._numbers = {_plain(item.invoice.number): at for at, item in self._items.items()}
        self._years = {number[len(self._site) :][:4] for number in self._numbers}
        self._amounts: defaultdict[Decimal, set[int]] = defaultdict(set)
        self._words: defaultdict[str, set[int]] = defaultdict(set)
        for at, item in self._items.items():
            for amount in {item.open, item.open_invoice}:
                self._amounts[amount].add(at)
            for word in self._names[at]:
                self._words[word].add(at)

    def paid(self, item: Item) -> None:
        """This one is open no more."""
        at = self._numbers.pop(_plain(item.invoice.number))
        for amount in {item.open, item.open_invoice}:
            self._amounts[amount].discard(at)
        for word in self._names.pop(at):
            self._words[word].discard(at)
        del self._items[at]

    def likely(self, entry: Entry) -> list[Candidate]:
        """Every one of which something speaks."""
        numbers, amounts = self._named(_plain(entry.purpose)), self._amounts.get(entry.amount, set())
        words = Counter(
            at for word in _words(f"{entry.name} {entry.purpose}") for at in self._words.get(word, ())
        )
        names = {at for at, count in words.items() if count >= min(2, len(self._names[at]))}
        return [
            _candidate(
                self._items[at], {"number": at in numbers, "amount": at in amounts, "name": at in names}
            )
            for at in numbers | amounts | names
        ]

    def _named(self, text: str) -> set[int]:
        """Whose number stands in a text without its blanks, whatever digits follow it."""
        found = set()
        for year in self._years:
            for hit in re.finditer(f"{self._site}{year}([0-9]{{5,9}})", text):
                before = text[: hit.start() + len(self._site)]
                if not any(before.endswith(longer) for longer in self._longer):
                    told = [hit[0][: len(hit[0]) - short] for short in range(len(hit[1]) - 4)]
                    found |= {self._numbers[number] for number in told if number in self._numbers}
        return found


def candidates(entry: Entry, opened: Iterable[Opened], most: int = 5) -> list[Candidate]:
    """The open invoices of these sites that it may pay, best first."""
    found = [one for site in opened for one in site.likely(entry)]
    return sorted(found, key=lambda one: (-one.score, one.item.invoice.number))[:most]


def sure(found: list[Candidate]) -> Candidate | None:
    """The only invoice that it names, when its amount is exactly what is open."""
    named = [one for one in found if "number" in one.reasons]
    return named[0] if len(named) == 1 and "amount" in named[0].reasons else None


def settles(entry: Entry, item: Item) -> bool:
    """Whether it is exactly what is open now."""
    return item.open > 0 and entry.amount in (item.open, item.open_invoice)


def _names(item: Item) -> set[str]:
    return _words(f"{item.invoice.recipient} {item.invoice.paper.patient.name}")


def _candidate(item: Item, held: dict[str, bool]) -> Candidate:
    weights = {"number": 4, "amount": 2, "name": 1}
    reasons = tuple(reason for reason, holds in held.items() if holds)
    return Candidate(item, sum(weights[reason] for reason in reasons), reasons)


def _plain(text: str) -> str:
    return _SPACE.sub("", text.casefold())


def _words(text: str) -> set[str]:
    return {word for word in re.split(r"\W+", text.casefold()) if len(word) > 1}


def _root(data: bytes) -> Any:
    from lxml import etree

    if len(data) > MOST_BYTES:
        raise _refused(f"{len(data)} > {MOST_BYTES} bytes", "Größe", "size")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise _unread(data) from None
    name = etree.QName(root)
    if name.localname != "Document" or not _NAMESPACE.fullmatch(name.namespace or ""):
        raise _refused(str(root.tag)[:120], "kein camt.053-Auszug", "no camt.053 statement")
    return root


def _unread(data: bytes) -> Invalid:
    """What a person can do about a file that is no XML, or not all of one; the parser's words help nobody."""
    told = data.removeprefix(codecs.BOM_UTF8).strip()
    if told.startswith(b"<") and not _END.search(told):
        return _refused(
            f"{len(data)} Bytes, bitte erneut von der Bank holen", "die Datei endet zu früh",
            "the file ends too early", f"{len(data)} bytes, please get it from the bank again",
        )  # fmt: skip
    return _refused(
        "bitte die camt.053-Datei der Bank wählen", "die Datei ist leer" if not told else "kein XML",
        "the file is empty" if not told else "no XML", "please choose the bank's camt.053 file",
    )  # fmt: skip


def _entries(entry: Any, iban: str, number: int, seen: Counter[Any]) -> Iterator[Entry]:
    """One a transaction: a bank may book several at once.

    Files overlap, and not every bank gives each entry a reference of its own: the mark says which of the
    equal ones of a day it is.
    """
    booked_on, reference = _day(entry, number), _text(entry, "AcctSvcrRef")
    for part, (detail, amount) in enumerate(_parts(entry, number)):
        side = "Dbtr" if amount > 0 else "Cdtr"  # who paid, or who got it
        name = _text(detail, "RltdPties", side, "Nm") or _text(detail, "RltdPties", side, "Pty", "Nm")
        purpose = " ".join(line.text or "" for line in _found(detail, "Ustrd")) or " ".join(
            line.text or "" for line in _found(detail, "AddtlNtryInf")
        )
        payer = _text(detail, "RltdPties", f"{side}Acct", "Id", "IBAN")
        told = (iban, reference, booked_on, amount, part, name, purpose)
        seen[told] += 1
        mark = hashlib.sha256(repr((told, seen[told])).encode()).hexdigest()
        yield Entry(mark, booked_on, amount, name[:200], payer[:34], purpose[:1000])


def _parts(entry: Any, number: int) -> list[tuple[Any, Decimal]]:
    """What a bank booked at once, apart where the parts add up to what it booked; else the whole."""
    whole = _sign(entry, entry) * _amount(entry, number)
    details = entry.findall(_PARTS)
    if len(details) <= 1:
        return [(details[0] if details else entry, whole)]
    amounts = [_sign(detail, entry) * (_part_amount(detail) or Decimal(0)) for detail in details]
    if sum(amounts) != whole or not all(amounts):
        return [(entry, whole)]
    return list(zip(details, amounts, strict=True))


def _sign(node: Any, entry: Any) -> int:
    return -1 if (_text(node, "CdtDbtInd") or _text(entry, "CdtDbtInd")) == "DBIT" else 1


def _part_amount(detail: Any) -> Decimal | None:
    """What arrived of a transaction in euro, whatever it was sent in; None when that is not said."""
    for path in ("{*}Amt", "{*}AmtDtls/{*}TxAmt/{*}Amt"):
        found = detail.find(path)
        if found is not None and found.get("Ccy") == "EUR" and _CENTS.fullmatch(found.text or ""):
            return Decimal(found.text)
    return None


def _day(entry: Any, number: int) -> date:
    for where in ("BookgDt", "ValDt"):
        told = _text(entry, where, "Dt") or _text(entry, where, "DtTm")[:10]
        if told:
            try:
                return date.fromisoformat(told)
            except ValueError:
                raise _refused(told[:20], f"Buchung {number + 1}: Tag", f"entry {number + 1}: day") from None
    raise _refused("-", f"Buchung {number + 1}: Tag", f"entry {number + 1}: day")


def _amount(node: Any, number: int) -> Decimal:
    found = [child for child in node.iterfind("{*}Amt") if child.get("Ccy")]
    try:
        amount = Decimal(found[0].text or "")
    except (IndexError, InvalidOperation):
        raise _refused("-", f"Buchung {number + 1}: Betrag", f"entry {number + 1}: amount") from None
    if found[0].get("Ccy") != "EUR" or not _in_cents(amount):
        told = f"{amount} {found[0].get('Ccy')}"[:30]
        raise _refused(told, f"Buchung {number + 1}: Betrag in EUR", f"entry {number + 1}: amount in EUR")
    return amount


def _in_cents(amount: Decimal) -> bool:
    """Whether it is whole cents, and below the limit: rounding a longer one would raise."""
    return amount.is_finite() and -_LIMIT_EUR < amount < _LIMIT_EUR and amount == round(amount, 2)


def _status(entry: Any) -> str:
    return _text(entry, "Sts", "Cd") or _text(entry, "Sts")


def _found(node: Any, name: str) -> list[Any]:
    return list(node.iter(f"{{*}}{name}"))


def _text(node: Any, *path: str) -> str:
    found = node.find("/".join(f"{{*}}{name}" for name in path))
    return "" if found is None else " ".join((found.text or "").split())


def _refused(value: str, german: str, english: str, value_english: str | None = None) -> Invalid:
    english += f": {value_english or value}"
    return said(
        Invalid,
        {
            "de": f"Kontoauszug: {german}: {value} (camt.053, ISO 20022). Nichts davon wurde gebucht.",
            "en": f"bank statement: {english} (camt.053, ISO 20022); nothing of it was booked",
        },
    )


def request_of(entry: UUID, invoice: UUID) -> UUID:
    """The request by which a match that came by itself is booked: once, however often it is tried."""
    return uuid5(NAMESPACE_OID, f"{entry}/{invoice}")
