"""A session knows the tap that brought it onto the bed: the logs follow it to the invoice."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLES = "billing_sessions", "billing_waiting"


def upgrade() -> None:
    """Sessions of before have none."""
    for table in TABLES:
        op.add_column(table, sa.Column("correlation", sa.String(32)))


def downgrade() -> None:
    """Without it."""
    for table in TABLES:
        op.drop_column(table, "correlation")
