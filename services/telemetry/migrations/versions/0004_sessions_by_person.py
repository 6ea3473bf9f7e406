"""Sessions by patient and by appointment: what a clinician has in hand when looking for one."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two indices."""
    op.create_index("archive_sessions_patient", "archive_sessions", ["patient", "started_at_us"])
    op.create_index("archive_sessions_appointment", "archive_sessions", ["appointment"])


def downgrade() -> None:
    """Without them."""
    op.drop_index("archive_sessions_appointment", "archive_sessions")
    op.drop_index("archive_sessions_patient", "archive_sessions")
