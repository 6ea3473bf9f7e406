"""The tables of answers, signed conditions and decisions; migration 0003 makes them, and every row stays."""

from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, String, Table, Text

from services.kit.columns import KEY, NAME, SHA256, UUID_TEXT
from services.screening.tables import METADATA

DAY: Final = String(10)


def of_patient(name: str, *columns: Column[Any]) -> Table:
    """A table whose rows stay until the patient's file is erased: what, when, who."""
    return Table(
        name,
        METADATA,
        Column("row", KEY, primary_key=True, autoincrement=True),
        Column("patient", UUID_TEXT, nullable=False),
        Column("at_us", BigInteger, nullable=False),
        Column("account", UUID_TEXT, nullable=False),
        Column("name", NAME, nullable=False),
        *columns,
    )


ANSWER: Final = of_patient(  # the newest of a rule counts; those before it stay to be read
    "screening_answer",
    Column("rule", String(40), nullable=False),
    Column("answer", Text, nullable=False),  # JSON
    Column("given_by", String(10), nullable=False),  # patient, staff
)
SIGNATURE: Final = of_patient(  # of a relative contraindication; void once its question is answered anew
    "screening_signature",
    Column("region", String(10), nullable=False),
    Column("rule", String(40), nullable=False),
    Column("answer_row", BigInteger, nullable=False),  # 0: it follows from no answer
    Column("holds", Boolean, nullable=False),  # false: taken back
    Column("reason", Text, nullable=False),
)
DECISION: Final = of_patient(
    "screening_decision",
    Column("id", UUID_TEXT, nullable=False, unique=True),
    Column("region", String(10), nullable=False),
    Column("treatment_on", DAY, nullable=False),
    Column("outcome", String(12), nullable=False),
    Column("version", String(20), nullable=False),
    Column("rules_sha256", SHA256, nullable=False),
    Column("body", Text, nullable=False),  # JSON: everything that was decided, with its rules
)
