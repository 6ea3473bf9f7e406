"""A period as tables for a tax adviser: UTF-8 with a mark, semicolons, commas, nothing that calculates.

A cell that begins like a formula gets an apostrophe before it: whoever wrote a name must not make the program
of its reader do something.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Final, Literal

from services.billing.exchange.books import Book
from services.billing.invoices.models import Issued
from services.billing.papers.sums import sums

Rows = Literal["invoices", "lines", "payments"]
Cell = str | int | Decimal | date | None
BEGINS: Final = ("=", "+", "-", "@", "|", "%")
KINDS: Final = {"invoice": "Rechnung", "cancellation": "Storno"}
METHODS: Final = {"bank": "Überweisung", "cash": "bar", "card": "Karte", "other": "sonstige"}
HEADS: Final[Mapping[Rows, tuple[str, ...]]] = {
    "invoices": (
        "Nummer", "Art", "Datum", "fällig am", "storniert", "Storno von", "Empfänger", "Leistungen von",
        "Leistungen bis", "Honorar EUR", "davon Minderung § 6a GOÄ EUR", "Auslagen EUR", "Betrag EUR",
        "Umsatzsteuer",
    ),
    "lines": (
        "Nummer", "Art", "Datum", "Position", "Leistung am", "GOÄ-Nummer", "Anzahl", "Faktor", "Betrag EUR",
    ),
    "payments": ("Rechnung", "Eingang am", "Weg", "Betrag EUR"),
}  # fmt: skip
TAX: Final = "steuerfrei, § 4 Nr. 14 a UStG"


def table(book: Book, rows: Rows) -> bytes:
    """The whole file, with its line of names and a line of sums at the end."""
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=";", lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow(HEADS[rows])
    for row in _ROWS[rows](book):
        writer.writerow([cell(one) for one in row])
    total = book.received if rows == "payments" else book.invoiced
    last = HEADS[rows].index("Betrag EUR")
    writer.writerow(["Summe", *[""] * (last - 1), cell(total)])
    return b"\xef\xbb\xbf" + written.getvalue().encode()


def cell(value: Cell) -> str:
    """As German programs read it; text that looks like a formula is marked as text."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return str(value + 0).replace(".", ",")  # (no sign on a zero)
    if isinstance(value, date):
        return f"{value:%d.%m.%Y}"
    if isinstance(value, int):
        return str(value)
    told = " ".join(value.split())
    return f"'{told}" if told.startswith(BEGINS) else told


def _invoices(book: Book) -> Iterator[tuple[Cell, ...]]:
    for one in book.invoices:
        paper, told = one.paper, sums(one.paper)
        reduction = sum((told.of(line)[1] for line in paper.lines), Decimal("0.00"))
        first, last = paper.period
        yield (
            one.number, KINDS[one.kind], one.issued_on, one.due_on, "ja" if one.cancelled_by else None,
            paper.cancels, one.recipient, first, last, told.fees, reduction, told.outlays, one.total, TAX,
        )  # fmt: skip


def _lines(book: Book) -> Iterator[tuple[Cell, ...]]:
    """A row a line as revenue counts it: a cancellation's are negative; an outlay has no number."""
    for one in book.invoices:
        for position, row in enumerate(_of(one), 1):
            yield (one.number, KINDS[one.kind], one.issued_on, position, *row)


def _of(one: Issued) -> Iterator[tuple[Cell, ...]]:
    told = sums(one.paper)
    for line in one.paper.lines:
        service = line.line
        yield service.date, service.number, told.sign * service.count, service.factor, told.of(line)[2]
    for outlay in one.paper.outlays:
        yield outlay.date, None, told.sign, None, told.of_outlay(outlay)


def _payments(book: Book) -> Iterator[tuple[Cell, ...]]:
    for one in book.receipts:
        yield one.number, one.received_on, METHODS[one.method], one.amount


_ROWS: Final[Mapping[Rows, Callable[[Book], Iterator[tuple[Cell, ...]]]]] = {
    "invoices": _invoices, "lines": _lines, "payments": _payments,
}  # fmt: skip
