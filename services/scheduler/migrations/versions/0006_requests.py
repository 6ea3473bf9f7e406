"""What was asked twice is done once: the request of an entry of the waiting list and of a prescription."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
TABLES = ("scheduler_waiting", "scheduler_prescriptions")


def upgrade() -> None:
    """The column, once each; none: it was not asked for by anybody, or before there were requests."""
    for table in TABLES:
        op.add_column(table, sa.Column("request", sa.String(36)))
        op.create_index(f"{table}_request", table, ["request"], unique=True)


def downgrade() -> None:
    """Without them."""
    for table in TABLES:
        op.drop_index(f"{table}_request", table)
        op.drop_column(table, "request")
