"""Tables of programmes. What was set and signed is append-only; a programme's row says where it stands.

``homecare_standing`` is the newest word of screening about a patient and a region, ``homecare_suspensions``
what it took away until a clinician restores it.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from services.homecare.tables import METADATA
from services.kit.columns import KEY, NAME, SLUG, UUID_TEXT

PROGRAMMES: Final = Table(
    "homecare_programmes",
    METADATA,
    Column("id", UUID_TEXT, primary_key=True),
    Column("patient", UUID_TEXT, nullable=False, index=True),
    Column("site", SLUG, nullable=False, index=True),
    Column("region", String(10), nullable=False),
    Column("cure", UUID_TEXT),
    Column("language", String(2), nullable=False),
    Column("version", Integer, nullable=False),
    Column("starts_on", Date, nullable=False),  # of the version in force
    Column("last_day", Date, nullable=False),
    Column("state", String(12), nullable=False),  # supervised, running, paused, completed, ended
    Column("made_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
)

VERSIONS: Final = Table(
    "homecare_versions",
    METADATA,
    Column("seq", KEY, primary_key=True, autoincrement=True),
    Column("programme", UUID_TEXT, nullable=False),
    Column("version", Integer, nullable=False),
    Column("request", UUID_TEXT, nullable=False, unique=True),
    Column("wanted", JSON, nullable=False),
    Column("decision", JSON, nullable=False),
    Column("again", JSON, nullable=False),  # exercises that were taken off after pain and are allowed again
    Column("account", UUID_TEXT, nullable=False),
    Column("name", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    UniqueConstraint("programme", "version"),
)

SUPERVISED: Final = Table(
    "homecare_supervised",  # a session beside a therapist, signed by them
    METADATA,
    Column("seq", KEY, primary_key=True, autoincrement=True),
    Column("request", UUID_TEXT, nullable=False, unique=True),
    Column("programme", UUID_TEXT, nullable=False, index=True),
    Column("exercise", String(60), nullable=False),
    Column("day", Date, nullable=False),
    Column("went_well", Boolean, nullable=False),
    Column("force_n", Float),  # of traction: the pull that was decided then
    Column("note", Text, nullable=False),
    Column("account", UUID_TEXT, nullable=False),
    Column("name", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    UniqueConstraint("programme", "exercise", "day"),
)

TURNS: Final = Table(
    "homecare_turns",  # what a programme went through: started, paused, resumed, suspended, restored, ...
    METADATA,
    Column("seq", KEY, primary_key=True, autoincrement=True),
    Column("request", UUID_TEXT, unique=True),  # none: the service's own doing
    Column("programme", UUID_TEXT, nullable=False, index=True),
    Column("kind", String(12), nullable=False),
    Column("reason", Text, nullable=False),
    Column("account", UUID_TEXT),
    Column("name", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)

STANDING: Final = Table(
    "homecare_standing",
    METADATA,
    Column("patient", UUID_TEXT, primary_key=True),
    Column("region", String(10), primary_key=True),
    Column("outcome", String(20)),  # of clearance.decided; none: not told yet
    Column("rules", JSON, nullable=False),  # ids of what refuses or waits for a signature
    Column("body_weight_kg", Float),
    Column("said_us", BigInteger, nullable=False),  # of clearance.decided; 0: not told yet
    Column("conditions", JSON, nullable=False),  # ids that a clinician signed with the newest clearance
    Column("given_us", BigInteger, nullable=False),  # of clearance.given; 0: not told yet
)

SUSPENSIONS: Final = Table(
    "homecare_suspensions",
    METADATA,
    Column("suspension", UUID_TEXT, primary_key=True),
    Column("patient", UUID_TEXT, nullable=False, index=True),
    Column("region", String(10)),  # none: every one
    Column("reason", String(80), nullable=False),  # a code of screening's
    Column("adverse", Boolean, nullable=False),
    Column("since_us", BigInteger, nullable=False),
    Column("restored_us", BigInteger),
)

CURES: Final = Table(
    "homecare_cures",
    METADATA,
    Column("cure", UUID_TEXT, primary_key=True),
    Column("patient", UUID_TEXT, nullable=False, index=True),
    Column("site", SLUG, nullable=False),
    Column("region", String(10), nullable=False),
    Column("ended_us", BigInteger),
)
