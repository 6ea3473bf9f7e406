"""Drafts, invoices, their numbers; a clinic's letterhead."""

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The tables of this room."""


def downgrade() -> None:
    """Without them."""
