"""The HTTP API of screening: a router a room."""

from fastapi import APIRouter

from services.kit.business.service import Office
from services.screening.patients import api as patients


def routers(office: Office) -> list[APIRouter]:
    """Every room's routes; each says who may call it."""
    return [
        patients.router(office),
    ]
