"""Tables of links and of what came by them. Entries carry the id that the telephone gave them: kept once.

A pain report locks its exercise (none: the whole programme) until a clinician has answered it.
"""

from typing import Final

from sqlalchemy import JSON, BigInteger, Boolean, Column, Date, Integer, String, Table, Text

from services.homecare.tables import METADATA
from services.kit.columns import KEY, NAME, SHA256, UUID_TEXT

LINKS: Final = Table(
    "homecare_links",
    METADATA,
    Column("link", UUID_TEXT, primary_key=True),
    Column("request", UUID_TEXT, nullable=False, unique=True),
    Column("programme", UUID_TEXT, nullable=False, index=True),
    Column("secret_sha256", SHA256, nullable=False, unique=True),  # the secret itself is kept nowhere
    Column("account", UUID_TEXT, nullable=False),
    Column("name", NAME, nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("opened_us", BigInteger),  # last
    Column("revoked_us", BigInteger),
    Column("revoked_by", NAME),
)

ENTRIES: Final = Table(
    "homecare_entries",  # append-only
    METADATA,
    Column("seq", KEY, primary_key=True, autoincrement=True),
    Column("id", UUID_TEXT, nullable=False, unique=True),
    Column("programme", UUID_TEXT, nullable=False, index=True),
    Column("link", UUID_TEXT, nullable=False),
    Column("version", Integer, nullable=False),  # of the programme that the telephone had
    Column("kind", String(12), nullable=False),  # exercise, session, pain
    Column("exercise", String(60)),
    Column("day", Date, nullable=False),  # as the telephone's wall says
    Column("at_us", BigInteger, nullable=False),  # by the telephone's clock
    Column("received_us", BigInteger, nullable=False),
    Column("data", JSON, nullable=False),
    Column("marks", JSON, nullable=False),  # what was remarkable when it came: marks.py
)

PAINS: Final = Table(
    "homecare_pains",  # append-only
    METADATA,
    Column("entry", UUID_TEXT, primary_key=True),
    Column("programme", UUID_TEXT, nullable=False, index=True),
    Column("exercise", String(60)),  # none: it hurt beside an exercise, the whole programme is locked
    Column("pain_nrs", Integer, nullable=False),
    Column("where", String(40), nullable=False),
    Column("signs", JSON, nullable=False),  # warning signs that were ticked
    Column("above", Boolean, nullable=False),  # above the programme's limit, or a warning sign
    Column("at_us", BigInteger, nullable=False),
    Column("received_us", BigInteger, nullable=False),
)

ANSWERS: Final = Table(
    "homecare_answers",  # append-only: one answer a report
    METADATA,
    Column("pain", UUID_TEXT, primary_key=True),
    Column("request", UUID_TEXT, nullable=False, unique=True),
    Column("programme", UUID_TEXT, nullable=False, index=True),
    Column("decision", String(12), nullable=False),  # go_on, lower, stays_off
    Column("words", Text, nullable=False),  # to the patient
    Column("account", UUID_TEXT, nullable=False),
    Column("name", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)

REMINDERS: Final = Table(
    "homecare_reminders",
    METADATA,
    Column("programme", UUID_TEXT, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("state", String(10), nullable=False),  # claimed, sending, sent, failed, unknown, skipped
    Column("tries", Integer, nullable=False),
    Column("claimed_us", BigInteger, nullable=False),
    Column("next_us", BigInteger),
    Column("why", Text),
)
