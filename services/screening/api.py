"""The HTTP API of screening: a router a room."""

from fastapi import APIRouter

from services.kit.business.service import Office
from services.screening.clearance import routes as clearance
from services.screening.consent import api as consent
from services.screening.exchange import routes as exchange
from services.screening.exchange.fhir import routes as fhir
from services.screening.outcomes import routes as outcomes
from services.screening.patients import api as patients
from services.screening.rules import api as rules


def routers(office: Office) -> list[APIRouter]:
    """Every room's routes; each says who may call it."""
    return [
        clearance.router(office),
        outcomes.router(office),
        exchange.router(office),
        fhir.router(office),
        patients.router(office),
        rules.router(office),
        consent.router(office),
    ]
