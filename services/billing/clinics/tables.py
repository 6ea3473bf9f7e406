"""Tables of what a site says of itself: every version stays."""

from typing import Final

from sqlalchemy import JSON, BigInteger, Column, Index, Table

from services.billing.tables import METADATA
from services.kit.columns import KEY, NAME, SLUG

CLINICS: Final = Table(
    "billing_clinics",
    METADATA,
    Column("seq", KEY, primary_key=True, autoincrement=True),
    Column("site", SLUG, nullable=False),
    Column("content", JSON, nullable=False),
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("billing_clinics_site", "site", "seq"),
)

TARIFFS: Final = Table(
    "billing_tariffs",
    METADATA,
    Column("seq", KEY, primary_key=True, autoincrement=True),
    Column("site", SLUG, nullable=False),
    Column("name", NAME, nullable=False),
    Column("content", JSON, nullable=False),
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("billing_tariffs_site", "site", "name", "seq"),
)
