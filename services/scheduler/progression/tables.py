"""Tables of prescriptions and of what sessions came to. Times are microseconds since the epoch."""

from typing import Final

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Index, Integer, String, Table

from services.kit.columns import KEY, NAME, SLUG, UUID_TEXT
from services.scheduler.tables import METADATA

PRESCRIPTIONS: Final = Table(
    "scheduler_prescriptions",  # append-only: the newest row of a number counts
    METADATA,
    Column("row", KEY, primary_key=True, autoincrement=True),
    Column("cure", UUID_TEXT, nullable=False),
    Column("number", Integer, nullable=False),
    Column("prescription", JSON, nullable=False),
    Column("rule", String(40), nullable=False),  # of progression/rules.toml, or `signed`
    Column("reason", JSON, nullable=False),  # {"de", "en"}
    Column("automatic", Boolean, nullable=False),  # within the limits that a clinician set
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("request", UUID_TEXT),  # asked twice, given once; none: nobody asked, or with the cure
    Index("scheduler_prescriptions_of", "cure", "number"),
    Index("scheduler_prescriptions_request", "request", unique=True),
)

RESULTS: Final = Table(
    "scheduler_results",
    METADATA,
    Column("session", UUID_TEXT, primary_key=True),
    Column("cure", UUID_TEXT, nullable=False, index=True),
    Column("appointment", UUID_TEXT, nullable=False),
    Column("number", Integer, nullable=False),
    Column("site", SLUG, nullable=False),
    Column("device", SLUG, nullable=False),
    Column("completed", Boolean, nullable=False),
    Column("reason", String(500), nullable=False),
    Column("ended_us", BigInteger, nullable=False),
    Column("peak_n", Float, nullable=False),
    Column("traction_s", Float, nullable=False),
    Column("guardings", Integer, nullable=False),
    Column("pain_before", Integer),
    Column("pain_after", Integer),
)
