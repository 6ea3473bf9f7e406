"""Tables of estimates and fee agreements. A paper is never changed: a new version takes its place, and what
becomes of it is a row of its own.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Date,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from services.billing.tables import METADATA
from services.kit.columns import KEY, NAME, SHA256, SLUG, UUID_TEXT

ESTIMATES: Final = Table(
    "billing_estimates",
    METADATA,
    Column("seq", KEY, primary_key=True, autoincrement=True),
    Column("id", UUID_TEXT, nullable=False, unique=True),
    Column("request", UUID_TEXT, nullable=False, unique=True),
    Column("kind", String(12), nullable=False),  # estimate, agreement
    Column("site", SLUG, nullable=False),
    Column("patient", UUID_TEXT, nullable=False),
    Column("cure", UUID_TEXT),
    Column("region", String(8), nullable=False),  # empty: an agreement
    Column("version", Integer, nullable=False),  # of its kind and region, from 1
    Column("issued_on", Date, nullable=False),
    Column("valid_until", Date),
    Column("total_ct", BigInteger),
    Column("content", JSON, nullable=False),
    Column("pdf", LargeBinary, nullable=False),  # what is handed out, to the byte
    Column("sha256", SHA256, nullable=False),
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    UniqueConstraint("patient", "site", "kind", "region", "version"),
    Index("billing_estimates_site", "site", "kind", "issued_on"),
)

HANDINGS: Final = Table(
    "billing_handings",  # a paper came to whoever it is for: signed, or handed over in text form
    METADATA,
    Column("id", UUID_TEXT, primary_key=True),
    Column("request", UUID_TEXT, nullable=False, unique=True),
    Column("estimate", UUID_TEXT, nullable=False, index=True),
    Column("how", String(10), nullable=False),  # signed, paper, email, portal
    Column("receiver", String(500), nullable=False),
    Column("on_date", Date, nullable=False),
    Column("note", Text),
    Column("media", String(40)),
    Column("content", LargeBinary),  # the signed copy
    Column("sha256", SHA256),
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)

ESTIMATE_WITHDRAWALS: Final = Table(
    "billing_estimate_withdrawals",
    METADATA,
    Column("estimate", UUID_TEXT, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)

PLANNED: Final = Table(
    "billing_planned",  # when each cure was planned: an estimate has to come before it
    METADATA,
    Column("cure", UUID_TEXT, primary_key=True),
    Column("patient", UUID_TEXT, nullable=False, index=True),
    Column("site", SLUG, nullable=False),
    Column("region", String(8), nullable=False),
    Column("sessions", Integer, nullable=False),
    Column("planned_us", BigInteger, nullable=False),
    Index("billing_planned_site", "site", "planned_us"),
)
