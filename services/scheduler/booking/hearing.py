"""What the scheduler does with what screening tells of patients and clearances: a row a type."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field
from sqlalchemy import Connection

from broker.fields import Region
from services.kit.business import told as events
from services.kit.business.inbox import Heard
from services.kit.business.told import Told, Types
from services.scheduler.booking import care, standing, waiting
from services.scheduler.clock import us_of


class _Patient(Told):
    patient: UUID
    into: UUID | None = None


class _Given(Told):
    clearance: UUID
    patient: UUID
    region: Region
    token: str
    valid_from: AwareDatetime
    valid_until: AwareDatetime
    conditions: tuple[str, ...] = ()


class _Decided(Told):
    patient: UUID
    region: Region
    outcome: Literal["cleared", "conditions", "refused", "incomplete"]
    rules: tuple[Annotated[str, Field(max_length=60)], ...] = ()
    consented: bool = False
    body_weight_kg: float | None = None
    age_years: int | None = None


class _Ended(Told):
    clearance: UUID


class _Suspended(Told):
    suspension: UUID
    patient: UUID
    region: Region | None = None
    reason: str = ""
    adverse: bool = False


def _registered(connection: Connection, site: str, told: _Patient, _at: datetime) -> None:
    care.put_patient(connection, told.patient, site)


def _merged(connection: Connection, site: str, told: _Patient, _at: datetime) -> None:
    care.put_patient(connection, told.patient, site, into=str(told.into) if told.into else None)


def _unmerged(connection: Connection, site: str, told: _Patient, _at: datetime) -> None:
    care.put_patient(connection, told.patient, site, into=None)


def _erased(connection: Connection, site: str, told: _Patient, _at: datetime) -> None:
    care.put_patient(connection, told.patient, site, erased=True)
    waiting.forget(connection, told.patient)
    standing.forget(connection, told.patient)


def _given(connection: Connection, site: str, told: _Given, at: datetime) -> None:
    care.give(
        connection,
        {
            "clearance": str(told.clearance), "patient": str(told.patient), "site": site,
            "region": told.region, "token": told.token, "conditions": told.conditions,
            "valid_from_us": us_of(told.valid_from), "valid_until_us": us_of(told.valid_until),
            "given_us": us_of(at),
        },
    )  # fmt: skip


def _decided(connection: Connection, site: str, told: _Decided, at: datetime) -> None:
    values = told.model_dump(mode="json") | {"site": site, "at_us": us_of(at)}
    standing.stand(connection, values)


def _ended(connection: Connection, _site: str, told: _Ended, at: datetime) -> None:
    care.end(connection, told.clearance, us_of(at))


def _row(site: str, told: _Suspended, at: datetime) -> dict[str, Any]:
    return {
        "suspension": str(told.suspension), "patient": str(told.patient), "site": site,
        "region": told.region, "reason": told.reason, "adverse": told.adverse, "since_us": us_of(at),
    }  # fmt: skip


def _suspended(connection: Connection, site: str, told: _Suspended, at: datetime) -> None:
    care.suspend(connection, _row(site, told, at))


def _restored(connection: Connection, site: str, told: _Suspended, at: datetime) -> None:
    care.restore(connection, told.suspension, _row(site, told, at), us_of(at))


TOLD: Final[Types] = {
    "patient.registered": (_Patient, _registered),
    "patient.merged": (_Patient, _merged),
    "patient.unmerged": (_Patient, _unmerged),
    "patient.erased": (_Patient, _erased),
    "clearance.given": (_Given, _given),
    "clearance.decided": (_Decided, _decided),
    "clearance.ended": (_Ended, _ended),
    "clearance.suspended": (_Suspended, _suspended),
    "clearance.restored": (_Suspended, _restored),
}


def hear(connection: Connection, heard: Heard) -> None:
    """One event of screening. Raises SpondylError when its data is not what its type says."""
    events.hear(TOLD, connection, heard)
