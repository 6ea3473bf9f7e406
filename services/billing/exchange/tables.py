"""Tables of what was handed to others: debtors' accounts, deliveries to billing offices, consents to them."""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Date,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)

from services.billing.tables import METADATA
from services.kit.columns import KEY, NAME, SHA256, SLUG, UUID_TEXT

DEBTORS: Final = Table(
    "billing_debtors",  # which account a patient has in the clinic's books: once given, for ever
    METADATA,
    Column("site", SLUG, nullable=False),
    Column("patient", UUID_TEXT, nullable=False),
    Column("account", Integer, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("site", "patient"),
    UniqueConstraint("site", "account"),
)

DELIVERIES: Final = Table(
    "billing_deliveries",  # what a billing office got, to the byte
    METADATA,
    Column("seq", KEY, primary_key=True, autoincrement=True),
    Column("site", SLUG, nullable=False),
    Column("office", SLUG, nullable=False),
    Column("number", Integer, nullable=False),  # without a gap for a site and an office
    Column("since", Date, nullable=False),
    Column("until", Date, nullable=False),
    Column("count", Integer, nullable=False),
    Column("total_ct", BigInteger, nullable=False),
    Column("name", String(80), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("sha256", SHA256, nullable=False),
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("request", UUID_TEXT),  # which asked for it; none of those before 0007
    Column("detail", JSON),  # what was asked beside the period, who was left out and why, the certificate
    UniqueConstraint("site", "office", "number"),
    Index("billing_deliveries_request", "request", unique=True),
)

DELIVERED: Final = Table(
    "billing_delivered",  # which invoice stood in which delivery
    METADATA,
    Column("delivery", KEY, nullable=False),
    Column("invoice", UUID_TEXT, nullable=False, index=True),
    PrimaryKeyConstraint("delivery", "invoice"),
)

DISCLOSURES: Final = Table(
    "billing_disclosures",  # a patient let an office have what it needs, or takes that back: the last counts
    METADATA,
    Column("seq", KEY, primary_key=True, autoincrement=True),
    Column("id", UUID_TEXT, nullable=False, unique=True),
    Column("request", UUID_TEXT, nullable=False, unique=True),
    Column("site", SLUG, nullable=False),
    Column("patient", UUID_TEXT, nullable=False),
    Column("office", SLUG, nullable=False),
    Column("office_name", String(40), nullable=False),  # who it was then: a consent is for nobody else
    Column("kind", String(10), nullable=False),  # given, withdrawn
    Column("on_date", Date, nullable=False),  # signed on, withdrawn on
    Column("note", String(200)),
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("billing_disclosures_patient", "site", "patient", "office"),
)
