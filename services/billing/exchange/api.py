"""Invoices for others' programs, over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response

from services.billing.clinics import store as clinics
from services.billing.exchange.fhir import writing
from services.billing.invoices import store as invoices
from services.billing.invoices.api import own_invoice
from services.kit import fhir
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.database import reading

Reader = Annotated[Principal, allow("billing.see")]


def router(office: Office) -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["exchange"])
    _patients_invoice(made, office)
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
