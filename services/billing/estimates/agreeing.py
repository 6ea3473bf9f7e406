"""Factors that a fee agreement allows (§ 2 GOÄ): whether a line may stand on an invoice as agreed.

Nobody says so by hand: what was agreed on stands in the agreement, made and signed before the service.
"""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection

from services.billing.estimates import store
from services.billing.goae import catalogue as catalogues
from services.billing.goae.lines import Line
from services.billing.goae.pricing import LOWEST_FACTOR


def is_agreed(connection: Connection, site: str, patient: UUID, line: Line, factor: Decimal) -> bool:
    """Whether a line may have this factor by an agreement: its factor, or one between that and the usual."""
    schedule = catalogues.at(line.date)
    if not schedule.has(line.number):
        return False
    threshold = schedule.item(line.number).frame.threshold
    if LOWEST_FACTOR <= factor <= threshold:
        return False
    agreed = store.agreed(connection, patient, site, line.number, line.date)
    return agreed is not None and min(agreed, threshold) <= factor <= max(agreed, threshold)


def under(connection: Connection, site: str, patient: UUID, line: Line) -> Line:
    """The line, as agreed or not."""
    agreed = is_agreed(connection, site, patient, line, line.factor)
    return line if line.agreed == agreed else line.model_copy(update={"agreed": agreed})
