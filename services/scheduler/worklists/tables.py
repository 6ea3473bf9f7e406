"""Tables of worklists: what was told last, and names as they were sealed. Times are microseconds since the
epoch.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, String, Table, Text

from services.kit.columns import SHA256, SLUG, UUID_TEXT
from services.scheduler.tables import METADATA

WORKLISTS: Final = Table(
    "scheduler_worklists",
    METADATA,
    Column("site", SLUG, nullable=False),
    Column("device", SLUG, nullable=False),
    Column("digest", SHA256, nullable=False),  # of everything in it but the time
    Column("at_us", BigInteger, nullable=False),  # what it said of itself: never an earlier one after it
    PrimaryKeyConstraint("site", "device"),
)

SEALED: Final = Table(
    "scheduler_sealed_names",  # only the gateway's private key opens them
    METADATA,
    Column("appointment", UUID_TEXT, primary_key=True),
    Column("patient", UUID_TEXT, nullable=False, index=True),
    Column("sealing_key", String(64), nullable=False),
    Column("sealed", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)
