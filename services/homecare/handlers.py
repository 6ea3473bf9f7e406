"""What homecare does when it hears something: a row a stream."""

from collections.abc import Mapping

from sqlalchemy import Connection

from broker.contract import STREAMS, Stream
from services.homecare.programmes import hearing
from services.homecare.tables import ZONES
from services.kit.business import told
from services.kit.business.inbox import Handler, Heard
from services.kit.business.service import Office
from services.kit.moments import Now, utc_now


def handlers(office: Office, now: Now = utc_now) -> Mapping[Stream, Handler]:
    """The handlers, each called inside the transaction that remembers the message."""
    del office, now
    return {
        STREAMS["site"]: ZONES.hear,
        STREAMS["patient"]: _clinic,
        STREAMS["cure"]: _clinic,
        STREAMS["clearance"]: _clinic,
    }


def _clinic(connection: Connection, heard: Heard) -> None:
    told.hear(hearing.TYPES, connection, heard)
