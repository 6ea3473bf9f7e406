"""Tables of payments, reminders and bank statements. A payment is reversed by a row of its own."""

from typing import Final

from sqlalchemy import (
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

PAYMENTS: Final = Table(
    "billing_payments",
    METADATA,
    Column("seq", KEY, primary_key=True, autoincrement=True),
    Column("id", UUID_TEXT, nullable=False, unique=True),
    Column("request", UUID_TEXT, nullable=False, unique=True),
    Column("site", SLUG, nullable=False),
    Column("invoice", UUID_TEXT, nullable=False, index=True),
    Column("amount_ct", BigInteger, nullable=False),  # negative: paid back
    Column("fees_ct", BigInteger, nullable=False, server_default="0"),  # of it for fees of reminders
    Column("received_on", Date, nullable=False),
    Column("method", String(10), nullable=False),
    Column("entry", UUID_TEXT),  # of a bank statement
    Column("note", Text),
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("billing_payments_site", "site", "received_on"),
)

PAYMENT_REVERSALS: Final = Table(
    "billing_payment_reversals",
    METADATA,
    Column("payment", UUID_TEXT, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("reversed_on", Date, nullable=False, index=True),  # in the books: never the payment's own period
)

REPORTED: Final = Table(
    "billing_reported",  # periods that were handed to the tax adviser: their figures stay
    METADATA,
    Column("seq", KEY, primary_key=True, autoincrement=True),
    Column("site", SLUG, nullable=False, index=True),
    Column("since", Date, nullable=False),
    Column("until", Date, nullable=False),  # the last day of it that was over
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)

LETTERS: Final = Table(
    "billing_letters",
    METADATA,
    Column("id", UUID_TEXT, primary_key=True),
    Column("site", SLUG, nullable=False),
    Column("invoice", UUID_TEXT, nullable=False),
    Column("step", Integer, nullable=False),
    Column("sent_on", Date, nullable=False),
    Column("due_on", Date, nullable=False),
    Column("fee_ct", BigInteger, nullable=False),
    Column("open_ct", BigInteger, nullable=False),
    Column("pdf", LargeBinary, nullable=False),
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    UniqueConstraint("invoice", "step"),
    Index("billing_letters_site", "site", "sent_on"),
)

WAIVERS: Final = Table(
    "billing_fee_waivers",  # fees of reminders that are not asked for any more
    METADATA,
    Column("letter", UUID_TEXT, primary_key=True),
    Column("site", SLUG, nullable=False),
    Column("invoice", UUID_TEXT, nullable=False, index=True),
    Column("waived_on", Date, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("billing_fee_waivers_site", "site", "waived_on"),
)

STATEMENTS: Final = Table(
    "billing_statements",
    METADATA,
    Column("id", UUID_TEXT, primary_key=True),
    Column("site", SLUG, nullable=False),
    Column("sha256", SHA256, nullable=False),
    Column("iban", String(34), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    UniqueConstraint("site", "sha256"),
)

ENTRIES: Final = Table(
    "billing_entries",
    METADATA,
    Column("id", UUID_TEXT, primary_key=True),
    Column("statement", UUID_TEXT, nullable=False, index=True),
    Column("site", SLUG, nullable=False),
    Column("mark", SHA256, nullable=False),  # of account, bank's reference, day and amount: two files overlap
    Column("booked_on", Date, nullable=False),
    Column("amount_ct", BigInteger, nullable=False),
    Column("name", String(200), nullable=False),
    Column("iban", String(34), nullable=False),
    Column("purpose", Text, nullable=False),
    Column("state", String(10), nullable=False),  # open, matched, ignored
    Column("why", Text),
    Column("account", String(41), nullable=False, server_default=""),  # IBAN; where none is known: @site
    UniqueConstraint("site", "mark"),
    Index("billing_entries_site", "site", "state", "booked_on"),
    Index("billing_entries_account", "account", "mark", unique=True),  # whichever site's file it came with
    Index("billing_entries_state", "account", "state", "booked_on"),
)
