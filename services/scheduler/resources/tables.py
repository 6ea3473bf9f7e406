"""Tables of places and people. Times are microseconds since the epoch; hours are of the site's own clock."""

from typing import Final

from sqlalchemy import JSON, BigInteger, Boolean, Column, Integer, PrimaryKeyConstraint, String, Table, Text

from services.kit.columns import NAME, SLUG, UUID_TEXT
from services.scheduler.tables import METADATA

SITES: Final = Table(
    "scheduler_sites",
    METADATA,
    Column("site", SLUG, primary_key=True),
    Column("state", String(20), nullable=False),  # ISO 3166-2, "DE-BE": whose public holidays
    Column("zone", String(60), nullable=False),
    Column("hours", JSON, nullable=False),  # weekday: [[from, to], ...]
    Column("closed", JSON, nullable=False),  # days beside the public holidays
    Column("appointment_min", Integer, nullable=False),
    Column("clean_up_min", Integer, nullable=False),
    Column("rest_h", Integer, nullable=False),  # of one patient between two sessions
    Column("changed_us", BigInteger, nullable=False),
)

DEVICES: Final = Table(
    "scheduler_devices",
    METADATA,
    Column("site", SLUG, nullable=False),
    Column("device", SLUG, nullable=False),
    Column("gateway", SLUG, nullable=False),
    Column("regions", JSON, nullable=False),
    Column("heat", Boolean, nullable=False),
    Column("in_use", Boolean, nullable=False),  # the clinic's word
    Column("is_there", Boolean, nullable=False),  # in its gateway's newest birth
    Column("sealing_key", Text),  # the gateway's
    Column("heard_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("site", "device"),
)

THERAPISTS: Final = Table(
    "scheduler_therapists",
    METADATA,
    Column("therapist", UUID_TEXT, primary_key=True),
    Column("site", SLUG, nullable=False, index=True),
    Column("name", NAME, nullable=False),
    Column("shifts", JSON, nullable=False),  # weekday: [[from, to], ...]
    Column("active", Boolean, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
)

OUTAGES: Final = Table(
    "scheduler_outages",
    METADATA,
    Column("outage", UUID_TEXT, primary_key=True),
    Column("site", SLUG, nullable=False, index=True),
    Column("device", SLUG),
    Column("therapist", UUID_TEXT),
    Column("from_us", BigInteger, nullable=False),
    Column("to_us", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),  # taken back: it was none, or it is over
)
