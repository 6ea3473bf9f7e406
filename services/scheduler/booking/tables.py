"""Tables of cures, appointments and who may be treated. Times are microseconds since the epoch.

``scheduler_occupancy`` is what keeps two from having the same: a row for every five minutes that a bed, a
therapist or a patient is taken, and its primary key refuses the second one whatever program asks.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from services.kit.columns import KEY, NAME, SLUG, UUID_TEXT
from services.scheduler.tables import METADATA

PATIENTS: Final = Table(
    "scheduler_patients",
    METADATA,
    Column("patient", UUID_TEXT, primary_key=True),
    Column("site", SLUG, nullable=False),
    Column("into", UUID_TEXT, index=True),  # merged into this one
    Column("erased", Boolean, nullable=False),
)

CLEARANCES: Final = Table(
    "scheduler_clearances",
    METADATA,
    Column("clearance", UUID_TEXT, primary_key=True),
    Column("patient", UUID_TEXT, nullable=False, index=True),
    Column("site", SLUG, nullable=False),
    Column("region", String(8), nullable=False),
    Column("token", Text, nullable=False),
    Column("conditions", JSON, nullable=False),
    Column("valid_from_us", BigInteger, nullable=False),
    Column("valid_until_us", BigInteger, nullable=False),
    Column("given_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
)

SUSPENSIONS: Final = Table(
    "scheduler_suspensions",
    METADATA,
    Column("suspension", UUID_TEXT, primary_key=True),
    Column("patient", UUID_TEXT, nullable=False, index=True),
    Column("site", SLUG, nullable=False, index=True),
    Column("region", String(8)),  # none: both
    Column("reason", Text, nullable=False),
    Column("adverse", Boolean, nullable=False),
    Column("since_us", BigInteger, nullable=False),
    Column("restored_us", BigInteger),
)

STANDINGS: Final = Table(
    "scheduler_standings",  # what screening says of a patient's treatment; the newest alone counts
    METADATA,
    Column("patient", UUID_TEXT, nullable=False),
    Column("region", String(8), nullable=False),
    Column("site", SLUG, nullable=False),
    Column("outcome", String(12), nullable=False),
    Column("rules", JSON, nullable=False),  # ids of those that refuse, or that wait for a signature
    Column("consented", Boolean, nullable=False),
    Column("body_weight_kg", Float),  # of the file, as what a prescription says is held to
    Column("age_years", Integer),  # on that day
    Column("at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("patient", "region"),
)

CURES: Final = Table(
    "scheduler_cures",
    METADATA,
    Column("cure", UUID_TEXT, primary_key=True),
    Column("request", UUID_TEXT, nullable=False, unique=True),  # asked twice, planned once
    Column("patient", UUID_TEXT, nullable=False, index=True),
    Column("site", SLUG, nullable=False),
    Column("region", String(8), nullable=False),
    Column("segment", NAME, nullable=False),
    Column("sessions", Integer, nullable=False),
    Column("cadence", SLUG, nullable=False),
    Column("wishes", JSON, nullable=False),  # as asked: earliest, times, weekdays, device, therapist
    Column("automatic", JSON),  # limits within which the next prescription needs no signature
    Column("figures", JSON, nullable=False),  # what the planner said of it
    Column("by", NAME, nullable=False),
    Column("planned_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Column("end_reason", Text),
    Index("scheduler_cures_site", "site", "ended_us"),
)

APPOINTMENTS: Final = Table(
    "scheduler_appointments",
    METADATA,
    Column("appointment", UUID_TEXT, primary_key=True),
    Column("cure", UUID_TEXT, nullable=False, index=True),
    Column("patient", UUID_TEXT, nullable=False, index=True),
    Column("site", SLUG, nullable=False),
    Column("device", SLUG, nullable=False),
    Column("therapist", UUID_TEXT, nullable=False),
    Column("region", String(8), nullable=False),
    Column("number", Integer, nullable=False),  # within the cure, from 1
    Column("starts_us", BigInteger, nullable=False),
    Column("ends_us", BigInteger, nullable=False),
    Column("free_us", BigInteger, nullable=False),  # when the bed is clean again
    Column("state", String(10), nullable=False),
    Column("confirmed", Boolean, nullable=False),  # the patient knows: no planner moves it by itself
    Column("session", UUID_TEXT),  # that took place
    Column("changed_us", BigInteger, nullable=False),
    Index("scheduler_appointments_day", "site", "starts_us"),
)

HISTORY: Final = Table(
    "scheduler_history",  # append-only: what became of each appointment
    METADATA,
    Column("row", KEY, primary_key=True, autoincrement=True),
    Column("appointment", UUID_TEXT, nullable=False, index=True),
    Column("action", String(20), nullable=False),
    Column("state", String(10), nullable=False),
    Column("starts_us", BigInteger, nullable=False),
    Column("device", SLUG, nullable=False),
    Column("therapist", UUID_TEXT, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)

OCCUPANCY: Final = Table(
    "scheduler_occupancy",
    METADATA,
    Column("resource", String(90), nullable=False),  # device SITE/BED, therapist ID, patient ID
    Column("slot", BigInteger, nullable=False),  # the five minutes, counted from the epoch
    Column("appointment", UUID_TEXT, nullable=False, index=True),
    PrimaryKeyConstraint("resource", "slot"),
)

WAITING: Final = Table(
    "scheduler_waiting",
    METADATA,
    Column("waiting", UUID_TEXT, primary_key=True),
    Column("patient", UUID_TEXT, nullable=False),
    Column("site", SLUG, nullable=False, index=True),
    Column("region", String(8), nullable=False),
    Column("appointment", UUID_TEXT),  # that should come sooner; none: a cure that found no place
    Column("wishes", JSON, nullable=False),
    Column("automatic", Boolean, nullable=False),  # taken at once, or offered
    Column("note", Text, nullable=False),
    Column("offer", JSON),
    Column("offered_us", BigInteger),
    Column("state", String(10), nullable=False),  # waiting, offered, filled, removed
    Column("by", NAME, nullable=False),
    Column("since_us", BigInteger, nullable=False),
    Column("request", UUID_TEXT),  # asked twice, listed once
    Index("scheduler_waiting_request", "request", unique=True),
)

REPLANS: Final = Table(
    "scheduler_replans",
    METADATA,
    Column("replan", UUID_TEXT, primary_key=True),
    Column("site", SLUG, nullable=False, index=True),
    Column("asked", JSON, nullable=False),
    Column("result", JSON, nullable=False),  # shown before it is applied
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("applied_us", BigInteger),
    Column("outage", UUID_TEXT),  # that was entered with it; none: nothing is out, or it was known before
)
