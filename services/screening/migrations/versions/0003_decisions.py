"""Answers, signed conditions, decisions; consents and the documents that they stand on."""

import sqlalchemy as sa
from alembic import op

from services.kit.business.tables import append_only
from services.screening.erasing import drop_keeping, kept_until_erased

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ID = sa.String(36)
KEPT = (
    "screening_answer", "screening_signature", "screening_decision", "screening_consent",
    "screening_consent_event", "screening_consent_paper",
)  # fmt: skip


def upgrade() -> None:
    """The tables of this room."""
    _decisions()
    _consents()
    for table in KEPT:
        op.create_index(f"{table}_of", table, ["patient", "row"])
        kept_until_erased(op, table)
    _documents()
    append_only(op, "screening_document", "a version of a document is never changed")


def _decisions() -> None:
    op.create_table(
        "screening_answer",
        *_who(),
        sa.Column("rule", sa.String(40), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("given_by", sa.String(10), nullable=False),
    )
    op.create_table(
        "screening_signature",
        *_who(),
        sa.Column("region", sa.String(10), nullable=False),
        sa.Column("rule", sa.String(40), nullable=False),
        sa.Column("answer_row", sa.BigInteger(), nullable=False),
        sa.Column("holds", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
    )
    op.create_table(
        "screening_decision",
        *_who(),
        sa.Column("id", ID, nullable=False, unique=True),
        sa.Column("region", sa.String(10), nullable=False),
        sa.Column("treatment_on", sa.String(10), nullable=False),
        sa.Column("outcome", sa.String(12), nullable=False),
        sa.Column("version", sa.String(20), nullable=False),
        sa.Column("rules_sha256", sa.String(64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
    )


def _consents() -> None:
    op.create_table(
        "screening_consent",
        *_who(),
        sa.Column("id", ID, nullable=False, unique=True),
        sa.Column("region", sa.String(10), nullable=False),
        sa.Column("information", sa.Text(), nullable=False),
        sa.Column("document", ID, nullable=False),
        sa.Column("document_sha256", sa.String(64), nullable=False),
    )
    op.create_table(
        "screening_consent_event",
        *_who(),
        sa.Column("consent", ID, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("happened_at_us", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
    )
    op.create_table(
        "screening_consent_paper",
        *_who(),
        sa.Column("consent", ID, nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("media_type", sa.String(40), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )
    op.create_index("screening_consent_event_by", "screening_consent_event", ["consent", "row"])
    op.create_index("screening_consent_paper_by", "screening_consent_paper", ["consent", "row"])


def _documents() -> None:
    op.create_table(
        "screening_document",
        sa.Column("row", KEY, primary_key=True, autoincrement=True),
        sa.Column("id", ID, nullable=False, unique=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("note", sa.String(400), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("account", ID, nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.UniqueConstraint("kind", "language", "site", "number"),
    )


def _who() -> list[sa.Column[object]]:
    return [
        sa.Column("row", KEY, primary_key=True, autoincrement=True),
        sa.Column("patient", ID, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("account", ID, nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
    ]


def downgrade() -> None:
    """Without them."""
    op.drop_table("screening_document")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION screening_document_refuse()")
    for table in reversed(KEPT):
        op.drop_table(table)
        drop_keeping(op, table)
