"""Whether any bed, therapist or patient is promised twice, counted anew from the appointments themselves.

The planner's slots have a key of their own (``scheduler_occupancy``); this looks past it at the times, as
`spondyl audit` asks for it.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Any, Final

from fastapi import APIRouter
from sqlalchemy import Connection, RowMapping, select

from services.kit.auth.guard import sites_for
from services.kit.auth.principal import Sites
from services.kit.database import reading
from services.kit.routes import Routes
from services.scheduler.booking.desk import Desk
from services.scheduler.booking.models import HELD
from services.scheduler.booking.tables import APPOINTMENTS

Audited = Annotated[Sites, sites_for("audit.see")]
MOST_NAMED: Final = 100  # of each kind; one is too many
COLUMNS: Final = APPOINTMENTS.c
# What must not be promised twice, and until when an appointment takes it.
PROMISED: Final = {
    "beds_double": ((COLUMNS.site, COLUMNS.device), COLUMNS.free_us),
    "therapists_double": ((COLUMNS.therapist,), COLUMNS.ends_us),
    "patients_double": ((COLUMNS.patient,), COLUMNS.ends_us),
}
Promise = tuple[str, int, int, str]  # whose, from, until, which appointment


def recount(connection: Connection, sites: Sites = None) -> dict[str, Any]:
    """How many appointments hold at these sites, and which two are at once: ids alone, of nobody."""
    wanted = list(dict.fromkeys(column for keys, until in PROMISED.values() for column in (*keys, until)))
    query = select(COLUMNS.appointment, COLUMNS.starts_us, *wanted).where(COLUMNS.state.in_(HELD))
    if sites is not None:
        query = query.where(COLUMNS.site.in_(sites))
    rows = connection.execute(query).mappings().all()
    return {"appointments": len(rows)} | {
        what: list(_double(_promises(rows, what)))[:MOST_NAMED] for what in PROMISED
    }


def _promises(rows: Sequence[RowMapping], what: str) -> Iterator[Promise]:
    keys, until = PROMISED[what]
    for row in rows:
        whose = "/".join(row[key] for key in keys)
        yield whose, row[COLUMNS.starts_us], row[until], row[COLUMNS.appointment]


def _double(promises: Iterable[Promise]) -> Iterator[str]:
    """`FIRST SECOND`: appointments of one whose times overlap, each with the longest before it."""
    for _, ours in groupby(sorted(promises), key=itemgetter(0)):
        reached, holder = 0, ""
        for _, starts, until, appointment in ours:
            if starts < reached:
                yield f"{holder} {appointment}"
            if until > reached:
                reached, holder = until, appointment


def router(desk: Desk) -> APIRouter:
    """``GET /audit``."""
    made = Routes(tags=["audit"])

    @made.get("/audit")
    def audit(sites: Audited) -> dict[str, Any]:
        """Appointments that promise a bed, a therapist or a patient twice: ids and counts."""
        with reading(desk.office.engine) as connection:
            return recount(connection, sites)

    return made
