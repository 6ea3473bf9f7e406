"""Links for patients' screens that cannot sign in."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SLUG, UUID, NAME, HASH = sa.String(40), sa.String(36), sa.String(80), sa.String(64)


def upgrade() -> None:
    """Whose link, for which bed, until when."""
    op.create_table(
        "console_screens",
        sa.Column("id", UUID, primary_key=True),
        sa.Column("secret", HASH, nullable=False, unique=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("device", SLUG, nullable=False),
        sa.Column("account", UUID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ends_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_us", sa.BigInteger()),
    )
    op.create_index("console_screens_bed", "console_screens", ["site", "device"])


def downgrade() -> None:
    """Take it away."""
    op.drop_table("console_screens")
