"""Revenue by site, month or item: what was invoiced less what was cancelled, and what came in.

Each stands on its own day: a payment that is taken back later, or a fee that is waived, takes away from the
month in which that was decided, never from the one before.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Any, Literal

from sqlalchemy import Connection, func, select

from services.billing.goae import catalogue
from services.billing.invoices.tables import ITEMS
from services.billing.models import euro
from services.billing.payments import fees
from services.billing.payments.tables import PAYMENT_REVERSALS, PAYMENTS

By = Literal["site", "month", "item"]


def table(connection: Connection, sites: Iterable[str], since: date, until: date, by: By) -> dict[str, Any]:
    """Rows with ``invoiced``, ``count`` and (but for items) ``fees``, ``received``, and their sums."""
    wanted = list(sites)
    invoiced = _invoiced(connection, wanted, since, until, by)
    received = {} if by == "item" else _received(connection, wanted, since, until, by)
    charged = {} if by == "item" else _fees(connection, wanted, since, until, by)
    rows = [
        {
            "key": key, "name": _name(key, until) if by == "item" else key, "invoiced": str(euro(amount)),
            "count": count, "fees": None if by == "item" else str(euro(charged.get(key, 0))),
            "received": None if by == "item" else str(euro(received.get(key, 0))),
        }
        for key, (amount, count) in sorted(
            {**dict.fromkeys((*received, *charged), (0, 0)), **invoiced}.items()
        )
    ]  # fmt: skip
    return {
        "by": by, "from": since.isoformat(), "to": until.isoformat(), "rows": rows,
        "invoiced": str(euro(sum(amount for amount, _ in invoiced.values()))),
        "fees": None if by == "item" else str(euro(sum(charged.values()))),
        "received": None if by == "item" else str(euro(sum(received.values()))),
    }  # fmt: skip


def sites(connection: Connection) -> list[str]:
    """Every site that issued something."""
    return list(connection.execute(select(ITEMS.c.site).distinct().order_by(ITEMS.c.site)).scalars())


def _invoiced(
    connection: Connection, sites: list[str], since: date, until: date, by: By
) -> dict[str, tuple[int, int]]:
    """Cents and services by key; summed by day in the database, by month here: both databases alike."""
    key = ITEMS.c.number if by == "item" else ITEMS.c.site if by == "site" else ITEMS.c.issued_on
    inside = ITEMS.c.site.in_(sites), ITEMS.c.issued_on >= since, ITEMS.c.issued_on <= until
    sums = func.sum(ITEMS.c.amount_ct), func.sum(ITEMS.c.count)
    found: defaultdict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for named, amount, count in connection.execute(select(key, *sums).where(*inside).group_by(key)):
        before = found[_key(named)]
        found[_key(named)] = (before[0] + int(amount), before[1] + int(count))
    return dict(found)


def _received(connection: Connection, sites: list[str], since: date, until: date, by: By) -> dict[str, int]:
    """What came in by its day, less what was taken back, by the day of that."""
    back = PAYMENT_REVERSALS.c.reversed_on
    reversals = PAYMENTS.join(PAYMENT_REVERSALS, PAYMENT_REVERSALS.c.payment == PAYMENTS.c.id)
    found: defaultdict[str, int] = defaultdict(int)
    for sign, rows, on in ((1, PAYMENTS, PAYMENTS.c.received_on), (-1, reversals, back)):
        key = PAYMENTS.c.site if by == "site" else on
        inside = PAYMENTS.c.site.in_(sites), on >= since, on <= until
        wanted = select(key, func.sum(PAYMENTS.c.amount_ct)).select_from(rows).where(*inside).group_by(key)
        for named, amount in connection.execute(wanted):
            found[_key(named)] += sign * int(amount)
    return dict(found)


def _fees(connection: Connection, sites: list[str], since: date, until: date, by: By) -> dict[str, int]:
    """Fees of reminders less what was waived, each by its day."""
    found: defaultdict[str, int] = defaultdict(int)
    for row in fees.charged(connection, sites, since, until):
        found[_key(row.site if by == "site" else row.on_date)] += int(row.amount_ct)
    return dict(found)


def _key(named: Any) -> str:
    return named.strftime("%Y-%m") if isinstance(named, date) else str(named)


def _name(number: str, on: date) -> str:
    if not number:
        return "§ 10 GOÄ"
    schedule = catalogue.at(on)
    return schedule.item(number).name if schedule.has(number) else number
