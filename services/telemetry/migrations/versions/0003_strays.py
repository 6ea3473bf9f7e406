"""What was stored and cannot be read: kept byte for byte."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """One table."""
    op.create_table(
        "archive_strays",
        sa.Column("boot_id", KEY, sa.ForeignKey("archive_boots.id"), primary_key=True),
        sa.Column("kind", sa.String(10), primary_key=True),
        sa.Column("first", sa.BigInteger(), primary_key=True),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("archived_at_us", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    """Without it."""
    op.drop_table("archive_strays")
