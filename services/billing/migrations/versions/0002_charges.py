"""What sessions and hands charge, in which treatment case."""

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The tables of this room."""


def downgrade() -> None:
    """Without them."""
