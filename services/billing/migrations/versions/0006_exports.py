"""What was handed to others: debtors' accounts, deliveries to billing offices."""

import sqlalchemy as sa
from alembic import op

from services.kit.business.tables import append_only

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SLUG, UUID, NAME = sa.String(40), sa.String(36), sa.String(80)
APPEND_ONLY = {
    "billing_debtors": "accounts of debtors are append-only (§ 146 Abs. 4 AO)",
    "billing_deliveries": "what was delivered is append-only (§ 147 AO)",
    "billing_delivered": "what was delivered is append-only (§ 147 AO)",
}


def upgrade() -> None:
    """The tables of this room."""
    op.create_table(
        "billing_debtors",
        sa.Column("site", SLUG, nullable=False),
        sa.Column("patient", UUID, nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", "patient"),
        sa.UniqueConstraint("site", "account"),
    )
    op.create_table(
        "billing_deliveries",
        sa.Column("seq", KEY, primary_key=True, autoincrement=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("office", SLUG, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("total_ct", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("by", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("site", "office", "number"),
    )
    op.create_table(
        "billing_delivered",
        sa.Column("delivery", KEY, nullable=False),
        sa.Column("invoice", UUID, nullable=False),
        sa.PrimaryKeyConstraint("delivery", "invoice"),
    )
    op.create_index("ix_billing_delivered_invoice", "billing_delivered", ["invoice"])
    for table, why in APPEND_ONLY.items():
        append_only(op, table, why)


def downgrade() -> None:
    """Without them."""
    for table in ("billing_delivered", "billing_deliveries", "billing_debtors"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        for table in APPEND_ONLY:
            op.execute(f"DROP FUNCTION {table}_refuse()")
