"""Which day it is at a site: by its own clock, as the scheduler says (stream ``site``).

What counts in days begins at each site when its wall clock says so. Of a site that the scheduler has not told
of, the day is this machine's.
"""

from contextlib import suppress
from datetime import date, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, Column, Connection, MetaData, String, Table, insert, select, update

from broker.messages import ClinicEvent
from services.kit.business.inbox import Heard
from services.kit.columns import SLUG
from services.kit.moments import us_of

SETTINGS: Final = "site.settings"


class Zones:
    """A service's table of the sites' zones, and how it is read."""

    def __init__(self, metadata: MetaData, name: str) -> None:
        self.table = Table(
            name,
            metadata,
            Column("site", SLUG, primary_key=True),
            Column("zone", String(60), nullable=False),
            Column("said_us", BigInteger, nullable=False),  # of the event: an older one late says nothing
        )

    def hear(self, connection: Connection, heard: Heard) -> None:
        """What the scheduler says of a site's clock; a zone that this machine does not know is none."""
        event = heard.message
        if not isinstance(event, ClinicEvent) or event.type != SETTINGS:
            return
        name = str(event.data.get("zone") or "")
        if _known(name) is None:
            return
        table, said_us = self.table, us_of(event.time)
        known = connection.execute(select(table.c.said_us).where(table.c.site == heard.site)).scalar()
        if known is None:
            connection.execute(insert(table).values(site=heard.site, zone=name, said_us=said_us))
        elif known <= said_us:
            changed = update(table).where(table.c.site == heard.site)
            connection.execute(changed.values(zone=name, said_us=said_us))

    def of(self, connection: Connection, site: str) -> tzinfo | None:
        """The site's zone; None where nobody has told it."""
        name = connection.execute(select(self.table.c.zone).where(self.table.c.site == site)).scalar()
        return _known(name) if name else None

    def local(self, connection: Connection, site: str, at: datetime) -> datetime:
        """A moment by the site's clock."""
        return at.astimezone(self.of(connection, site))

    def day(self, connection: Connection, site: str, at: datetime) -> date:
        """The day that it is at a site at this moment."""
        return self.local(connection, site, at).date()


def _known(name: str) -> tzinfo | None:
    with suppress(ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return ZoneInfo(name)
    return None
