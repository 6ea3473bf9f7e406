"""When a cure was planned: an estimate has to come before it."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, insert, select

from broker.fields import Region
from services.billing.estimates.tables import PLANNED
from services.kit.business.told import Told, Types
from services.kit.moments import us_of


class _Planned(Told):
    cure: UUID
    patient: UUID
    region: Region
    sessions: int


def _planned(connection: Connection, site: str, told: _Planned, at: datetime) -> None:
    """Remember it; told again, nothing changes."""
    known = select(PLANNED.c.cure).where(PLANNED.c.cure == str(told.cure))
    if connection.execute(known).first() is None:
        connection.execute(
            insert(PLANNED).values(
                cure=str(told.cure), patient=str(told.patient), site=site, region=told.region,
                sessions=told.sessions, planned_us=us_of(at),
            )
        )  # fmt: skip


TYPES: Final[Types] = {"cure.planned": (_Planned, _planned)}
