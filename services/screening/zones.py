"""Which day it is at a site, for age on the day of treatment, "within one year" and files of today."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from services.kit.business.zones import Zones
from services.screening.tables import METADATA

EASTERNMOST: Final = timedelta(hours=14)  # Kiritimati: nowhere is it later
ZONES: Final = Zones(METADATA, "site_zone")
hear, zone_of, local = ZONES.hear, ZONES.of, ZONES.local


def today(connection: Connection, site: str) -> date:
    """The day that it is at a site."""
    return ZONES.day(connection, site, now())


def now() -> datetime:
    """This machine's time, so that a test may set it."""
    return datetime.now(UTC)


def latest_day() -> date:
    """The latest day that it is anywhere: nobody is born, and nothing was done, after it."""
    return (now() + EASTERNMOST).date()
