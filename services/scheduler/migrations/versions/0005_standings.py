"""What screening says of a patient's treatment; the outage that a replanning entered."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The table of standings, the column of a replanning."""
    op.create_table(
        "scheduler_standings",
        sa.Column("patient", sa.String(36), nullable=False),
        sa.Column("region", sa.String(8), nullable=False),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("outcome", sa.String(12), nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("consented", sa.Boolean(), nullable=False),
        sa.Column("body_weight_kg", sa.Float()),
        sa.Column("age_years", sa.Integer()),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("patient", "region"),
    )
    op.add_column("scheduler_replans", sa.Column("outage", sa.String(36)))


def downgrade() -> None:
    """Without them."""
    op.drop_column("scheduler_replans", "outage")
    op.drop_table("scheduler_standings")
