"""What a period's exports would hold: counted before anything is made."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from services.billing.clinics import certificates
from services.billing.clinics import store as clinics
from services.billing.errors import Invalid
from services.billing.exchange import books, datev
from services.billing.exchange.books import Book
from services.billing.exchange.padnext import deliveries
from services.billing.exchange.padnext.deliveries import Wish
from services.billing.models import BillingOffice, Clinic

Row = dict[str, Any]


def of(connection: Connection, site: str, since: date, until: date, at: datetime) -> Row:
    """Each export of the period with count, sum and what it lacks. Raises Invalid for a bad period."""
    clinic = clinics.clinic_of(connection, site) or Clinic(name=site)
    book = books.of(connection, site, since, until)
    wish = Wish(site, since, until)
    return {
        "site": site, "from": since.isoformat(), "to": until.isoformat(),
        "invoices": len(book.invoices), "invoiced": str(book.invoiced),
        "lines": sum(len(one.paper.lines) + len(one.paper.outlays) for one in book.invoices),
        "payments": len(book.receipts), "received": str(book.received),
        "datev": _datev(clinic, book),
        "padnext": {
            "problem": _sender(clinic),
            "offices": [_office(connection, wish, one, at) for one in clinic.billing_offices],
        },
    }  # fmt: skip


def _datev(clinic: Clinic, book: Book) -> Row:
    entries = sum(one.total != 0 for one in book.invoices) + len(book.receipts)
    try:
        datev.require_complete(clinic.accounts, book)
    except Invalid as error:
        return {"entries": entries, "problem": _words(error)}
    return {"entries": entries, "problem": None}


def _office(connection: Connection, wish: Wish, office: BillingOffice, at: datetime) -> Row:
    picked = deliveries.pick(connection, wish, office)
    return {
        "id": office.id, "name": office.name, "is_test": office.is_test, "count": len(picked.found),
        "total": str(picked.total), "delivered": picked.delivered,
        "left_out": [one.body() for one in picked.left_out],
        "certificate": certificates.told(office.certificate, at) if office.certificate else None,
    }  # fmt: skip


def _sender(clinic: Clinic) -> Row | None:
    try:
        deliveries.require_sender(clinic)
    except Invalid as error:
        return _words(error)
    return None


def _words(error: Invalid) -> Row:
    words = error.words or {"de": error.message, "en": error.message}
    return {
        "de": words["de"], "en": words["en"], "missing": error.more.get("missing", []),
        "field": error.more.get("field"),
    }  # fmt: skip
