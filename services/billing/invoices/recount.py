"""Whether anything is billed twice, counted anew from what was written down, past every key and lock.

The tables have their own guards (a session is one row, a charge stands on one living invoice); this looks at
the invoices themselves, as `spondyl audit` asks for it.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Final

from fastapi import APIRouter
from sqlalchemy import ColumnElement, Connection, Table, func, select, true

from services.billing.charges.tables import CHARGES, REVERSALS, SESSIONS
from services.billing.invoices.tables import INVOICES
from services.kit.auth.guard import sites_for
from services.kit.auth.principal import Sites
from services.kit.business.service import Office
from services.kit.database import reading
from services.kit.routes import Routes

Audited = Annotated[Sites, sites_for("audit.see")]
MOST_NAMED: Final = 100  # of each kind; one is too many


def recount(connection: Connection, sites: Sites = None) -> dict[str, Any]:
    """How much there is at these sites, and what is there twice or missing: numbers and ids, of nobody."""
    return {
        "sessions": _size(connection, SESSIONS, sites),
        "invoices": _size(connection, INVOICES, sites),
        "sessions_charged_twice": _charged_twice(connection, sites),
        "sessions_billed_twice": _billed_twice(connection, sites),
        "invoice_places_missing": _missing(connection, sites),
    }


def _at(table: Table, sites: Sites) -> ColumnElement[bool]:
    return true() if sites is None else table.c.site.in_(sites)


def _size(connection: Connection, table: Table, sites: Sites) -> int:
    query = select(func.count()).select_from(table).where(_at(table, sites))
    return int(connection.execute(query).scalar_one())


def _charged_twice(connection: Connection, sites: Sites) -> list[str]:
    """Sessions with the same service of the fee schedule twice among what was charged for them by itself."""
    query = select(CHARGES.c.session, CHARGES.c.line).where(
        _at(CHARGES, sites), CHARGES.c.session.is_not(None), CHARGES.c.origin == "session",
        CHARGES.c.id.not_in(select(REVERSALS.c.charge)),
    )  # fmt: skip
    rows = connection.execute(query)
    twice = _more_than_once((session, line["number"]) for session, line in rows)
    return sorted({session for session, _ in twice})[:MOST_NAMED]


def _billed_twice(connection: Connection, sites: Sites) -> list[str]:
    """Sessions of which one charge stands on two invoices that were not cancelled."""
    cancelled = select(INVOICES.c.cancels).where(INVOICES.c.cancels.is_not(None))
    living = select(INVOICES.c.charges).where(
        _at(INVOICES, sites), INVOICES.c.kind == "invoice", INVOICES.c.id.not_in(cancelled)
    )
    twice = _more_than_once(charge for (charges,) in connection.execute(living) for charge in charges)
    query = select(CHARGES.c.session).where(CHARGES.c.id.in_(twice[:MOST_NAMED])).distinct()
    return sorted(str(session) for (session,) in connection.execute(query))


def _missing(connection: Connection, sites: Sites) -> list[str]:
    """Places of a site's year without an invoice, `SITE YEAR PLACE` (section 14 UStG: numbers run on)."""
    columns = (INVOICES.c.site, INVOICES.c.year, INVOICES.c.counted)
    query = select(*columns).where(_at(INVOICES, sites)).order_by(*columns)
    found: list[str] = []
    before = ("", 0, 0)
    for site, year, counted in connection.execute(query):
        last = before[2] if before[:2] == (site, year) else 0
        found += [f"{site} {year} {place}" for place in range(last + 1, counted)]
        before = (site, year, counted)
    return found[:MOST_NAMED]


def _more_than_once(found: Iterable[Any]) -> list[Any]:
    return [one for one, count in Counter(found).items() if count > 1]


def router(office: Office) -> APIRouter:
    """``GET /audit``."""
    made = Routes(tags=["audit"])

    @made.get("/audit")
    def audit(sites: Audited) -> dict[str, Any]:
        """Sessions charged or billed twice, and places of numbers without an invoice: ids and counts."""
        with reading(office.engine) as connection:
            return recount(connection, sites)

    return made
