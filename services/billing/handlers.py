"""What billing does when it hears something: a row a stream."""

from collections.abc import Mapping

from sqlalchemy import Connection

from broker.contract import EVENT, STREAMS, Stream
from services.billing.charges import hearing as charges
from services.billing.estimates import hearing as estimates
from services.kit.business import told
from services.kit.business.inbox import Handler, Heard
from services.kit.business.service import Office
from services.kit.moments import Now, utc_now


def handlers(office: Office, now: Now = utc_now) -> Mapping[Stream, Handler]:
    """The handlers, each called inside the transaction that remembers the message."""
    del office, now
    return {
        EVENT: charges.session,
        STREAMS["patient"]: _clinic,
        STREAMS["cure"]: _cure,
    }


def _clinic(connection: Connection, heard: Heard) -> None:
    told.hear(charges.TYPES, connection, heard)


def _cure(connection: Connection, heard: Heard) -> None:
    _clinic(connection, heard)
    told.hear(estimates.TYPES, connection, heard)
