"""The HTTP API of billing: a router a room."""

from fastapi import APIRouter

from services.kit.business.service import Office


def routers(office: Office) -> list[APIRouter]:
    """Every room's routes; each says who may call it."""
    del office
    return []
