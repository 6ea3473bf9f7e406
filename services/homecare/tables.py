"""The tables of homecare: each room adds its own to METADATA."""

from typing import Final

from sqlalchemy import MetaData

from services.kit.business.files import Files
from services.kit.business.tables import BusinessTables
from services.kit.business.zones import Zones

PACKAGE: Final = "services.homecare"
METADATA: Final = MetaData()
TABLES: Final = BusinessTables.of(METADATA, "homecare")
ZONES: Final = Zones(METADATA, "homecare_zones")
FILES: Final = Files(METADATA, "homecare_patients")
