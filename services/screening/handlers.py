"""What screening does when it hears something: every room's handlers of a stream, one after the other."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from broker.contract import EVENT, STREAMS, Stream
from services.kit.business.inbox import Handler, Heard
from services.kit.business.service import Office
from services.screening import zones
from services.screening.clearance.counting import hear_sessions
from services.screening.clearance.home import hear_home
from services.screening.exchange import heard as exchange
from services.screening.outcomes.heard import hear_reports


def handlers(office: Office) -> Mapping[Stream, Handler]:
    """The handlers, each called inside the transaction that remembers the message."""
    return {
        EVENT: _in_turn(exchange.session, hear_sessions(office), hear_reports(office)),
        STREAMS["appointment"]: _in_turn(exchange.appointment),
        STREAMS["programme"]: hear_home(office),
        STREAMS["site"]: zones.hear,
    }


def _in_turn(*rooms: Handler) -> Handler:
    """Several rooms' handlers as one: all of them or none has its effect."""
    every: Sequence[Handler] = rooms

    def handle(connection: Connection, heard: Heard) -> None:
        for one in every:
            one(connection, heard)

    return handle
