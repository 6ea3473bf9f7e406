"""What homecare does with what the others tell: files, cures, clearances. A row a type.

A clearance that ends changes nothing at home: it is for sessions on a bed and ends with the cure. What has to
stop is told as a suspension or as a decision.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy import Connection, delete, insert, select, update

from broker.fields import Region
from services.homecare.diary.tables import LINKS, REMINDERS
from services.homecare.programmes import standing, store
from services.homecare.programmes.states import OPEN
from services.homecare.programmes.tables import CURES, PROGRAMMES
from services.homecare.tables import FILES
from services.kit.business.told import Told, Types
from services.kit.moments import us_of

Rule = Annotated[str, Field(max_length=60)]
SCREENING: Final = "screening"  # in whose name a programme is closed and opened again
ERASED: Final = "patient.erased"


class _Patient(Told):
    patient: UUID
    into: UUID | None = None


class _Cure(Told):
    cure: UUID
    patient: UUID | None = None
    region: Region | None = None


class _Decided(Told):
    patient: UUID
    region: Region
    outcome: Literal["cleared", "conditions", "refused", "incomplete"]
    rules: tuple[Rule, ...] = ()
    body_weight_kg: float | None = None


class _Given(Told):
    patient: UUID
    region: Region
    conditions: tuple[Rule, ...] = ()


class _Suspended(Told):
    suspension: UUID
    patient: UUID
    region: Region | None = None
    reason: Annotated[str, Field(max_length=80)] = ""
    adverse: bool = False


def _registered(connection: Connection, site: str, told: _Patient, _at: datetime) -> None:
    FILES.put(connection, told.patient, site)


def _merged(connection: Connection, site: str, told: _Patient, at: datetime) -> None:
    """What was said of either file is said of the person."""
    files = [told.patient] if told.into is None else [told.patient, told.into]
    with _noted(connection, files, us_of(at)):
        FILES.put(connection, told.patient, site, into=told.into and str(told.into))


def _unmerged(connection: Connection, site: str, told: _Patient, at: datetime) -> None:
    files = [told.patient, FILES.current(connection, told.patient)]
    with _noted(connection, files, us_of(at)):
        FILES.put(connection, told.patient, site, into=None)


def _erased(connection: Connection, site: str, told: _Patient, at: datetime) -> None:
    """Its programmes are over, its links open nothing; the record itself is kept as long as the law asks."""
    patient, at_us = str(told.patient), us_of(at)
    mine = select(PROGRAMMES.c.id).where(PROGRAMMES.c.patient == patient)
    FILES.put(connection, told.patient, site, erased=True)  # first: whoever sets a programme waits for it
    query = select(PROGRAMMES.c.id, PROGRAMMES.c.state).where(PROGRAMMES.c.patient == patient)
    for row in connection.execute(query.with_for_update()).all():
        links = update(LINKS).where(LINKS.c.programme == row.id, LINKS.c.revoked_us.is_(None))
        connection.execute(links.values(revoked_us=at_us, revoked_by=ERASED))
        if row.state in OPEN:
            store.put(connection, UUID(row.id), state="ended", changed_us=at_us)
            store.add_turn(connection, row.id, "ended", ERASED, SCREENING, at_us)
    standing.forget(connection, told.patient)
    connection.execute(delete(CURES).where(CURES.c.patient == patient))
    connection.execute(delete(REMINDERS).where(REMINDERS.c.programme.in_(mine)))


def _decided(connection: Connection, _site: str, told: _Decided, at: datetime) -> None:
    if _is_erased(connection, told.patient):
        return
    with _noted(connection, [told.patient], us_of(at)):
        standing.decided(
            connection, told.patient, told.region, told.outcome, told.rules, told.body_weight_kg, us_of(at)
        )


def _given(connection: Connection, _site: str, told: _Given, at: datetime) -> None:
    if _is_erased(connection, told.patient):
        return
    with _noted(connection, [told.patient], us_of(at)):
        standing.given(connection, told.patient, told.region, told.conditions, us_of(at))


def _suspended(connection: Connection, _site: str, told: _Suspended, at: datetime) -> None:
    if _is_erased(connection, told.patient):
        return
    with _noted(connection, [told.patient], us_of(at)):
        standing.suspended(connection, _row(told, at))


def _restored(connection: Connection, _site: str, told: _Suspended, at: datetime) -> None:
    if _is_erased(connection, told.patient):
        return
    with _noted(connection, [told.patient], us_of(at)):
        standing.restored(connection, _row(told, at), us_of(at))


def _is_erased(connection: Connection, patient: UUID) -> bool:
    """Of whom nothing is written down any more, however late it comes."""
    table = FILES.table
    erased = select(table.c.erased).where(table.c.patient == str(patient))
    return bool(connection.execute(erased).scalar())


def _row(told: _Suspended, at: datetime) -> dict[str, Any]:
    return {
        "suspension": str(told.suspension), "patient": str(told.patient), "region": told.region,
        "reason": told.reason, "adverse": told.adverse, "since_us": us_of(at),
    }  # fmt: skip


@contextmanager
def _noted(connection: Connection, patients: list[UUID], at_us: int) -> Iterator[None]:
    """Around what screening tells: each programme that it closes or opens again says so in its history."""
    before = _closed(connection, patients)
    yield
    after = _closed(connection, patients)
    for programme, why in after.items():
        was = before.get(programme)
        if (why is None) != (was is None):
            kind = "restored" if why is None else "suspended"
            store.add_turn(connection, programme, kind, why or "", SCREENING, at_us)


def _closed(connection: Connection, patients: list[UUID]) -> dict[UUID, str | None]:
    """The open programmes of these people, each with the rule that closes it."""
    return {
        one.id: one.suspended.rule if one.suspended else None
        for patient in patients
        for one in store.of_person(connection, patient)
    }


def _planned(connection: Connection, site: str, told: _Cure, _at: datetime) -> None:
    _put_cure(connection, site, told)


def _ended(connection: Connection, site: str, told: _Cure, at: datetime) -> None:
    _put_cure(connection, site, told)
    ended = update(CURES).where(CURES.c.cure == str(told.cure))
    connection.execute(ended.values(ended_us=us_of(at)))


def _put_cure(connection: Connection, site: str, told: _Cure) -> None:
    """A cure, once; its end may come before its plan, and names its patient too."""
    known = connection.execute(select(CURES.c.cure).where(CURES.c.cure == str(told.cure))).first()
    if known is not None or told.patient is None or told.region is None:
        return
    if _is_erased(connection, told.patient):
        return
    new: dict[str, Any] = {
        "cure": str(told.cure), "patient": str(told.patient), "site": site, "region": told.region,
        "ended_us": None,
    }  # fmt: skip
    connection.execute(insert(CURES).values(new))


TYPES: Final[Types] = {
    "patient.registered": (_Patient, _registered),
    "patient.changed": (_Patient, _registered),
    "patient.merged": (_Patient, _merged),
    "patient.unmerged": (_Patient, _unmerged),
    "patient.erased": (_Patient, _erased),
    "cure.planned": (_Cure, _planned),
    "cure.ended": (_Cure, _ended),
    "clearance.decided": (_Decided, _decided),
    "clearance.given": (_Given, _given),
    "clearance.suspended": (_Suspended, _suspended),
    "clearance.restored": (_Suspended, _restored),
}
