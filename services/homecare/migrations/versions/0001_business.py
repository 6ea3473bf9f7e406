"""Inbox, outbox, refused messages, the audit trail; the sites' zones and the patients' files."""

import sqlalchemy as sa
from alembic import op

from services.kit.business import tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SLUG, UUID = sa.String(40), sa.String(36)


def upgrade() -> None:
    """The tables that every business service has, and what it hears of sites and patients."""
    tables.create(op, "homecare")
    op.create_table(
        "homecare_zones",
        sa.Column("site", SLUG, primary_key=True),
        sa.Column("zone", sa.String(60), nullable=False),
        sa.Column("said_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "homecare_patients",
        sa.Column("patient", UUID, primary_key=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("into", UUID, index=True),
        sa.Column("erased", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    """Without them."""
    op.drop_table("homecare_patients")
    op.drop_table("homecare_zones")
    tables.drop(op, "homecare")
