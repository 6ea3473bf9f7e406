"""Which files are one person: as screening tells of merges."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, insert, select, update

from services.billing.charges.tables import PATIENTS

DEEPEST: Final = 20  # of files merged into files; more is a circle
MOST_FILES: Final = 200


def put(connection: Connection, patient: UUID, site: str, **changed: Any) -> None:
    """Remember a file, or what changed of it: ``into`` (text or None), ``erased``."""
    at = PATIENTS.c.patient == str(patient)
    known = connection.execute(select(PATIENTS).where(at).with_for_update()).first()
    if known is None:
        new = {"patient": str(patient), "site": site, "into": None, "erased": False, **changed}
        connection.execute(insert(PATIENTS).values(new))
    elif changed:
        connection.execute(update(PATIENTS).where(at).values(changed))


def current(connection: Connection, patient: UUID) -> UUID:
    """The file that took this one's place, or itself."""
    at = str(patient)
    for _ in range(DEEPEST):
        into = connection.execute(select(PATIENTS.c.into).where(PATIENTS.c.patient == at)).scalar()
        if into is None:
            break
        at = into
    return UUID(at)


def files(connection: Connection, patient: UUID) -> list[str]:
    """Every file of this person, as text."""
    found = [str(current(connection, patient))]
    level = found
    while level and len(found) < MOST_FILES:
        rows = connection.execute(select(PATIENTS.c.patient).where(PATIENTS.c.into.in_(level))).scalars()
        level = [row for row in rows if row not in found]
        found += level
    return found
