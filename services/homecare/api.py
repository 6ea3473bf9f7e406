"""The HTTP API of homecare: a router a room."""

from fastapi import APIRouter

from services.homecare.diary import api as diary
from services.homecare.diary import home
from services.homecare.page import api as page
from services.homecare.papers import api as papers
from services.homecare.programmes import api as programmes
from services.homecare.programmes import choosing
from services.homecare.reports import api as reports
from services.kit.business import trail_route
from services.kit.business.service import Office
from services.kit.moments import Now, utc_now


def routers(office: Office, now: Now = utc_now) -> list[APIRouter]:
    """Every room's routes; each says who may call it."""
    return [
        choosing.router(office),
        programmes.router(office, now),
        diary.router(office, now),
        page.router(office, now),
        home.router(office, now),
        reports.router(office, now),
        papers.router(office, now),
        trail_route.router(office),
    ]
