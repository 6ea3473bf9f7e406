"""Inbox, outbox, refused messages, the audit trail."""

from alembic import op

from services.kit.business import tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The tables that every business service has."""
    tables.create(op, "billing")


def downgrade() -> None:
    """Without them."""
    tables.drop(op, "billing")
