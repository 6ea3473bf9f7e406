"""By which clock a site's day is told."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The zone of each site, as the scheduler has said it."""
    op.create_table(
        "site_zone",
        sa.Column("site", sa.String(40), primary_key=True),
        sa.Column("zone", sa.String(60), nullable=False),
        sa.Column("said_us", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    """Without it."""
    op.drop_table("site_zone")
