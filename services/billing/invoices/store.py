"""Invoices in the database: counted without a gap in the transaction that writes them."""

from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, func, insert, select, update

from services.billing.charges import patients
from services.billing.errors import NotFound, said
from services.billing.invoices.models import Issued
from services.billing.invoices.tables import DOCUMENTS, INVOICES, ITEMS, NUMBERS
from services.billing.models import Paper, cents, euro
from services.billing.papers.issuing import Document

MOST = 1000
CANCELLATION = INVOICES.alias("cancellation")
LIVING = (INVOICES.c.kind == "invoice") & CANCELLATION.c.id.is_(None)


def issued(connection: Connection, invoice: UUID) -> Issued | None:
    """By its id."""
    return _first(connection, _all().where(INVOICES.c.id == str(invoice)))


def required(connection: Connection, invoice: UUID) -> Issued:
    """The same. Raises NotFound."""
    found = issued(connection, invoice)
    if found is None:
        raise said(
            NotFound, {"de": f"Rechnung {invoice} gibt es nicht.", "en": f"there is no invoice {invoice}"}
        )
    return found


def locked(connection: Connection, invoice: UUID) -> Issued:
    """The same, and nobody else pays, cancels or reminds until this transaction ends. Raises NotFound."""
    connection.execute(select(INVOICES.c.seq).where(INVOICES.c.id == str(invoice)).with_for_update())
    return required(connection, invoice)


def all_locked(connection: Connection, wanted: Iterable[UUID]) -> list[Issued]:
    """The same of several at once, in one order, so that two who lock several never cross."""
    keys = sorted(str(invoice) for invoice in wanted)
    own = INVOICES.c.id.in_(keys)
    connection.execute(select(INVOICES.c.seq).where(own).order_by(INVOICES.c.id).with_for_update())
    return [_issued(row) for row in connection.execute(_all().where(own)).mappings()]


def sites(connection: Connection) -> list[str]:
    """Every site that issued something."""
    return list(connection.execute(select(NUMBERS.c.site).distinct()).scalars())


def by_request(connection: Connection, request: UUID) -> Issued | None:
    """What this request issued already."""
    return _first(connection, _all().where(INVOICES.c.request == str(request)))


def by_number(connection: Connection, site: str, number: str) -> Issued | None:
    """By the number printed on it."""
    return _first(connection, _all().where(INVOICES.c.site == site, INVOICES.c.number == number))


def listed(
    connection: Connection,
    site: str,
    *,
    patient: UUID | None = None,
    text: str = "",
    since: date | None = None,
    until: date | None = None,
    most: int = MOST,
    also: ColumnElement[bool] | None = None,
    after: UUID | None = None,
) -> list[Issued]:
    """A site's, newest first; ``text`` is part of a number or of the recipient's name.

    ``after``: the last one of the page before.
    """
    wanted = _all().where(INVOICES.c.site == site).order_by(INVOICES.c.seq.desc()).limit(most)
    if patient is not None:
        wanted = wanted.where(INVOICES.c.patient.in_(patients.files(connection, patient)))
    if text:
        wanted = wanted.where(INVOICES.c.sought.contains(text.casefold(), autoescape=True))
    if since is not None:
        wanted = wanted.where(INVOICES.c.issued_on >= since)
    if until is not None:
        wanted = wanted.where(INVOICES.c.issued_on <= until)
    if also is not None:
        wanted = wanted.where(also)
    if after is not None:
        last_one = select(INVOICES.c.seq.label("at")).where(INVOICES.c.id == str(after)).subquery()
        wanted = wanted.where(INVOICES.c.seq < select(last_one.c.at).scalar_subquery())
    return [_issued(row) for row in connection.execute(wanted).mappings()]


def document(connection: Connection, invoice: UUID) -> Document:
    """What was handed out, to the byte. Raises NotFound."""
    row = connection.execute(select(DOCUMENTS).where(DOCUMENTS.c.invoice == str(invoice))).mappings().first()
    if row is None:
        raise said(
            NotFound, {"de": f"Rechnung {invoice} gibt es nicht.", "en": f"there is no invoice {invoice}"}
        )
    return Document(bytes(row["pdf"]), bytes(row["xml"]), row["sha256"])


def last(connection: Connection, site: str, year: int) -> int:
    """How many a site issued in a year."""
    at = (NUMBERS.c.site == site) & (NUMBERS.c.year == year)
    return connection.execute(select(NUMBERS.c.last).where(at)).scalar() or 0


def take(connection: Connection, site: str, year: int, counted: int) -> bool:
    """Take this place, unless somebody took it first. Raises IntegrityError for a year's first one taken."""
    if counted == 1:
        connection.execute(insert(NUMBERS).values(site=site, year=year, last=1))
        return True
    behind = (NUMBERS.c.site == site) & (NUMBERS.c.year == year) & (NUMBERS.c.last == counted - 1)
    return connection.execute(update(NUMBERS).where(behind).values(last=counted)).rowcount == 1


def add(
    connection: Connection,
    paper: Paper,
    document: Document,
    *,
    request: UUID,
    counted: int,
    case: UUID,
    cure: UUID | None,
    charges: Iterable[UUID],
    by: str,
    at_us: int,
    cancels: UUID | None = None,
    reason: str | None = None,
) -> None:
    """Write an invoice and what is handed out."""
    connection.execute(
        insert(INVOICES).values(
            id=str(paper.id), request=str(request), site=paper.site, year=paper.issued_on.year,
            counted=counted, number=paper.number, kind=paper.kind, cancels=cancels and str(cancels),
            patient=str(paper.patient.id), case=str(case), cure=cure and str(cure),
            issued_on=paper.issued_on, due_on=paper.due_on, total_ct=cents(paper.total),
            recipient=paper.recipient.name,
            sought=_sought(paper), charges=[str(charge) for charge in charges],
            paper=paper.model_dump(mode="json"), reason=reason, by=by[:80], at_us=at_us,
        )
    )  # fmt: skip
    connection.execute(insert(ITEMS), _items(paper))
    connection.execute(
        insert(DOCUMENTS).values(
            invoice=str(paper.id), pdf=document.pdf, xml=document.xml, sha256=document.sha256
        )
    )


def gaps(connection: Connection) -> list[str]:
    """Where numbers and invoices disagree: none, unless somebody wrote past this program."""
    counted = select(
        INVOICES.c.site,
        INVOICES.c.year,
        func.count().label("have"),
        func.max(INVOICES.c.counted).label("high"),
    ).group_by(INVOICES.c.site, INVOICES.c.year)
    found = {(row.site, row.year): (row.have, row.high) for row in connection.execute(counted)}
    rows = connection.execute(select(NUMBERS)).all()
    return [
        f"{row.site} {row.year}: {row.last} numbers, {have} invoices up to {high}"
        for row in rows
        for have, high in [found.get((row.site, row.year), (0, 0))]
        if not row.last == have == high
    ]


def _items(paper: Paper) -> list[dict[str, Any]]:
    sign = -1 if paper.kind == "cancellation" else 1
    told = [(one.line.date, one.line.number, one.line.count, one.amount) for one in paper.lines]
    told += [(one.date, "", 1, one.amount) for one in paper.outlays]
    return [
        {
            "invoice": str(paper.id), "position": position, "site": paper.site,
            "issued_on": paper.issued_on, "on_date": day, "number": number, "count": sign * count,
            "amount_ct": sign * cents(amount),
        }
        for position, (day, number, count, amount) in enumerate(told)
    ]  # fmt: skip


def _sought(paper: Paper) -> str:
    return f"{paper.number} {paper.recipient.name} {paper.patient.name}".casefold()


def _all() -> Select[Any]:
    return select(INVOICES, CANCELLATION.c.id.label("cancelled_by")).join(
        CANCELLATION, CANCELLATION.c.cancels == INVOICES.c.id, isouter=True
    )


def _first(connection: Connection, wanted: Select[Any]) -> Issued | None:
    row = connection.execute(wanted).mappings().first()
    return None if row is None else _issued(row)


def _issued(row: Any) -> Issued:
    return Issued(
        UUID(row["id"]), row["site"], row["number"], row["kind"], UUID(row["patient"]), UUID(row["case"]),
        _uuid(row["cure"]), row["issued_on"], row["due_on"], euro(row["total_ct"]), row["recipient"],
        tuple(UUID(charge) for charge in row["charges"]), Paper.model_validate(row["paper"]), row["reason"],
        row["by"], row["at_us"], _uuid(row["cancels"]), _uuid(row["cancelled_by"]),
    )  # fmt: skip


def _uuid(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)
