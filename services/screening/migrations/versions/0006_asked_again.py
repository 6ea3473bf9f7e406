"""Files of erased patients that still lie on the disk; until when a clinician signed a clearance."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What an erasure has still to do, and how far a signature goes beyond the answers it stands on."""
    op.create_table(
        "patient_file_unneeded",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
    )
    op.add_column("screening_clearance", sa.Column("signed_until_us", sa.BigInteger()))


def downgrade() -> None:
    """Without them."""
    op.drop_column("screening_clearance", "signed_until_us")
    op.drop_table("patient_file_unneeded")
