"""Clearances, suspensions, gates, counted sessions, outcomes, adverse events."""

import sqlalchemy as sa
from alembic import op

from services.screening.erasing import drop_keeping, kept_until_erased

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = (
    "screening_clearance",
    "screening_clearance_end",
    "screening_suspension",
    "screening_restoration",
    "screening_session",
    "screening_gate",
    "screening_outcome",
    "screening_adverse",
)


def upgrade() -> None:
    """The tables of this room."""
    _clearance()
    _clearance_end()
    _suspension()
    _restoration()
    _session()
    _gate()
    _outcome()
    _adverse()
    for table in TABLES:
        kept_until_erased(op, table)


def downgrade() -> None:
    """Without them."""
    for table in reversed(TABLES):
        op.drop_table(table)
        drop_keeping(op, table)


def _clearance() -> None:
    op.create_table(
        "screening_clearance",
        sa.Column("clearance", sa.String(36), primary_key=True),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("patient", sa.String(36), nullable=False),
        sa.Column("region", sa.String(40), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("conditions", sa.Text(), nullable=False),
        sa.Column("valid_from_us", sa.BigInteger(), nullable=False),
        sa.Column("valid_until_us", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.String(36), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
    )
    op.create_index("screening_clearance_patient", "screening_clearance", ["patient", "region", "at_us"])


def _clearance_end() -> None:
    op.create_table(
        "screening_clearance_end",
        sa.Column("clearance", sa.String(36), primary_key=True),
        sa.Column("patient", sa.String(36), nullable=False),
        sa.Column("replaced_by", sa.String(36)),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
    )


def _suspension() -> None:
    op.create_table(
        "screening_suspension",
        sa.Column("suspension", sa.String(36), primary_key=True),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("patient", sa.String(36), nullable=False),
        sa.Column("region", sa.String(40)),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("adverse", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("account", sa.String(36)),
        sa.Column("name", sa.String(80)),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
    )
    op.create_index("screening_suspension_patient", "screening_suspension", ["patient", "at_us"])
    op.create_index("screening_suspension_site", "screening_suspension", ["site", "at_us"])


def _restoration() -> None:
    op.create_table(
        "screening_restoration",
        sa.Column("suspension", sa.String(36), primary_key=True),
        sa.Column("patient", sa.String(36), nullable=False),
        sa.Column("account", sa.String(36), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
    )


def _session() -> None:
    op.create_table(
        "screening_session",
        sa.Column("session", sa.String(36), primary_key=True),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("device", sa.String(40), nullable=False),
        sa.Column("patient", sa.String(36), nullable=False),
        sa.Column("cure", sa.String(36)),
        sa.Column("appointment", sa.String(36)),
        sa.Column("region", sa.String(40), nullable=False),
        sa.Column("completed", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("guardings", sa.Integer(), nullable=False),
        sa.Column("peak_n", sa.Float(), nullable=False),
        sa.Column("traction_s", sa.Float(), nullable=False),
        sa.Column("pain_before", sa.Integer()),
        sa.Column("pain_after", sa.Integer()),
        sa.Column("started_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=False),
    )
    op.create_index("screening_session_patient", "screening_session", ["patient", "ended_at_us"])
    op.create_index("screening_session_ended", "screening_session", ["ended_at_us"])


def _gate() -> None:
    op.create_table(
        "screening_gate",
        sa.Column("gate", sa.String(36), primary_key=True),
        sa.Column("patient", sa.String(36), nullable=False),
        sa.Column("cure", sa.String(36)),
        sa.Column("region", sa.String(40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(36), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
    )
    op.create_index("screening_gate_patient", "screening_gate", ["patient", "number"])


def _outcome() -> None:
    op.create_table(
        "screening_outcome",
        sa.Column("outcome", sa.String(36), primary_key=True),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("patient", sa.String(36), nullable=False),
        sa.Column("region", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("session", sa.String(36)),
        sa.Column("cure", sa.String(36)),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("score", sa.Integer()),
        sa.Column("corrects", sa.String(36)),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("measured_at_us", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.String(36), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
    )
    op.create_index("screening_outcome_patient", "screening_outcome", ["patient", "measured_at_us"])
    op.create_index("screening_outcome_measured", "screening_outcome", ["measured_at_us"])
    op.create_index("screening_outcome_corrects", "screening_outcome", ["corrects"], unique=True)


def _adverse() -> None:
    op.create_table(
        "screening_adverse",
        sa.Column("event", sa.String(36), primary_key=True),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("patient", sa.String(36), nullable=False),
        sa.Column("region", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("grade", sa.Integer(), nullable=False),
        sa.Column("session", sa.String(36)),
        sa.Column("cure", sa.String(36)),
        sa.Column("suspended", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("happened_at_us", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.String(36), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
    )
    op.create_index("screening_adverse_patient", "screening_adverse", ["patient", "happened_at_us"])
    op.create_index("screening_adverse_happened", "screening_adverse", ["happened_at_us"])
