"""Payments, dunning, bank statements."""

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The tables of this room."""


def downgrade() -> None:
    """Without them."""
