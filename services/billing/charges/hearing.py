"""What billing does with what the others tell: files, cures, sessions. A row a type."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from broker.fields import Region
from broker.messages import Event
from services.billing.charges import cases, charging, parting, patients
from services.kit.business.inbox import Heard
from services.kit.business.told import Told, Types
from services.kit.moments import us_of

ENDS: Final = ("session.completed", "session.aborted")


class _Patient(Told):
    patient: UUID
    into: UUID | None = None


class _Planned(Told):
    cure: UUID
    patient: UUID
    region: Region
    sessions: int


class _Ended(Told):
    cure: UUID
    patient: UUID | None = None
    region: Region | None = None
    sessions: int = 0
    reason: str = ""


def _registered(connection: Connection, site: str, told: _Patient, _at: datetime) -> None:
    patients.put(connection, told.patient, site)


def _merged(connection: Connection, site: str, told: _Patient, _at: datetime) -> None:
    patients.put(connection, told.patient, site, into=told.into and str(told.into))


def _unmerged(connection: Connection, site: str, told: _Patient, at: datetime) -> None:
    patients.put(connection, told.patient, site, into=None)
    parting.part(connection, told.patient, us_of(at))


def _erased(connection: Connection, site: str, told: _Patient, _at: datetime) -> None:
    patients.put(connection, told.patient, site, erased=True)


def _planned(connection: Connection, site: str, told: _Planned, at: datetime) -> None:
    cases.put_cure(connection, told.cure, _cure(site, told.patient, told.region, told.sessions))
    cases.opened(connection, told.patient, site, told.region, us_of(at))


def _cure(site: str, patient: UUID, region: Region, sessions: int) -> dict[str, Any]:
    return {
        "patient": str(patient), "site": site, "region": region, "sessions": sessions, "ended_us": None,
        "reason": None,
    }  # fmt: skip


def _ended(connection: Connection, site: str, told: _Ended, at: datetime) -> None:
    if told.patient is not None and told.region is not None:  # its plan may come later
        cases.put_cure(connection, told.cure, _cure(site, told.patient, told.region, told.sessions))
    cases.end_cure(connection, told.cure, told.reason, us_of(at))


TYPES: Final[Types] = {
    "patient.registered": (_Patient, _registered),
    "patient.changed": (_Patient, _registered),
    "patient.merged": (_Patient, _merged),
    "patient.unmerged": (_Patient, _unmerged),
    "patient.erased": (_Patient, _erased),
    "cure.planned": (_Planned, _planned),
    "cure.ended": (_Ended, _ended),
}


def session(connection: Connection, heard: Heard) -> None:
    """The end of a session: charged once, by its id."""
    event = heard.message
    if isinstance(event, Event) and event.type in ENDS and event.summary is not None:
        charging.hear(connection, heard.site, event.summary, completed=event.type == ENDS[0])
