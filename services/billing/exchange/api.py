"""Invoices for others' programs, over HTTP."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Response
from sqlalchemy.exc import IntegrityError

from broker.messages import Slug
from services.billing.clinics import store as clinics
from services.billing.exchange import books, datev, debtors, spreadsheets
from services.billing.exchange.fhir import writing
from services.billing.exchange.padnext import deliveries
from services.billing.exchange.padnext.deliveries import Kept
from services.billing.exchange.spreadsheets import Rows
from services.billing.invoices import store as invoices
from services.billing.invoices.api import own_invoice
from services.billing.models import Clinic
from services.kit import fhir
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.business.sites import here
from services.kit.database import reading
from services.kit.database import writing as writes
from services.kit.moments import Now, us_of
from services.kit.routes import Routes

Row = dict[str, Any]
Reader = Annotated[Principal, allow("billing.see")]
Owner = Annotated[Principal, allow("revenue.see")]
Since = Annotated[date, Query(alias="from")]
Until = Annotated[date, Query(alias="to")]
OfficeName = Annotated[str | None, Query(alias="office", max_length=40)]
Without = Annotated[list[UUID] | None, Query(max_length=1000)]  # invoices that stay behind
Again = Annotated[bool, Query()]
Made = TypeVar("Made")
TRIES: Final = 5  # somebody else exported in the same moment so often


def router(office: Office, now: Now) -> APIRouter:
    """The routes."""
    made = Routes(tags=["exchange"])
    _patients_invoice(made, office)
    _books(made, office, now)
    _deliveries(made, office, now)
    return made


def _patients_invoice(router: APIRouter, office: Office) -> None:
    @router.get("/invoices/{invoice}/fhir")
    def digital(who: Reader, invoice: UUID) -> Response:
        """The Digitale Patientenrechnung: a FHIR Bundle (R4) of the invoice and all that it names."""
        with reading(office.engine) as connection:
            held = own_invoice(who, "billing.see", invoices.required(connection, invoice))
            after = held.cancelled_by and invoices.issued(connection, held.cancelled_by)
            now = clinics.clinic_of(connection, held.site)
        made = writing.bundle(held, after or None, now)
        office.seen(who, "invoice.exported", str(held.patient), held.site, number=held.number, form="fhir")
        return fhir.answered(made)


def _books(router: APIRouter, office: Office, now: Now) -> None:
    @router.get("/exports/datev")
    def extf(who: Owner, site: Slug, since: Since, until: Until) -> Response:
        """Invoices, cancellations and payments as DATEV takes them (EXTF, Buchungsstapel, CP1252)."""
        here(who, "revenue.see", site)
        made = _tried(lambda: _datev(office, site, since, until, now))
        name = f"EXTF_Buchungsstapel_{site}_{since:%Y%m%d}_{until:%Y%m%d}.csv"
        office.seen(who, "books.exported", None, site, form="datev", since=str(since), until=str(until))
        return _file(made, f"text/csv; charset={datev.ENCODING}", name)

    @router.get("/exports/csv")
    def table(who: Owner, site: Slug, since: Since, until: Until, rows: Rows = "invoices") -> Response:
        """The same as a table: a row an invoice, a line or a payment."""
        here(who, "revenue.see", site)
        with reading(office.engine) as connection:
            book = books.of(connection, site, since, until)
        made = spreadsheets.table(book, rows)
        office.seen(who, "books.exported", None, site, form=rows, since=str(since), until=str(until))
        return _file(made, "text/csv; charset=utf-8", f"{rows}_{site}_{since:%Y%m%d}_{until:%Y%m%d}.csv")


def _deliveries(router: APIRouter, office: Office, now: Now) -> None:
    @router.get("/exports/padnext")
    def padnext(
        who: Owner,
        site: Slug,
        since: Since,
        until: Until,
        office_name: OfficeName = None,
        again: Again = False,  # noqa: FBT002  (a query's parameter: callers name it)
        without: Without = None,
    ) -> Response:
        """A delivery to a billing office: what none had yet, or `again`; numbered, and kept."""
        here(who, "revenue.see", site)

        def deliver() -> Kept:
            with writes(office.engine) as connection:
                clinic = clinics.clinic_of(connection, site)
                wanted = deliveries.office_of(clinic, office_name)
                return deliveries.deliver(
                    connection, clinic or Clinic(name=site), wanted, site, since, until, by=who.name,
                    now=now, again=again, without=without or (),
                )  # fmt: skip

        kept = _tried(deliver)
        office.seen(who, "invoices.delivered", None, site, office=kept.office, delivery=kept.number)
        return _file(kept.content, "application/zip", kept.name)

    @router.get("/exports/deliveries")
    def listed(who: Owner, site: Slug) -> Row:
        """What was delivered to billing offices, newest first."""
        here(who, "revenue.see", site)
        with reading(office.engine) as connection:
            found = deliveries.listed(connection, site)
        office.seen(who, "deliveries.seen", None, site)
        return {"deliveries": [one.head() for one in found]}

    @router.get("/exports/deliveries/{delivery}")
    def one(who: Owner, delivery: Slug, site: Slug, office_name: OfficeName = None) -> Response:
        """A delivery once more, to the byte."""
        here(who, "revenue.see", site)
        with reading(office.engine) as connection:
            wanted = office_name or deliveries.office_of(clinics.clinic_of(connection, site), None).id
            kept = deliveries.one(connection, site, wanted, delivery)
        office.seen(who, "delivery.read", None, site, office=kept.office, delivery=kept.number)
        return _file(kept.content, "application/zip", kept.name)


def _datev(office: Office, site: str, since: date, until: date, now: Now) -> bytes:
    """The file; patients that are new to the books get their accounts in the same transaction."""
    with writes(office.engine) as connection:
        clinic = clinics.clinic_of(connection, site) or Clinic(name=site)
        book = books.of(connection, site, since, until)
        accounts = datev.require_complete(clinic.accounts, book)
        patients = [one.patient for one in book.invoices] + [one.patient for one in book.receipts]
        given = debtors.accounts(
            connection, site, patients, accounts.debtors_from or 0, accounts.debtors_to or 0, us_of(now())
        )
    rows = datev.entries(book, accounts, given)
    return datev.file(book, accounts, rows, now().astimezone(ZoneInfo(clinic.zone)))


def _tried(make: Callable[[], Made]) -> Made:
    """Again, when somebody took the same number or account in the same moment."""
    for _ in range(TRIES - 1):
        try:
            return make()
        except IntegrityError:
            continue
    return make()


def _file(data: bytes, kind: str, name: str) -> Response:
    return Response(data, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})
