"""Which day it is at a site: by its own clock, as the scheduler says (stream ``site``).

Age on the day of treatment, "within one year" and whether a file is of today are counted in days, and a day
begins at each site when its wall clock says so. Of a site that the scheduler has not told of, the day is this
machine's.
"""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, Column, Connection, String, Table, insert, select, update

from broker.messages import ClinicEvent
from services.kit.business.inbox import Heard
from services.kit.columns import SLUG
from services.kit.moments import EPOCH
from services.screening.tables import METADATA

SETTINGS: Final = "site.settings"
EASTERNMOST: Final = timedelta(hours=14)  # Kiritimati: nowhere is it later
ZONE: Final = Table(
    "site_zone",
    METADATA,
    Column("site", SLUG, primary_key=True),
    Column("zone", String(60), nullable=False),
    Column("said_us", BigInteger, nullable=False),  # of the event: an older one that comes late says nothing
)


def hear(connection: Connection, heard: Heard) -> None:
    """What the scheduler says of a site's clock; a zone that this machine does not know is none."""
    event = heard.message
    if not isinstance(event, ClinicEvent) or event.type != SETTINGS:
        return
    name = str(event.data.get("zone") or "")
    if _known(name) is None:
        return
    said_us = (event.time - EPOCH) // timedelta(microseconds=1)
    known = connection.execute(select(ZONE.c.said_us).where(ZONE.c.site == heard.site)).scalar()
    if known is None:
        connection.execute(insert(ZONE).values(site=heard.site, zone=name, said_us=said_us))
    elif known <= said_us:
        connection.execute(update(ZONE).where(ZONE.c.site == heard.site).values(zone=name, said_us=said_us))


def zone_of(connection: Connection, site: str) -> tzinfo | None:
    """The site's zone; None where nobody has told it."""
    name = connection.execute(select(ZONE.c.zone).where(ZONE.c.site == site)).scalar()
    return _known(name) if name else None


def local(connection: Connection, site: str, at: datetime) -> datetime:
    """A moment by the site's clock."""
    return at.astimezone(zone_of(connection, site))


def today(connection: Connection, site: str) -> date:
    """The day that it is at a site."""
    return local(connection, site, now()).date()


def now() -> datetime:
    """This machine's time, so that a test may set it."""
    return datetime.now(UTC)


def latest_day() -> date:
    """The latest day that it is anywhere: nobody is born, and nothing was done, after it."""
    return (now() + EASTERNMOST).date()


def _known(name: str) -> tzinfo | None:
    with suppress(ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return ZoneInfo(name)
    return None
