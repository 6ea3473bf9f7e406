"""Programmes, their versions, supervision, and what screening said."""

import sqlalchemy as sa
from alembic import op

from services.kit.business.tables import append_only

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SLUG, UUID, NAME, SHA256 = sa.String(40), sa.String(36), sa.String(80), sa.String(64)
TABLES = (
    "homecare_programmes",
    "homecare_versions",
    "homecare_supervised",
    "homecare_turns",
    "homecare_standing",
    "homecare_suspensions",
    "homecare_cures",
)
APPEND_ONLY = {
    "homecare_versions": "what was set is append-only: a new version takes its place (§ 630f Abs. 1 BGB)",
    "homecare_supervised": "what was signed is append-only (§ 630f Abs. 1 BGB)",
    "homecare_turns": "what a programme went through is append-only",
}


def upgrade() -> None:
    """The tables of this room."""
    _programmes()
    _versions()
    _supervised()
    _turns()
    _standing()
    _suspensions()
    _cures()
    for table, why in APPEND_ONLY.items():
        append_only(op, table, why)


def downgrade() -> None:
    """Without them."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _programmes() -> None:
    op.create_table(
        "homecare_programmes",
        sa.Column("id", UUID, primary_key=True),
        sa.Column("patient", UUID, nullable=False, index=True),
        sa.Column("site", SLUG, nullable=False, index=True),
        sa.Column("region", sa.String(10), nullable=False),
        sa.Column("cure", UUID),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("starts_on", sa.Date, nullable=False),
        sa.Column("last_day", sa.Date, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("made_us", sa.BigInteger, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
    )


def _versions() -> None:
    op.create_table(
        "homecare_versions",
        sa.Column("seq", KEY, primary_key=True, autoincrement=True),
        sa.Column("programme", UUID, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("request", UUID, nullable=False, unique=True),
        sa.Column("wanted", sa.JSON, nullable=False),
        sa.Column("decision", sa.JSON, nullable=False),
        sa.Column("again", sa.JSON, nullable=False),
        sa.Column("account", UUID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("programme", "version"),
    )


def _supervised() -> None:
    op.create_table(
        "homecare_supervised",
        sa.Column("seq", KEY, primary_key=True, autoincrement=True),
        sa.Column("request", UUID, nullable=False, unique=True),
        sa.Column("programme", UUID, nullable=False, index=True),
        sa.Column("exercise", sa.String(60), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("went_well", sa.Boolean, nullable=False),
        sa.Column("force_n", sa.Float),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("account", UUID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("programme", "exercise", "day"),
    )


def _turns() -> None:
    op.create_table(
        "homecare_turns",
        sa.Column("seq", KEY, primary_key=True, autoincrement=True),
        sa.Column("request", UUID, unique=True),
        sa.Column("programme", UUID, nullable=False, index=True),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("account", UUID),
        sa.Column("name", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
    )


def _standing() -> None:
    op.create_table(
        "homecare_standing",
        sa.Column("patient", UUID, primary_key=True),
        sa.Column("region", sa.String(10), primary_key=True),
        sa.Column("outcome", sa.String(20)),
        sa.Column("rules", sa.JSON, nullable=False),
        sa.Column("body_weight_kg", sa.Float),
        sa.Column("said_us", sa.BigInteger, nullable=False),
        sa.Column("conditions", sa.JSON, nullable=False),
        sa.Column("given_us", sa.BigInteger, nullable=False),
    )


def _suspensions() -> None:
    op.create_table(
        "homecare_suspensions",
        sa.Column("suspension", UUID, primary_key=True),
        sa.Column("patient", UUID, nullable=False, index=True),
        sa.Column("region", sa.String(10)),
        sa.Column("reason", sa.String(80), nullable=False),
        sa.Column("adverse", sa.Boolean, nullable=False),
        sa.Column("since_us", sa.BigInteger, nullable=False),
        sa.Column("restored_us", sa.BigInteger),
    )


def _cures() -> None:
    op.create_table(
        "homecare_cures",
        sa.Column("cure", UUID, primary_key=True),
        sa.Column("patient", UUID, nullable=False, index=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("region", sa.String(10), nullable=False),
        sa.Column("ended_us", sa.BigInteger),
    )
