"""What homecare does with what the others tell: files, cures. A row a type."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, insert, select, update

from broker.messages import Region
from services.homecare.programmes.tables import CURES
from services.homecare.tables import FILES
from services.kit.business.told import Told, Types
from services.kit.moments import us_of


class _Patient(Told):
    patient: UUID
    into: UUID | None = None


class _Cure(Told):
    cure: UUID
    patient: UUID | None = None
    region: Region | None = None


def _registered(connection: Connection, site: str, told: _Patient, _at: datetime) -> None:
    FILES.put(connection, told.patient, site)


def _merged(connection: Connection, site: str, told: _Patient, _at: datetime) -> None:
    FILES.put(connection, told.patient, site, into=told.into and str(told.into))


def _unmerged(connection: Connection, site: str, told: _Patient, _at: datetime) -> None:
    FILES.put(connection, told.patient, site, into=None)


def _erased(connection: Connection, site: str, told: _Patient, _at: datetime) -> None:
    FILES.put(connection, told.patient, site, erased=True)


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
}
