"""What homecare does when it hears something: a row a stream."""

from collections.abc import Mapping

from broker.contract import STREAMS, Stream
from services.homecare.tables import ZONES
from services.kit.business.inbox import Handler
from services.kit.business.service import Office
from services.kit.moments import Now, utc_now


def handlers(office: Office, now: Now = utc_now) -> Mapping[Stream, Handler]:
    """The handlers, each called inside the transaction that remembers the message."""
    del office, now
    return {STREAMS["site"]: ZONES.hear}
