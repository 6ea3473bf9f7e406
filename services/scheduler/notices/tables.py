"""The tables of feeds and reminders; migration 0004 makes them."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, String, Table, Text

from services.kit.columns import NAME, SHA256, SLUG, UUID_TEXT
from services.scheduler.tables import METADATA

FEEDS: Final = Table(
    "scheduler_feeds",
    METADATA,
    Column("feed", UUID_TEXT, primary_key=True),
    Column("secret_sha256", SHA256, nullable=False, unique=True),  # the address itself is shown once
    Column("kind", String(10), nullable=False),  # patient, device, therapist
    Column("subject", String(40), nullable=False),
    Column("site", SLUG, nullable=False),
    Column("language", String(2), nullable=False),
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("revoked_us", BigInteger),
    Column("read_us", BigInteger),
    Index("scheduler_feeds_subject", "kind", "subject"),
)
REMINDERS: Final = Table(  # one for each time that an appointment has: moved, it is another
    "scheduler_reminders",
    METADATA,
    Column("appointment", UUID_TEXT, nullable=False),
    Column("starts_us", BigInteger, nullable=False),
    Column("site", SLUG, nullable=False),
    Column("state", String(10), nullable=False),  # claimed, sending, sent, waiting, failed, unknown, skipped
    Column("tries", Integer, nullable=False),
    Column("claimed_us", BigInteger, nullable=False),
    Column("next_us", BigInteger),
    Column("why", Text, nullable=False),
    PrimaryKeyConstraint("appointment", "starts_us"),
    Index("scheduler_reminders_state", "state", "next_us"),
)
