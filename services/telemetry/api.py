"""Telemetry over HTTP: devices, sessions, windows, statistics, exports and the audit; read only."""

from fastapi import APIRouter

from services.telemetry.query import History
from services.telemetry.routes import chain, devices, sessions
from services.telemetry.routes.answers import OrjsonResponse


def create_router(history: History) -> APIRouter:
    """The routes over what is stored, in Redis and archive alike."""
    router = APIRouter(default_response_class=OrjsonResponse)
    for room in (devices, sessions, chain):
        room.add(router, history)
    return router
