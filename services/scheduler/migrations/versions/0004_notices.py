"""Notices: calendar feeds and e-mail reminders."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The tables of this room."""
    op.create_table(
        "scheduler_feeds",
        sa.Column("feed", sa.String(36), primary_key=True),
        sa.Column("secret_sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("subject", sa.String(40), nullable=False),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("by", sa.String(80), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("revoked_us", sa.BigInteger()),
        sa.Column("read_us", sa.BigInteger()),
    )
    op.create_index("scheduler_feeds_subject", "scheduler_feeds", ["kind", "subject"])
    op.create_table(
        "scheduler_reminders",
        sa.Column("appointment", sa.String(36), nullable=False),
        sa.Column("starts_us", sa.BigInteger(), nullable=False),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("claimed_us", sa.BigInteger(), nullable=False),
        sa.Column("next_us", sa.BigInteger()),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("appointment", "starts_us"),
    )
    op.create_index("scheduler_reminders_state", "scheduler_reminders", ["state", "next_us"])


def downgrade() -> None:
    """Without them."""
    op.drop_table("scheduler_reminders")
    op.drop_table("scheduler_feeds")
