"""Sessions by when they were archived: what the chain's statistics have not seen yet."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One index."""
    op.create_index("archive_sessions_archived", "archive_sessions", ["archived_at_us"])


def downgrade() -> None:
    """Without it."""
    op.drop_index("archive_sessions_archived", "archive_sessions")
