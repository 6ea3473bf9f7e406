"""The tables of the exchange; migration 0005 makes them."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from services.kit.columns import NAME, SLUG, UUID_TEXT
from services.screening.tables import METADATA

STATE: Final = String(12)
FOREIGN: Final = String(200)  # what another system calls something

IDENTIFIER: Final = Table(  # a patient's number elsewhere: one patient for each, for good or until corrected
    "exchange_identifier",
    METADATA,
    Column("site", SLUG, primary_key=True),
    Column("system", FOREIGN, primary_key=True),
    Column("value", FOREIGN, primary_key=True),
    Column("patient", UUID_TEXT, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("account", UUID_TEXT, nullable=False),
    Column("name", NAME, nullable=False),
    Index("exchange_identifier_patient", "patient"),
)
TAKEN: Final = Table(  # a row a record of a file; ``fields`` (JSON) stays only while somebody has to decide
    "exchange_taken",
    METADATA,
    Column("file", UUID_TEXT, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("site", SLUG, nullable=False),
    Column("filename", FOREIGN, nullable=False),
    Column("record", String(8), nullable=False),
    Column("number", FOREIGN),
    Column("state", STATE, nullable=False),  # taken, waiting, rejected, dismissed
    Column("effect", STATE),  # opened, changed, known
    Column("patient", UUID_TEXT),
    Column("request", FOREIGN),  # 8402 or 8410: what examination was asked for
    Column("why_de", Text),
    Column("why_en", Text),
    Column("warnings", Text, nullable=False),
    Column("fields", Text),
    Column("at_us", BigInteger, nullable=False),
    Column("settled_us", BigInteger),
    Index("exchange_taken_site", "site", "at_us"),
    Index("exchange_taken_patient", "patient"),
)
RESULT: Final = Table(  # what is to be said of a session, and whether it was
    "exchange_result",
    METADATA,
    Column("session", UUID_TEXT, primary_key=True),
    Column("site", SLUG, nullable=False),
    Column("device", SLUG),
    Column("patient", UUID_TEXT, nullable=False),
    Column("summary", Text, nullable=False),
    Column("state", STATE, nullable=False),  # due, written, unaddressed, refused
    Column("filename", FOREIGN),
    Column("why_de", Text),
    Column("why_en", Text),
    Column("at_us", BigInteger, nullable=False),
    Column("written_us", BigInteger),
    Index("exchange_result_patient", "patient", "at_us"),
    Index("exchange_result_state", "site", "state"),
)
PROCEDURE: Final = Table(  # what others did, as a hospital sent it; erased with the file, else never changed
    "exchange_procedure",
    METADATA,
    Column("id", UUID_TEXT, primary_key=True),
    Column("site", SLUG, nullable=False),
    Column("patient", UUID_TEXT, nullable=False),
    Column("resource", Text, nullable=False),  # JSON, without id and subject
    Column("at_us", BigInteger, nullable=False),
    Column("account", UUID_TEXT, nullable=False),
    Column("name", NAME, nullable=False),
    Index("exchange_procedure_patient", "patient", "at_us"),
)
APPOINTMENT: Final = Table(  # what the scheduler has said of its appointments
    "exchange_appointment",
    METADATA,
    Column("appointment", UUID_TEXT, primary_key=True),
    Column("site", SLUG, nullable=False),
    Column("patient", UUID_TEXT, nullable=False),
    Column("cure", UUID_TEXT),
    Column("device", SLUG),
    Column("number", Integer),
    Column("state", STATE, nullable=False),  # booked, cancelled, missed, completed, undecided
    Column("reason", Text),
    Column("starts_us", BigInteger),
    Column("ends_us", BigInteger),
    Column("said_us", BigInteger, nullable=False),  # of the event: an older one that comes late says nothing
    Index("exchange_appointment_patient", "patient", "starts_us"),
)
