"""Tables of who pays for what, and of what was done. Days are the site's, amounts are never kept here.

A session is charged once: ``billing_sessions`` has its id, whatever event told of it how often.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from services.billing.charges.models import LONGEST_ILLNESS
from services.billing.tables import METADATA
from services.kit.business.files import Files
from services.kit.columns import KEY, NAME, SLUG, UUID_TEXT

FILES: Final = Files(METADATA, "billing_patients")
PATIENTS: Final = FILES.table

CURES: Final = Table(
    "billing_cures",
    METADATA,
    Column("cure", UUID_TEXT, primary_key=True),
    Column("patient", UUID_TEXT, nullable=False, index=True),
    Column("site", SLUG, nullable=False),
    Column("region", String(8), nullable=False),
    Column("sessions", Integer, nullable=False),
    Column("ended_us", BigInteger),
    Column("reason", Text),
)

CASES: Final = Table(
    "billing_cases",  # the treatment of one illness of one patient, and how it is paid
    METADATA,
    Column("id", UUID_TEXT, primary_key=True),
    Column("patient", UUID_TEXT, nullable=False),
    Column("site", SLUG, nullable=False),
    Column("illness", String(LONGEST_ILLNESS), nullable=False),
    Column("diagnosis", String(500)),
    Column("payer", String(20)),  # none: not asked yet
    Column("tariff", NAME, nullable=False),
    Column("mode", String(10), nullable=False),
    Column("recipient", JSON(none_as_null=True)),  # none: the patient
    Column("opened_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    UniqueConstraint("patient", "site", "illness"),
)

SESSIONS: Final = Table(
    "billing_sessions",
    METADATA,
    Column("session", UUID_TEXT, primary_key=True),
    Column("patient", UUID_TEXT, nullable=False),
    Column("site", SLUG, nullable=False),
    Column("cure", UUID_TEXT),
    Column("case", UUID_TEXT, nullable=False, index=True),
    Column("facts", JSON, nullable=False),  # of goae.charges.SessionFacts
    Column("outcome", String(20), nullable=False),  # of goae.charges: full, shortened, aborted
    Column("reasons", JSON, nullable=False),  # why it is charged so, or not at all: {de, en} each
    Column("heard_us", BigInteger, nullable=False),
    Column("correlation", String(32)),  # of the tap that brought it onto the bed
)

WAITING: Final = Table(
    "billing_waiting",  # sessions of somebody who has no file that we heard of: screening is asked, later
    METADATA,
    Column("session", UUID_TEXT, primary_key=True),
    Column("patient", UUID_TEXT, nullable=False, index=True),
    Column("site", SLUG, nullable=False),
    Column("completed", Boolean, nullable=False),
    Column("summary", JSON, nullable=False),
    Column("heard_us", BigInteger, nullable=False),
    Column("correlation", String(32)),
)

CHARGES: Final = Table(
    "billing_charges",
    METADATA,
    Column("seq", KEY, primary_key=True, autoincrement=True),
    Column("id", UUID_TEXT, nullable=False, unique=True),
    Column("request", UUID_TEXT, unique=True),  # of a hand: asked again, it is the same
    Column("site", SLUG, nullable=False),
    Column("patient", UUID_TEXT, nullable=False),
    Column("case", UUID_TEXT, nullable=False, index=True),
    Column("cure", UUID_TEXT),
    Column("session", UUID_TEXT),
    Column("on_date", Date, nullable=False),
    Column("line", JSON, nullable=False),  # of goae.lines.Line
    Column("origin", String(10), nullable=False),
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("billing_charges_patient", "patient", "site", "on_date"),
    Index("billing_charges_site", "site", "on_date"),
)

REVERSALS: Final = Table(
    "billing_reversals",  # a charge is never deleted: it is taken back, with a reason
    METADATA,
    Column("charge", UUID_TEXT, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("by", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)

BILLED: Final = Table(
    "billing_billed",  # on which living invoice a charge stands; its cancellation takes the row away
    METADATA,
    Column("charge", UUID_TEXT, primary_key=True),
    Column("invoice", UUID_TEXT, nullable=False, index=True),
)
