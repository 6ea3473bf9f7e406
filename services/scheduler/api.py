"""The HTTP API of scheduler: a router a room."""

from fastapi import APIRouter

from services.kit.business.service import Office
from services.scheduler.booking import (
    api_appointments,
    api_cures,
    api_replanning,
    api_standing,
    api_waiting,
    recount,
)
from services.scheduler.booking.desk import Desk
from services.scheduler.clock import Now, utc_now
from services.scheduler.exchange import routes as exchange
from services.scheduler.notices import api as notices
from services.scheduler.resources import api as resources


def routers(office: Office, now: Now = utc_now) -> list[APIRouter]:
    """Every room's routes; each says who may call it."""
    desk = Desk(office, now)
    return [
        resources.router(office, now),
        api_cures.router(desk),
        api_appointments.router(desk),
        api_waiting.router(desk),
        api_replanning.router(desk),
        api_standing.router(desk),
        notices.router(office, now),
        exchange.router(desk),
        recount.router(desk),
    ]
