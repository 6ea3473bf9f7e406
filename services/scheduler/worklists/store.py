"""All SQL of worklists."""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, delete, func, insert, select, update

from services.kit.moments import now_us
from services.scheduler.booking.tables import CLEARANCES, HISTORY, PATIENTS, SUSPENSIONS
from services.scheduler.progression.tables import PRESCRIPTIONS
from services.scheduler.resources.tables import DEVICES, SITES
from services.scheduler.worklists.tables import SEALED, WORKLISTS

BATCH: Final = 500  # parameters of one IN (...)
_LOOKED_AT: Final = (  # whatever changes a list moves one of these
    select(func.max(HISTORY.c.row)),
    select(func.max(PRESCRIPTIONS.c.row)),
    select(func.count(), func.max(CLEARANCES.c.ended_us)).select_from(CLEARANCES),
    select(func.count(CLEARANCES.c.ended_us)),
    select(func.count(), func.count(SUSPENSIONS.c.restored_us)).select_from(SUSPENSIONS),
    select(func.count(PATIENTS.c.into), func.max(PATIENTS.c.into)),
    select(func.count(), func.max(DEVICES.c.heard_us)).select_from(DEVICES),
    select(func.max(SITES.c.changed_us)),
    select(func.count(), func.max(SEALED.c.at_us)).select_from(SEALED),
)


def fingerprint(connection: Connection) -> tuple[object, ...]:
    """Something else whenever a worklist may have changed."""
    return tuple(tuple(connection.execute(query).one()) for query in _LOOKED_AT)


def told(connection: Connection, site: str) -> dict[str, tuple[str, int]]:
    """What each bed of a site was told last: digest and time."""
    query = select(WORKLISTS).where(WORKLISTS.c.site == site)
    return {row["device"]: (row["digest"], row["at_us"]) for row in connection.execute(query).mappings()}


def put_told(connection: Connection, site: str, device: str, digest: str, at_us: int) -> None:
    """A bed was told this."""
    row = (WORKLISTS.c.site == site) & (WORKLISTS.c.device == device)
    values = {"digest": digest, "at_us": at_us}
    if connection.execute(update(WORKLISTS).where(row).values(values)).rowcount == 0:
        connection.execute(insert(WORKLISTS).values(site=site, device=device, **values))


def sealed(connection: Connection, appointments: Sequence[UUID]) -> dict[tuple[UUID, UUID, str], str]:
    """Names that were sealed before: by appointment, patient and the key they were sealed for."""
    found: dict[tuple[UUID, UUID, str], str] = {}
    for first in range(0, len(appointments), BATCH):
        names = [str(one) for one in appointments[first : first + BATCH]]
        rows = connection.execute(select(SEALED).where(SEALED.c.appointment.in_(names))).mappings()
        for row in rows:
            found[UUID(row["appointment"]), UUID(row["patient"]), row["sealing_key"]] = row["sealed"]
    return found


def put_sealed(connection: Connection, rows: Iterable[tuple[UUID, UUID, str, str]], at_us: int) -> None:
    """Keep sealed names: appointment, patient, key, text."""
    for appointment, patient, key, text in rows:
        connection.execute(delete(SEALED).where(SEALED.c.appointment == str(appointment)))
        connection.execute(
            insert(SEALED).values(
                appointment=str(appointment), patient=str(patient), sealing_key=key, sealed=text, at_us=at_us
            )
        )


def forget_names(connection: Connection, patients: Iterable[UUID]) -> None:
    """Their files have changed: they are asked for anew. The emptied rows tell that lists have changed."""
    names = [str(patient) for patient in patients]
    emptied = update(SEALED).where(SEALED.c.patient.in_(names))
    connection.execute(emptied.values(sealing_key="", sealed="", at_us=now_us()))


def forget_before(connection: Connection, at_us: int) -> None:
    """Nobody's list has them any more."""
    connection.execute(delete(SEALED).where(SEALED.c.at_us < at_us))
