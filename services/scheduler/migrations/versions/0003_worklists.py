"""Worklists: what was told last, and sealed names."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The tables of this room."""
    op.create_table(
        "scheduler_worklists",
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("device", sa.String(40), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("site", "device"),
    )
    op.create_table(
        "scheduler_sealed_names",
        sa.Column("appointment", sa.String(36), primary_key=True),
        sa.Column("patient", sa.String(36), nullable=False),
        sa.Column("sealing_key", sa.String(64), nullable=False),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_scheduler_sealed_names_patient", "scheduler_sealed_names", ["patient"])


def downgrade() -> None:
    """Without them."""
    op.drop_table("scheduler_sealed_names")
    op.drop_table("scheduler_worklists")
