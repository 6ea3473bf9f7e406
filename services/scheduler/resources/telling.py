"""Every site's time zone is told, so that the others know which day it is there: on the stream ``site``,
retained.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import uuid4

from sqlalchemy import Connection

from broker.contract import STREAMS
from broker.messages import ClinicEvent
from services.kit.business.outbox import Outbox
from services.kit.business.service import Office
from services.kit.database import writing
from services.scheduler.clock import Now
from services.scheduler.resources import store

SETTINGS: Final = "site.settings"


def tell(outbox: Outbox, connection: Connection, site: str, at: datetime) -> None:
    """The zone of one site, once the transaction is committed."""
    zone = store.site_of(connection, site).zone
    said = ClinicEvent(id=uuid4(), type=SETTINGS, time=at, data={"zone": zone})
    outbox.add(connection, STREAMS["site"], site, said)


def begin(office: Office, now: Now) -> Callable[[], None]:
    """Of every site once more at the start: a broker that was set up anew has forgotten them."""
    with writing(office.engine) as connection:
        for site in store.sites(connection):
            tell(office.outbox, connection, site, now())
    office.outbox.woken.set()
    return lambda: None
