"""What billing does when it hears something: a row a stream."""

from collections.abc import Mapping

from broker.contract import Stream
from services.kit.business.inbox import Handler
from services.kit.business.service import Office


def handlers(office: Office) -> Mapping[Stream, Handler]:
    """The handlers, each called inside the transaction that remembers the message."""
    del office
    return {}
