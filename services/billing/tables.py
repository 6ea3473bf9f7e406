"""The tables of billing: each room adds its own to METADATA."""

from typing import Final

from sqlalchemy import MetaData

from services.kit.business.tables import BusinessTables

PACKAGE: Final = "services.billing"
METADATA: Final = MetaData()
TABLES: Final = BusinessTables.of(METADATA, "billing")
