"""Estimates and fee agreements."""

import sqlalchemy as sa
from alembic import op

from services.kit.business.tables import append_only

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SLUG, UUID, NAME, SHA256 = sa.String(40), sa.String(36), sa.String(80), sa.String(64)
APPEND_ONLY = {
    "billing_estimates": "an estimate is append-only: a new version takes its place (§ 630f Abs. 1 BGB)",
    "billing_handings": "what was handed over is append-only (§ 630f Abs. 1 BGB)",
    "billing_estimate_withdrawals": "withdrawals are append-only",
}


def upgrade() -> None:
    """The tables of this room."""
    _estimates()
    _what_became_of_them()
    for table, why in APPEND_ONLY.items():
        append_only(op, table, why)


def _estimates() -> None:
    op.create_table(
        "billing_estimates",
        sa.Column("seq", KEY, primary_key=True, autoincrement=True),
        sa.Column("id", UUID, nullable=False, unique=True),
        sa.Column("request", UUID, nullable=False, unique=True),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("patient", UUID, nullable=False),
        sa.Column("cure", UUID),
        sa.Column("region", sa.String(8), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date()),
        sa.Column("total_ct", sa.BigInteger()),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("pdf", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", SHA256, nullable=False),
        sa.Column("by", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("patient", "site", "kind", "region", "version"),
    )
    op.create_index("billing_estimates_site", "billing_estimates", ["site", "kind", "issued_on"])


def _what_became_of_them() -> None:
    op.create_table(
        "billing_handings",
        sa.Column("id", UUID, primary_key=True),
        sa.Column("request", UUID, nullable=False, unique=True),
        sa.Column("estimate", UUID, nullable=False),
        sa.Column("how", sa.String(10), nullable=False),
        sa.Column("receiver", sa.String(500), nullable=False),
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("media", sa.String(40)),
        sa.Column("content", sa.LargeBinary()),
        sa.Column("sha256", SHA256),
        sa.Column("by", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_billing_handings_estimate", "billing_handings", ["estimate"])
    op.create_table(
        "billing_estimate_withdrawals",
        sa.Column("estimate", UUID, primary_key=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "billing_planned",
        sa.Column("cure", UUID, primary_key=True),
        sa.Column("patient", UUID, nullable=False),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("region", sa.String(8), nullable=False),
        sa.Column("sessions", sa.Integer(), nullable=False),
        sa.Column("planned_us", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_billing_planned_patient", "billing_planned", ["patient"])
    op.create_index("billing_planned_site", "billing_planned", ["site", "planned_us"])


def downgrade() -> None:
    """Without them."""
    for table in (
        "billing_planned", "billing_estimate_withdrawals", "billing_handings", "billing_estimates",
    ):  # fmt: skip
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        for table in APPEND_ONLY:
            op.execute(f"DROP FUNCTION {table}_refuse()")
