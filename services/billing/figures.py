"""What billing tells whoever watches it: counts and ages by site, nothing of anybody."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, func, select

from services.billing.charges.tables import BILLED, CHARGES, REVERSALS, WAITING
from services.billing.invoices.tables import DRAFTED, DRAFTS, INVOICES
from services.billing.payments.tables import ENTRIES
from services.kit.metrics import Row
from services.kit.moments import Now, utc_now

_OPEN: Final = (
    select(CHARGES.c.site, func.count(), func.min(CHARGES.c.on_date))
    .join(BILLED, BILLED.c.charge == CHARGES.c.id, isouter=True)
    .join(REVERSALS, REVERSALS.c.charge == CHARGES.c.id, isouter=True)
    .where(BILLED.c.charge.is_(None), REVERSALS.c.charge.is_(None))
    .group_by(CHARGES.c.site)
)
_UNDRAFTED: Final = _OPEN.join(DRAFTED, DRAFTED.c.charge == CHARGES.c.id, isouter=True).where(
    DRAFTED.c.charge.is_(None)
)
_DRAFTS: Final = select(DRAFTS.c.site, func.count(), func.min(DRAFTS.c.at_us)).group_by(DRAFTS.c.site)
_COUNTS: Final[tuple[tuple[str, Select[Any]], ...]] = (
    ("spondyl_billing_sessions_waiting", select(WAITING.c.site, func.count()).group_by(WAITING.c.site)),
    (
        "spondyl_billing_invoices",
        select(INVOICES.c.site, func.count()).where(INVOICES.c.kind == "invoice").group_by(INVOICES.c.site),
    ),
    (
        "spondyl_billing_payments_unmatched",
        select(ENTRIES.c.site, func.count()).where(ENTRIES.c.state == "open").group_by(ENTRIES.c.site),
    ),
)


def figures(connection: Connection, now: Now = utc_now) -> Iterator[Row]:
    """One row a site and figure: six queries, however many sites there are."""
    at = now()
    for site, count, oldest_us in connection.execute(_DRAFTS):
        yield "spondyl_billing_drafts", (site,), count
        yield "spondyl_billing_oldest_draft_seconds", (site,), max(0.0, at.timestamp() - oldest_us / 1e6)
    for site, _count, day in connection.execute(_OPEN):
        began = datetime(day.year, day.month, day.day, tzinfo=UTC)
        yield "spondyl_billing_oldest_unbilled_seconds", (site,), max(0.0, (at - began).total_seconds())
    for site, count, _day in connection.execute(_UNDRAFTED):
        yield "spondyl_billing_charges_undrafted", (site,), count
    for name, query in _COUNTS:
        yield from ((name, (site,), count) for site, count in connection.execute(query))
