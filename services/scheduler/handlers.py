"""What scheduler does when it hears something: a row a stream."""

from collections.abc import Mapping
from functools import partial

from sqlalchemy import Connection

from broker.contract import EVENT, STATUS, STREAMS, Stream
from broker.messages import GatewayStatus
from services.kit.business.inbox import Handler, Heard
from services.kit.business.service import Office
from services.scheduler.booking import hearing, results
from services.scheduler.booking.desk import Desk
from services.scheduler.clock import Now, us_of, utc_now
from services.scheduler.notices import hearing as notices
from services.scheduler.resources import store as resources
from services.scheduler.resources import telling
from services.scheduler.worklists import hearing as names


def handlers(office: Office, now: Now = utc_now) -> Mapping[Stream, Handler]:
    """The handlers, each called inside the transaction that remembers the message."""
    desk = Desk(office, now)
    return {
        STATUS: partial(_status, office, now),
        EVENT: partial(results.hear, desk),
        STREAMS["patient"]: _patient,
        STREAMS["clearance"]: hearing.hear,
    }


def _patient(connection: Connection, heard: Heard) -> None:
    hearing.hear(connection, heard)
    names.hear(connection, heard)
    notices.hear(connection, heard)


def _status(office: Office, now: Now, connection: Connection, heard: Heard) -> None:
    """Which beds there are; a lost or stopped gateway takes none out of the plan: it comes again."""
    if isinstance(heard.message, GatewayStatus) and heard.message.state == "online":
        if resources.open_site(connection, heard.site, us_of(heard.message.at)):
            telling.tell(office.outbox, connection, heard.site, now())
        resources.hear_gateway(connection, heard.site, heard.message)
