"""Telemetry over HTTP: devices, sessions, windows, statistics, exports and the audit; read only."""

from fastapi import APIRouter

from services.telemetry.query import History
from services.telemetry.routes import chain, devices, sessions, trail
from services.telemetry.routes.answers import OrjsonResponse
from services.telemetry.routes.rules import require_declared
from services.telemetry.trail import ReadTrail


def create_router(history: History, reads: ReadTrail) -> APIRouter:
    """The routes over what is stored, in Redis and archive alike; who reads it is written down."""
    router = APIRouter(default_response_class=OrjsonResponse)
    for room in (devices, sessions, chain, trail):
        room.add(router, history, reads)
    require_declared(router.routes)
    return router
