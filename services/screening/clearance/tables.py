"""The tables of clearances, suspensions, gates and counted sessions: rows stay until the file is erased.

A state is never written down: it is what the rows come to.
"""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, Table, Text

from services.kit.columns import NAME, SLUG, UUID_TEXT
from services.screening.tables import METADATA

CLEARANCE: Final = Table(
    "screening_clearance",
    METADATA,
    Column("clearance", UUID_TEXT, primary_key=True),
    Column("site", SLUG, nullable=False),
    Column("patient", UUID_TEXT, nullable=False),
    Column("region", SLUG, nullable=False),
    Column("token", Text, nullable=False),
    Column("conditions", Text, nullable=False),  # JSON: ids of the rules that a clinician signed
    Column("valid_from_us", BigInteger, nullable=False),
    Column("valid_until_us", BigInteger, nullable=False),
    Column("signed_until_us", BigInteger),  # none: of a row older than the column, the same
    Column("account", UUID_TEXT, nullable=False),
    Column("name", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("screening_clearance_patient", "patient", "region", "at_us"),
)
CLEARANCE_END: Final = Table(
    "screening_clearance_end",
    METADATA,
    Column("clearance", UUID_TEXT, primary_key=True),
    Column("patient", UUID_TEXT, nullable=False),
    Column("replaced_by", UUID_TEXT),
    Column("at_us", BigInteger, nullable=False),
)
SUSPENSION: Final = Table(
    "screening_suspension",
    METADATA,
    Column("suspension", UUID_TEXT, primary_key=True),
    Column("site", SLUG, nullable=False),
    Column("patient", UUID_TEXT, nullable=False),
    Column("region", SLUG),  # none: neither region
    Column("reason", SLUG, nullable=False),  # a row of reasons.toml
    Column("subject", NAME, nullable=False),  # what it is about: a cure's gate; empty for most
    Column("adverse", Boolean, nullable=False),
    Column("detail", Text, nullable=False),
    Column("account", UUID_TEXT),  # none: by itself
    Column("name", NAME),
    Column("at_us", BigInteger, nullable=False),
    Index("screening_suspension_patient", "patient", "at_us"),
    Index("screening_suspension_site", "site", "at_us"),
)
RESTORATION: Final = Table(
    "screening_restoration",
    METADATA,
    Column("suspension", UUID_TEXT, primary_key=True),
    Column("patient", UUID_TEXT, nullable=False),
    Column("account", UUID_TEXT, nullable=False),
    Column("name", NAME, nullable=False),
    Column("reason", Text, nullable=False),  # the clinician's words, signed by the two above
    Column("at_us", BigInteger, nullable=False),
)
SESSION: Final = Table(
    "screening_session",
    METADATA,
    Column("session", UUID_TEXT, primary_key=True),  # however often it is told, it counts once
    Column("site", SLUG, nullable=False),
    Column("device", SLUG, nullable=False),
    Column("patient", UUID_TEXT, nullable=False),
    Column("cure", UUID_TEXT),
    Column("appointment", UUID_TEXT),
    Column("region", SLUG, nullable=False),
    Column("completed", Boolean, nullable=False),  # else aborted
    Column("reason", Text, nullable=False),
    Column("guardings", Integer, nullable=False),
    Column("peak_n", Float, nullable=False),
    Column("traction_s", Float, nullable=False),
    Column("pain_before", Integer),
    Column("pain_after", Integer),
    Column("started_at_us", BigInteger, nullable=False),
    Column("ended_at_us", BigInteger, nullable=False),
    Index("screening_session_patient", "patient", "ended_at_us"),
    Index("screening_session_ended", "ended_at_us"),
)
GATE: Final = Table(
    "screening_gate",
    METADATA,
    Column("gate", UUID_TEXT, primary_key=True),
    Column("patient", UUID_TEXT, nullable=False),
    Column("cure", UUID_TEXT),  # none: of the sessions that belong to no cure
    Column("region", SLUG, nullable=False),
    Column("number", Integer, nullable=False),  # after which session
    Column("account", UUID_TEXT, nullable=False),
    Column("name", NAME, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("screening_gate_patient", "patient", "number"),
)
