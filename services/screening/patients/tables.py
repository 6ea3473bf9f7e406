"""The tables of patients' files; migration 0002 makes them and lets the database keep what must stay."""

from typing import Any, Final

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text, UniqueConstraint

from services.kit.columns import KEY, NAME, SHA256, SLUG, UUID_TEXT
from services.screening.tables import METADATA

DAY: Final = String(10)
REASON: Final = String(400)


def _who() -> list[Column[Any]]:
    """When, and who."""
    return [
        Column("at_us", BigInteger, nullable=False),
        Column("account", UUID_TEXT, nullable=False),
        Column("name", NAME, nullable=False),
    ]


def _of_patient(name: str, *columns: Column[Any] | UniqueConstraint) -> Table:
    """A table whose rows stay until the file is erased."""
    return Table(
        name,
        METADATA,
        Column("row", KEY, primary_key=True, autoincrement=True),
        Column("patient", UUID_TEXT, nullable=False),
        *_who(),
        *columns,
    )


PATIENT: Final = Table(  # what is true now, for lists and the search; the file itself is its last version
    "patient",
    METADATA,
    Column("number", KEY, primary_key=True, autoincrement=True),
    Column("id", UUID_TEXT, nullable=False, unique=True),
    Column("site", SLUG, nullable=False),
    Column("version", Integer, nullable=False),
    Column("opened_at_us", BigInteger, nullable=False),
    Column("changed_at_us", BigInteger, nullable=False),
    Column("merged_into", UUID_TEXT),
    Column("last_treated_on", DAY),
    Column("family_name", NAME, nullable=False),
    Column("given_name", NAME, nullable=False),
    Column("birth_date", DAY, nullable=False),
    Column("sex", String(12), nullable=False),
    Column("region", String(10)),
    Column("insurance", String(12)),
    Column("insurance_number", String(40)),
    Column("folded", String(200), nullable=False),
)
GRAM: Final = Table(  # three letters in a row of a folded name, and who has them
    "patient_gram",
    METADATA,
    Column("gram", String(3), primary_key=True),
    Column("site", SLUG, primary_key=True),
    Column("number", KEY, primary_key=True, autoincrement=False),
)
VERSION: Final = _of_patient(
    "patient_version",
    Column("number", Integer, nullable=False),
    Column("reason", REASON, nullable=False),
    Column("content", Text, nullable=False),
    UniqueConstraint("patient", "number"),
)
NOTE: Final = _of_patient("patient_note", Column("text", Text, nullable=False))
ATTACHMENT: Final = _of_patient(
    "patient_attachment",
    Column("id", UUID_TEXT, nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("taken_on", DAY),
    Column("note", REASON, nullable=False),
    Column("filename", String(120), nullable=False),
    Column("media_type", String(40), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", SHA256, nullable=False),
)
ATTACHMENT_BACK: Final = _of_patient(  # an attachment that was filed wrongly, and why
    "patient_attachment_back",
    Column("attachment", UUID_TEXT, nullable=False, unique=True),
    Column("reason", REASON, nullable=False),
)
MERGE: Final = _of_patient(  # action: merged, unmerged
    "patient_merge",
    Column("action", String(10), nullable=False),
    Column("into", UUID_TEXT, nullable=False),
    Column("reason", REASON, nullable=False),
)
DISTINCT: Final = Table(  # pairs that look alike and are two people, the smaller id first
    "patient_distinct",
    METADATA,
    Column("one", UUID_TEXT, primary_key=True),
    Column("other", UUID_TEXT, primary_key=True),
    *_who(),
    Column("reason", REASON, nullable=False),
)
ERASURE: Final = Table(
    "patient_erasure",
    METADATA,
    Column("patient", UUID_TEXT, primary_key=True),
    Column("site", SLUG, nullable=False),
    *_who(),
    Column("reason", REASON, nullable=False),
    Column("ended_on", DAY, nullable=False),
)
UNNEEDED: Final = Table(  # files that an erasure left to nobody and that may still lie on the disk
    "patient_file_unneeded",
    METADATA,
    Column("sha256", SHA256, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
)
