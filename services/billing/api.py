"""The HTTP API of billing: a router a room."""

from fastapi import APIRouter

from services.billing.charges import api as charges
from services.billing.charges import picking
from services.billing.clinics import api as clinics
from services.billing.estimates import api as estimates
from services.billing.exchange import api as exchange
from services.billing.invoices import api as invoices
from services.billing.invoices import recount
from services.billing.payments import api as payments
from services.billing.people import People
from services.kit.business import trail_route
from services.kit.business.service import Office
from services.kit.moments import Now, utc_now


def routers(office: Office, people: People, now: Now = utc_now) -> list[APIRouter]:
    """Every room's routes; each says who may call it."""
    return [
        clinics.router(office, now),
        charges.router(office, now),
        picking.router(office, now),
        invoices.router(office, people, now),
        exchange.router(office, now),
        estimates.router(office, people, now),
        payments.router(office, now),
        recount.router(office),
        trail_route.router(office),
    ]
