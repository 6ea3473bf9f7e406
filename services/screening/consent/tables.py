"""The tables of consents and of the documents they stand on; every row stays."""

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from services.kit.columns import KEY, NAME, SHA256, SLUG, UUID_TEXT
from services.screening.rules.tables import of_patient
from services.screening.tables import METADATA

CONSENT: Final = of_patient(  # begun with the oral information; what came of it is in its events
    "screening_consent",
    Column("id", UUID_TEXT, nullable=False, unique=True),
    Column("region", String(10), nullable=False),
    Column("information", Text, nullable=False),  # JSON: who, when, which points of BGB 630e, questions
    Column("document", UUID_TEXT, nullable=False),  # the version of the declaration's text
    Column("document_sha256", SHA256, nullable=False),
)
EVENT: Final = of_patient(  # signed, copied, withdrawn
    "screening_consent_event",
    Column("consent", UUID_TEXT, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("happened_at_us", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),  # JSON
)
PAPER: Final = of_patient(  # a drawn signature, a scan, the declaration as it was signed
    "screening_consent_paper",
    Column("consent", UUID_TEXT, nullable=False),
    Column("kind", String(12), nullable=False),
    Column("media_type", String(40), nullable=False),
    Column("sha256", SHA256, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
DOCUMENT: Final = Table(
    "screening_document",
    METADATA,
    Column("row", KEY, primary_key=True, autoincrement=True),
    Column("id", UUID_TEXT, nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("language", String(2), nullable=False),
    Column("site", SLUG, nullable=False),  # "*": of the whole chain
    Column("number", Integer, nullable=False),
    Column("title", String(200), nullable=False),
    Column("body", Text, nullable=False),
    Column("note", String(400), nullable=False),
    Column("sha256", SHA256, nullable=False),
    Column("previous", SHA256, nullable=False),  # of the version before: a chain
    Column("at_us", BigInteger, nullable=False),
    Column("account", UUID_TEXT, nullable=False),
    Column("name", NAME, nullable=False),
    UniqueConstraint("kind", "language", "site", "number"),
)
