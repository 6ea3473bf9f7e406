"""Estimates and fee agreements."""

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The tables of this room."""


def downgrade() -> None:
    """Without them."""
