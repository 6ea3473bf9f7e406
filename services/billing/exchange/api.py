"""Invoices for others' programs, over HTTP."""

from datetime import date, timedelta
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Response

from broker.fields import Slug
from services.billing.clinics import store as clinics
from services.billing.exchange import books, datev, debtors, delivering, disclosing, spreadsheets
from services.billing.exchange.delivering import Owner, Since, Until, as_file, tried
from services.billing.exchange.fhir import writing
from services.billing.exchange.spreadsheets import Rows
from services.billing.invoices import store as invoices
from services.billing.invoices.api import own_invoice
from services.billing.models import Clinic
from services.billing.payments import store as payments
from services.kit import fhir
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.business.sites import here
from services.kit.database import reading
from services.kit.database import writing as writes
from services.kit.moments import Now, us_of
from services.kit.routes import Routes, gives

Reader = Annotated[Principal, allow("billing.see")]


def router(office: Office, now: Now) -> APIRouter:
    """The routes."""
    made = Routes(tags=["exchange"])
    _patients_invoice(made, office)
    _books(made, office, now)
    made.include_router(delivering.router(office, now))
    made.include_router(disclosing.router(office, now))
    return made


def _patients_invoice(router: APIRouter, office: Office) -> None:
    @router.get("/invoices/{invoice}/fhir", **gives("application/fhir+json"))
    def digital(who: Reader, invoice: UUID) -> Response:
        """The Digitale Patientenrechnung: a FHIR Bundle (R4) of the invoice and all that it names."""
        with reading(office.engine) as connection:
            held = own_invoice(who, "billing.see", invoices.required(connection, invoice))
            after = held.cancelled_by and invoices.issued(connection, held.cancelled_by)
            now = clinics.clinic_of(connection, held.site)
        made = writing.bundle(held, after or None, now)
        office.seen(who, "invoice.exported", str(held.patient), held.site, number=held.number, form="fhir")
        answer = fhir.answered(made)
        answer.headers["content-disposition"] = f'inline; filename="{held.number}.fhir.json"'
        return answer


def _books(router: APIRouter, office: Office, now: Now) -> None:
    @router.get("/exports/datev", **gives("text/csv"))
    def extf(who: Owner, site: Slug, since: Since, until: Until) -> Response:
        """Invoices, cancellations and payments as DATEV takes them (EXTF, Buchungsstapel, CP1252)."""
        here(who, "revenue.see", site)
        made = tried(lambda: _datev(office, site, since, until, who.name, now))
        name = f"EXTF_Buchungsstapel_{site}_{since:%Y%m%d}_{until:%Y%m%d}.csv"
        office.seen(who, "books.exported", None, site, form="datev", since=str(since), until=str(until))
        return as_file(made, f"text/csv; charset={datev.ENCODING}", name)

    @router.get("/exports/csv", **gives("text/csv"))
    def table(who: Owner, site: Slug, since: Since, until: Until, rows: Rows = "invoices") -> Response:
        """The same as a table: a row an invoice, a line or a payment."""
        here(who, "revenue.see", site)
        with reading(office.engine) as connection:
            book = books.of(connection, site, since, until)
        made = spreadsheets.table(book, rows)
        office.seen(who, "books.exported", None, site, form=rows, since=str(since), until=str(until))
        return as_file(made, "text/csv; charset=utf-8", f"{rows}_{site}_{since:%Y%m%d}_{until:%Y%m%d}.csv")


def _datev(office: Office, site: str, since: date, until: date, by: str, now: Now) -> bytes:
    """The file; patients that are new to the books get their accounts in the same transaction."""
    with writes(office.engine) as connection:
        clinic = clinics.clinic_of(connection, site) or Clinic(name=site)
        book = books.of(connection, site, since, until)
        accounts = datev.require_complete(clinic.accounts, book)
        patients = [one.patient for part in (book.invoices, book.receipts, book.fees) for one in part]
        given = debtors.accounts(
            connection, site, patients, accounts.debtors_from or 0, accounts.debtors_to or 0, us_of(now())
        )
        over = now().astimezone(ZoneInfo(clinic.zone)).date() - timedelta(days=1)
        payments.report(connection, site, since, min(until, over), by, us_of(now()))
    rows = datev.entries(book, accounts, given)
    return datev.file(book, accounts, rows, now().astimezone(ZoneInfo(clinic.zone)))
