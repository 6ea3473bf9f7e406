"""From a tap at the bed to the invoice: lines in the log that carry the correlation of the session's tap.

What becomes of a charge later is done by another tap, or by the clock: each session's line says both.
"""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import Connection, select

from services.billing.charges.tables import CHARGES, SESSIONS
from services.kit import correlation

log = structlog.get_logger(__name__)

MOST: Final = 100  # sessions of one invoice that its event names the taps of


def follow(connection: Connection, what: str, charges: Iterable[UUID], **ids: Any) -> list[str]:
    """One line for each session of these charges, by its tap; the correlations, each once."""
    held = [str(charge) for charge in charges]
    wanted = (
        select(SESSIONS.c.session, SESSIONS.c.correlation)
        .distinct()
        .join(CHARGES, CHARGES.c.session == SESSIONS.c.session)
        .where(CHARGES.c.id.in_(held))
        .order_by(SESSIONS.c.session)
    )
    rows = connection.execute(wanted).all()
    tap = correlation.current()
    for row in rows:
        with correlation.holding(row.correlation):
            log.info(what, session=row.session, tap=tap, **{name: str(value) for name, value in ids.items()})
    return list(dict.fromkeys(row.correlation for row in rows if row.correlation))[:MOST]
