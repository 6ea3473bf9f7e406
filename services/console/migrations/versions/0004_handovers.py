"""Questionnaires that were handed over on a tablet."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SLUG, UUID, NAME, HASH = sa.String(40), sa.String(36), sa.String(80), sa.String(64)


def upgrade() -> None:
    """Whose questionnaire, who handed it over, until when."""
    op.create_table(
        "console_handovers",
        sa.Column("id", UUID, primary_key=True),
        sa.Column("secret", HASH, nullable=False, unique=True),
        sa.Column("patient", UUID, nullable=False),
        sa.Column("region", SLUG, nullable=False),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("account", UUID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ends_at_us", sa.BigInteger(), nullable=False),
        sa.Column("done_at_us", sa.BigInteger()),
        sa.Column("ended_at_us", sa.BigInteger()),
    )
    op.create_index("console_handovers_patient", "console_handovers", ["patient"])


def downgrade() -> None:
    """Take it away."""
    op.drop_table("console_handovers")
