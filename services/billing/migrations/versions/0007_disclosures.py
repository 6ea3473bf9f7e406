"""Patients' consents to handing their data to a billing office; which request made a delivery, and how."""

import sqlalchemy as sa
from alembic import op

from services.kit.business.tables import append_only

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SLUG, UUID, NAME = sa.String(40), sa.String(36), sa.String(80)


def upgrade() -> None:
    """A table of consents; two columns of deliveries, empty where they are older."""
    op.add_column("billing_deliveries", sa.Column("request", UUID))
    op.add_column("billing_deliveries", sa.Column("detail", sa.JSON()))
    op.create_index("billing_deliveries_request", "billing_deliveries", ["request"], unique=True)
    op.create_table(
        "billing_disclosures",
        sa.Column("seq", KEY, primary_key=True, autoincrement=True),
        sa.Column("id", UUID, nullable=False, unique=True),
        sa.Column("request", UUID, nullable=False, unique=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("patient", UUID, nullable=False),
        sa.Column("office", SLUG, nullable=False),
        sa.Column("office_name", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.Column("note", sa.String(200)),
        sa.Column("by", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
    )
    op.create_index("billing_disclosures_patient", "billing_disclosures", ["site", "patient", "office"])
    append_only(op, "billing_disclosures", "consents and withdrawals are append-only (Art. 7 Abs. 1 DSGVO)")


def downgrade() -> None:
    """Without them."""
    op.drop_table("billing_disclosures")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION billing_disclosures_refuse()")
    op.drop_index("billing_deliveries_request", "billing_deliveries")
    op.drop_column("billing_deliveries", "detail")
    op.drop_column("billing_deliveries", "request")
