"""Bank statements (camt.053, ISO 20022): read, matched to invoices by what people write, booked once.

An entry is matched by itself only when its text names one open invoice of the site and its amount is exactly
what is open; everything else is proposed, best first, and a person decides.
"""

import hashlib
import re
from collections.abc import Iterator
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
    booked = [entry for entry in _found(root, "Ntry") if _status(entry) in ("BOOK", "")]
    if len(booked) > MOST_ENTRIES:
        raise _refused(f"{len(booked)} > {MOST_ENTRIES}", "Buchungen", "entries")
    iban = min(ibans, default="")
    entries = [one for number, entry in enumerate(booked) for one in _entries(entry, iban, number)]
    return Statement(iban, tuple(entries))


def candidates(entry: Entry, items: list[Item], most: int = 5) -> list[Candidate]:
    """The open invoices that it may pay, best first."""
    text, payer = _plain(entry.purpose), set(_words(entry.name))
    found = [_judged(entry, item, text, payer) for item in items if item.open > 0]
    likely = [one for one in found if one.score]
    return sorted(likely, key=lambda one: (-one.score, one.item.invoice.number))[:most]


def sure(found: list[Candidate]) -> Candidate | None:
    """The only invoice that it names, when its amount is exactly what is open."""
    named = [one for one in found if "number" in one.reasons]
    return named[0] if len(named) == 1 and "amount" in named[0].reasons else None


def _judged(entry: Entry, item: Item, text: str, payer: set[str]) -> Candidate:
    names = set(_words(item.invoice.recipient)) | set(_words(item.invoice.paper.patient.name))
    held = {
        "number": _plain(item.invoice.number) in text,
        "amount": entry.amount in (item.open, item.open + item.fees),
        "name": len(names & (payer | set(_words(entry.purpose)))) >= min(2, len(names)),
    }
    weights = {"number": 4, "amount": 2, "name": 1}
    reasons = tuple(reason for reason, holds in held.items() if holds)
    return Candidate(item, sum(weights[reason] for reason in reasons), reasons)


def _plain(text: str) -> str:
    return _SPACE.sub("", text.casefold())


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"\W+", text.casefold()) if len(word) > 1]


def _root(data: bytes) -> Any:
    from lxml import etree

    if len(data) > MOST_BYTES:
        raise _refused(f"{len(data)} > {MOST_BYTES} bytes", "Größe", "size")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise _refused(str(error)[:200], "kein XML", "no XML") from None
    name = etree.QName(root)
    if name.localname != "Document" or not _NAMESPACE.fullmatch(name.namespace or ""):
        raise _refused(str(root.tag)[:120], "kein camt.053-Auszug", "no camt.053 statement")
    return root


def _entries(entry: Any, iban: str, number: int) -> Iterator[Entry]:
    """One a transaction: a bank may book several at once."""
    booked_on = _day(entry, number)
    sign = -1 if _text(entry, "CdtDbtInd") == "DBIT" else 1
    reference = _text(entry, "AcctSvcrRef") or _text(entry, "NtryRef")
    details = _found(entry, "TxDtls")
    for part, detail in enumerate(details or [entry]):
        amount = _amount(detail, number) if len(details) > 1 else _amount(entry, number)
        name = _text(detail, "RltdPties", "Dbtr", "Nm") or _text(detail, "RltdPties", "Dbtr", "Pty", "Nm")
        purpose = " ".join(line.text or "" for line in _found(detail, "Ustrd")) or " ".join(
            line.text or "" for line in _found(detail, "AddtlNtryInf")
        )
        payer = _text(detail, "RltdPties", "DbtrAcct", "Id", "IBAN")
        told = (iban, reference, booked_on, sign * amount, part, name, purpose, "" if reference else number)
        mark = hashlib.sha256(repr(told).encode()).hexdigest()
        yield Entry(mark, booked_on, sign * amount, name[:200], payer[:34], purpose[:1000])


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
    found = [child for child in _found(node, "Amt") if child.get("Ccy")]
    try:
        amount = Decimal(found[0].text or "")
    except (IndexError, InvalidOperation):
        raise _refused("-", f"Buchung {number + 1}: Betrag", f"entry {number + 1}: amount") from None
    if found[0].get("Ccy") != "EUR" or not amount.is_finite() or amount != round(amount, 2):
        told = f"{amount} {found[0].get('Ccy')}"[:30]
        raise _refused(told, f"Buchung {number + 1}: Betrag in EUR", f"entry {number + 1}: amount in EUR")
    return amount


def _status(entry: Any) -> str:
    return _text(entry, "Sts", "Cd") or _text(entry, "Sts")


def _found(node: Any, name: str) -> list[Any]:
    return list(node.iter(f"{{*}}{name}"))


def _text(node: Any, *path: str) -> str:
    found = node.find("/".join(f"{{*}}{name}" for name in path))
    return "" if found is None else " ".join((found.text or "").split())


def _refused(value: str, german: str, english: str) -> Invalid:
    return said(
        Invalid,
        {
            "de": f"Kontoauszug: {german}: {value} (camt.053, ISO 20022). Nichts davon wurde gebucht.",
            "en": f"bank statement: {english}: {value} (camt.053, ISO 20022); nothing of it was booked",
        },
    )


def request_of(entry: UUID, invoice: UUID) -> UUID:
    """The request by which a match that came by itself is booked: once, however often it is tried."""
    return uuid5(NAMESPACE_OID, f"{entry}/{invoice}")
