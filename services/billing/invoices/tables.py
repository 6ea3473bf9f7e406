"""Tables of drafts and invoices. A draft is work in progress; an invoice is never changed, nor deleted."""

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
    Text,
    UniqueConstraint,
)

from services.billing.tables import METADATA
from services.kit.columns import KEY, NAME, SHA256, SLUG, UUID_TEXT

DRAFTS: Final = Table(
    "billing_drafts",
    METADATA,
    Column("id", UUID_TEXT, primary_key=True),
    Column("request", UUID_TEXT, unique=True),
    Column("site", SLUG, nullable=False, index=True),
    Column("patient", UUID_TEXT, nullable=False),
    Column("case", UUID_TEXT, nullable=False, index=True),
    Column("why", String(10), nullable=False),  # session, cure, month, hand
    Column("said", JSON, nullable=False),  # what a person set, and what they left out
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
)

DRAFTED: Final = Table(
    "billing_drafted",  # on which draft a charge waits
    METADATA,
    Column("charge", UUID_TEXT, primary_key=True),
    Column("draft", UUID_TEXT, nullable=False, index=True),
)

NUMBERS: Final = Table(
    "billing_numbers",  # the last number of a site's year: raised in the transaction that uses it
    METADATA,
    Column("site", SLUG, nullable=False),
    Column("year", Integer, nullable=False),
    Column("last", Integer, nullable=False),
    PrimaryKeyConstraint("site", "year"),
)

INVOICES: Final = Table(
    "billing_invoices",
    METADATA,
    Column("seq", KEY, primary_key=True, autoincrement=True),
    Column("id", UUID_TEXT, nullable=False, unique=True),
    Column("request", UUID_TEXT, nullable=False, unique=True),
    Column("site", SLUG, nullable=False),
    Column("year", Integer, nullable=False),
    Column("counted", Integer, nullable=False),  # its place among the site's of that year
    Column("number", String(60), nullable=False, unique=True),
    Column("kind", String(12), nullable=False),
    Column("cancels", UUID_TEXT, unique=True),  # an invoice is cancelled once
    Column("patient", UUID_TEXT, nullable=False, index=True),
    Column("case", UUID_TEXT, nullable=False),
    Column("cure", UUID_TEXT),
    Column("issued_on", Date, nullable=False),
    Column("due_on", Date, nullable=False),
    Column("total_ct", BigInteger, nullable=False),
    Column("recipient", String(500), nullable=False),  # the name alone, for lists
    Column("sought", Text, nullable=False),  # number and names as they are looked for
    Column("charges", JSON, nullable=False),
    Column("paper", JSON, nullable=False),
    Column("reason", Text),
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    UniqueConstraint("site", "year", "counted"),
    Index("billing_invoices_site", "site", "issued_on"),
)

ITEMS: Final = Table(
    "billing_items",  # what stands on invoices, a row a line, for revenue: a cancellation's are negative
    METADATA,
    Column("invoice", UUID_TEXT, nullable=False),
    Column("position", Integer, nullable=False),
    Column("site", SLUG, nullable=False),
    Column("issued_on", Date, nullable=False),
    Column("on_date", Date, nullable=False),
    Column("number", String(12), nullable=False),  # of the fee schedule; empty for an outlay
    Column("count", Integer, nullable=False),
    Column("amount_ct", BigInteger, nullable=False),
    PrimaryKeyConstraint("invoice", "position"),
    Index("billing_items_site", "site", "issued_on"),
)

DOCUMENTS: Final = Table(
    "billing_documents",  # what was handed out, to the byte
    METADATA,
    Column("invoice", UUID_TEXT, primary_key=True),
    Column("pdf", LargeBinary, nullable=False),
    Column("xml", LargeBinary, nullable=False),
    Column("sha256", SHA256, nullable=False),
)
