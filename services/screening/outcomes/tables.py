"""The tables of outcomes and adverse events: a correction is a row of its own that names the one it is of."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text

from services.kit.columns import NAME, SLUG, UUID_TEXT
from services.screening.tables import METADATA

OUTCOME: Final = Table(
    "screening_outcome",
    METADATA,
    Column("outcome", UUID_TEXT, primary_key=True),
    Column("site", SLUG, nullable=False),
    Column("patient", UUID_TEXT, nullable=False),
    Column("region", SLUG, nullable=False),
    Column("kind", SLUG, nullable=False),  # pain, odi, ndi, leg-raise
    Column("session", UUID_TEXT),
    Column("cure", UUID_TEXT),
    Column("value", Text, nullable=False),  # JSON: what was said or measured
    Column("score", Integer),  # of odi and ndi: tenths of a per cent; none: too much was left out
    Column("corrects", UUID_TEXT),  # the row that this one is instead of
    Column("why", Text, nullable=False),  # of a correction
    Column("measured_at_us", BigInteger, nullable=False),
    Column("account", UUID_TEXT, nullable=False),
    Column("name", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("screening_outcome_patient", "patient", "measured_at_us"),
    Index("screening_outcome_measured", "measured_at_us"),
    Index("screening_outcome_corrects", "corrects", unique=True),
)
ADVERSE: Final = Table(
    "screening_adverse",
    METADATA,
    Column("event", UUID_TEXT, primary_key=True),
    Column("site", SLUG, nullable=False),
    Column("patient", UUID_TEXT, nullable=False),
    Column("region", SLUG, nullable=False),  # that was treated
    Column("kind", SLUG, nullable=False),  # a row of adverse.toml
    Column("grade", Integer, nullable=False),
    Column("session", UUID_TEXT),
    Column("cure", UUID_TEXT),
    Column("suspended", Boolean, nullable=False),
    Column("detail", Text, nullable=False),
    Column("happened_at_us", BigInteger, nullable=False),
    Column("account", UUID_TEXT, nullable=False),
    Column("name", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("screening_adverse_patient", "patient", "happened_at_us"),
    Index("screening_adverse_happened", "happened_at_us"),
)
