"""Cures that ended and that no programme goes on after."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, select

from services.homecare.programmes import states
from services.homecare.programmes.people import people
from services.homecare.programmes.tables import CURES, PROGRAMMES
from services.homecare.tables import FILES
from services.kit.auth.principal import Sites
from services.kit.moments import instant_of, us_of

DAYS: Final = 60  # of those that ended so long ago nobody is reminded any more
MOST: Final = 500


def ended(connection: Connection, sites: Sites, at: datetime, days: int = DAYS) -> list[dict[str, Any]]:
    """Newest first: ended within these days, whose patient has no programme for it and none that is open."""
    files = FILES.table
    query = (
        select(CURES)
        .join(files, files.c.patient == CURES.c.patient)
        .where(CURES.c.ended_us >= us_of(at - timedelta(days=days)), ~files.c.erased)
        .order_by(CURES.c.ended_us.desc())
        .limit(MOST)
    )
    if sites is not None:
        query = query.where(CURES.c.site.in_(sites))
    rows = connection.execute(query).all()
    known = people(connection, {row.patient for row in rows})
    mine = {file for person in known.values() for file in person.files}
    followed = _followed(connection, mine)
    return [
        {"cure": row.cure, "site": row.site, "patient": known[row.patient].head, "region": row.region,
         "ended_at": instant_of(row.ended_us)}
        for row in rows
        if not ({(file, row.region) for file in known[row.patient].files} | {row.cure}) & followed
    ]  # fmt: skip


def _followed(connection: Connection, files: set[str]) -> set[object]:
    """Cures that a programme names, and whoever has an open one, by file and region."""
    query = select(PROGRAMMES).where(PROGRAMMES.c.patient.in_(list(files)))
    found: set[object] = set()
    for row in connection.execute(query):
        found.add(row.cure)
        if row.state in states.OPEN:
            found.add((row.patient, row.region))
    return found
