"""Links, the patient's diary, reports of pain and their answers, reminders."""

import sqlalchemy as sa
from alembic import op

from services.kit.business.tables import append_only

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SLUG, UUID, NAME, SHA256 = sa.String(40), sa.String(36), sa.String(80), sa.String(64)
TABLES = ("homecare_links", "homecare_entries", "homecare_pains", "homecare_answers", "homecare_reminders")
APPEND_ONLY = {
    "homecare_entries": "what a patient entered is append-only (§ 630f Abs. 1 BGB)",
    "homecare_pains": "reports of pain are append-only (§ 630f Abs. 1 BGB)",
    "homecare_answers": "an answer is append-only (§ 630f Abs. 1 BGB)",
}


def upgrade() -> None:
    """The tables of this room."""
    _links()
    _entries()
    _pains()
    _answers()
    _reminders()
    for table, why in APPEND_ONLY.items():
        append_only(op, table, why)


def downgrade() -> None:
    """Without them."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _links() -> None:
    op.create_table(
        "homecare_links",
        sa.Column("link", UUID, primary_key=True),
        sa.Column("request", UUID, nullable=False, unique=True),
        sa.Column("programme", UUID, nullable=False, index=True),
        sa.Column("secret_sha256", SHA256, nullable=False, unique=True),
        sa.Column("account", UUID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("made_us", sa.BigInteger, nullable=False),
        sa.Column("opened_us", sa.BigInteger),
        sa.Column("revoked_us", sa.BigInteger),
        sa.Column("revoked_by", NAME),
    )


def _entries() -> None:
    op.create_table(
        "homecare_entries",
        sa.Column("seq", KEY, primary_key=True, autoincrement=True),
        sa.Column("id", UUID, nullable=False, unique=True),
        sa.Column("programme", UUID, nullable=False, index=True),
        sa.Column("link", UUID, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("exercise", sa.String(60)),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("received_us", sa.BigInteger, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.Column("marks", sa.JSON, nullable=False),
    )


def _pains() -> None:
    op.create_table(
        "homecare_pains",
        sa.Column("entry", UUID, primary_key=True),
        sa.Column("programme", UUID, nullable=False, index=True),
        sa.Column("exercise", sa.String(60)),
        sa.Column("pain_nrs", sa.Integer, nullable=False),
        sa.Column("where", sa.String(40), nullable=False),
        sa.Column("signs", sa.JSON, nullable=False),
        sa.Column("above", sa.Boolean, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("received_us", sa.BigInteger, nullable=False),
    )


def _answers() -> None:
    op.create_table(
        "homecare_answers",
        sa.Column("pain", UUID, primary_key=True),
        sa.Column("request", UUID, nullable=False, unique=True),
        sa.Column("programme", UUID, nullable=False, index=True),
        sa.Column("decision", sa.String(12), nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("account", UUID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
    )


def _reminders() -> None:
    op.create_table(
        "homecare_reminders",
        sa.Column("programme", UUID, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("claimed_us", sa.BigInteger, nullable=False),
        sa.Column("next_us", sa.BigInteger),
        sa.Column("why", sa.Text),
    )
