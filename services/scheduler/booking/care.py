"""Who may be treated, as screening tells: patients by random ids, clearances, suspensions. All SQL of it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, insert, select, update

from broker.fields import Region
from broker.messages import Suspension
from services.kit.moments import instant_of
from services.scheduler.booking.tables import CLEARANCES, PATIENTS, SUSPENSIONS
from services.scheduler.clock import us_of

Row = dict[str, Any]
MOST_MERGES = 20  # one file into another into another; beyond it somebody merged in a circle


def hold_patient(connection: Connection, patient: UUID, site: str) -> None:
    """Nobody else books for this person until the transaction ends; an unknown one is known from now on."""
    patient = current(connection, patient)
    query = select(PATIENTS.c.patient).where(PATIENTS.c.patient == str(patient)).with_for_update()
    if connection.execute(query).first() is None:
        put_patient(connection, patient, site)


def put_patient(connection: Connection, patient: UUID, site: str, **values: Any) -> None:
    """A patient, known or new: merged into another one, erased."""
    row = PATIENTS.c.patient == str(patient)
    if connection.execute(select(PATIENTS.c.patient).where(row)).first():
        if values:
            connection.execute(update(PATIENTS).where(row).values(values))
        return
    given = {"into": None, "erased": False, **values}
    connection.execute(insert(PATIENTS).values(patient=str(patient), site=site, **given))


def site_of(connection: Connection, patient: UUID) -> str | None:
    """The site of this patient's file; none of somebody of whom nothing was told."""
    return connection.execute(select(PATIENTS.c.site).where(PATIENTS.c.patient == str(patient))).scalar()


def is_erased(connection: Connection, patient: UUID) -> bool:
    """Whether the file of this patient is gone."""
    query = select(PATIENTS.c.erased).where(PATIENTS.c.patient == str(patient))
    return bool(connection.execute(query).scalar())


def current(connection: Connection, patient: UUID) -> UUID:
    """Whom this patient's file was merged into, at the end of the chain; else the patient."""
    name = str(patient)
    for _ in range(MOST_MERGES):
        into = connection.execute(select(PATIENTS.c.into).where(PATIENTS.c.patient == name)).scalar()
        if into is None:
            break
        name = into
    return UUID(name)


def merged(connection: Connection, patients: Iterable[UUID]) -> dict[UUID, UUID]:
    """Those of them whose files were merged into others, with the others."""
    query = select(PATIENTS.c.patient).where(
        PATIENTS.c.patient.in_([str(patient) for patient in patients]), PATIENTS.c.into.is_not(None)
    )
    names = [UUID(name) for name in connection.execute(query).scalars()]
    return {patient: current(connection, patient) for patient in names}


def same(connection: Connection, patient: UUID) -> list[UUID]:
    """This patient and every one merged into them."""
    found = [str(patient)]
    for _ in range(MOST_MERGES):
        query = select(PATIENTS.c.patient).where(PATIENTS.c.into.in_(found), PATIENTS.c.patient.not_in(found))
        more = list(connection.execute(query).scalars())
        if not more:
            break
        found += more
    return [UUID(name) for name in found]


def same_people(connection: Connection, patients: Iterable[UUID]) -> dict[UUID, UUID]:
    """Every id that each of these goes by, with the one of them that was asked for; one query."""
    rows = select(PATIENTS.c.patient, PATIENTS.c.into).where(PATIENTS.c.into.is_not(None))
    into = {UUID(row.patient): UUID(row.into) for row in connection.execute(rows)}

    def root(patient: UUID) -> UUID:
        for _ in range(MOST_MERGES):
            patient = into.get(patient, patient)
        return patient

    asked = list(patients)
    by_root = {root(patient): patient for patient in asked}
    known = {one: by_root[root(one)] for one in {*into, *into.values()} if root(one) in by_root}
    return known | {patient: patient for patient in asked}


def give(connection: Connection, values: Row) -> None:
    """A clearance, once."""
    if connection.execute(
        select(CLEARANCES.c.clearance).where(CLEARANCES.c.clearance == values["clearance"])
    ).first():
        return
    connection.execute(insert(CLEARANCES).values(values))


def end(connection: Connection, clearance: UUID, at_us: int) -> None:
    """It is good for nothing from now on."""
    connection.execute(
        update(CLEARANCES).where(CLEARANCES.c.clearance == str(clearance)).values(ended_us=at_us)
    )


def clearance_of(connection: Connection, patient: UUID, region: Region, at: datetime) -> Row | None:
    """The clearance in force at this moment, with its ``token``."""
    return clearances(connection, [patient], at).get((str(patient), region))


def clearances(connection: Connection, patients: Iterable[UUID], at: datetime) -> dict[tuple[str, str], Row]:
    """By patient and region those in force: the newest alone counts, an older one is never good again."""
    at_us = us_of(at)
    query = select(CLEARANCES).where(
        CLEARANCES.c.patient.in_([str(patient) for patient in patients]), CLEARANCES.c.valid_from_us <= at_us
    )
    newest = {
        (row["patient"], row["region"]): dict(row)
        for row in connection.execute(query.order_by(CLEARANCES.c.given_us)).mappings()
    }
    return {
        whose: row
        for whose, row in newest.items()
        if row["ended_us"] is None and row["valid_until_us"] > at_us
    }


def suspend(connection: Connection, values: Row) -> None:
    """Note a suspension; one that was restored before it was heard of stays restored."""
    row = SUSPENSIONS.c.suspension == values["suspension"]
    if connection.execute(select(SUSPENSIONS.c.suspension).where(row)).first() is None:
        connection.execute(insert(SUSPENSIONS).values(values))


def restore(connection: Connection, suspension: UUID, values: Row, at_us: int) -> None:
    """A clinician has signed why they may be treated again."""
    row = SUSPENSIONS.c.suspension == str(suspension)
    if connection.execute(update(SUSPENSIONS).where(row).values(restored_us=at_us)).rowcount == 0:
        connection.execute(insert(SUSPENSIONS).values(**values, restored_us=at_us))


def suspended(
    connection: Connection, site: str | None = None, patients: Sequence[UUID] | None = None
) -> list[Suspension]:
    """Every suspension that is open, of a site or of these patients, as a worklist tells it."""
    where: list[ColumnElement[bool]] = [SUSPENSIONS.c.restored_us.is_(None)]
    if site is not None:
        where.append(SUSPENSIONS.c.site == site)
    if patients is not None:
        where.append(SUSPENSIONS.c.patient.in_([str(patient) for patient in patients]))
    query = select(SUSPENSIONS).where(*where).order_by(SUSPENSIONS.c.since_us)
    return [
        Suspension(
            patient=UUID(row["patient"]), region=row["region"], since=instant_of(row["since_us"]),
            reason=row["reason"], adverse=row["adverse"],
        )
        for row in connection.execute(query).mappings()
    ]  # fmt: skip
