"""The tables of a business service reduced to inbox, outbox and one effect, for tests of the kit's."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Column, Integer, MetaData, String, Table

from broker.contract import STREAMS
from broker.messages import ClinicEvent
from services.kit.business.tables import BusinessTables

METADATA = MetaData()
TABLES = BusinessTables.of(METADATA, "probe")
EFFECTS = Table(
    "probe_effects", METADATA, Column("message", String(36), nullable=False), Column("number", Integer)
)
STREAM = STREAMS["cure"]
NAMES = UUID("3f1d6c7a-6c5e-4f57-9a53-0f3a0d7f6b22")


def event(message, number):
    """What is told of a change."""
    return ClinicEvent(
        id=message, type="cure.planned", time=datetime(2026, 11, 23, tzinfo=UTC), data={"number": number}
    )
