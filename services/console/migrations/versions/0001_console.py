"""Accounts, sign-ins, acknowledgements, notes and the audit trail."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SLUG, UUID, NAME, HASH = sa.String(40), sa.String(36), sa.String(80), sa.String(64)


def upgrade() -> None:
    """Every table of the first console with a memory."""
    op.create_table(
        "console_users",
        sa.Column("id", UUID, primary_key=True),
        sa.Column("name", NAME, nullable=False, unique=True),
        sa.Column("title", NAME, nullable=False),
        sa.Column("password", sa.Text()),
        sa.Column("must_change", sa.Boolean(), nullable=False),
        sa.Column("issuer", sa.String(300)),
        sa.Column("subject", sa.String(300)),
        sa.Column("pin", sa.Text()),
        sa.Column("badge", sa.String(64)),
        sa.Column("language", sa.String(2)),
        sa.Column("theme", sa.String(10)),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until_us", sa.BigInteger(), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at_us", sa.BigInteger()),
        sa.UniqueConstraint("issuer", "subject", name="console_users_vouched"),
    )
    op.create_table(
        "console_grants",
        sa.Column("user_id", UUID, sa.ForeignKey("console_users.id"), primary_key=True),
        sa.Column("role", SLUG, primary_key=True),
        sa.Column("site", SLUG, primary_key=True),
    )
    op.create_table(
        "console_sign_ins",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("user_id", UUID, sa.ForeignKey("console_users.id"), nullable=False),
        sa.Column("forgery", sa.String(64), nullable=False),
        sa.Column("address", NAME, nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("seen_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ends_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_us", sa.BigInteger()),
    )
    op.create_table(
        "console_acknowledgements",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("device", SLUG, nullable=False),
        sa.Column("condition", NAME, nullable=False),
        sa.Column("occurrence", NAME, nullable=False),
        sa.Column("account", UUID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("site", "device", "condition", "occurrence", name="console_acknowledged_once"),
    )
    op.create_table(
        "console_notes",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("session", UUID, nullable=False),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("account", UUID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
    )
    op.create_table(
        "console_trail",
        sa.Column("seq", KEY, primary_key=True, autoincrement=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("account", UUID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("address", NAME, nullable=False),
        sa.Column("action", NAME, nullable=False),
        sa.Column("site", SLUG),
        sa.Column("record", sa.String(200)),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_index("console_sign_ins_user", "console_sign_ins", ["user_id"])
    op.create_index("console_notes_session", "console_notes", ["session", "id"])


def downgrade() -> None:
    """Take the tables away, children first."""
    for name in ("trail", "notes", "acknowledgements", "sign_ins", "grants", "users"):
        op.drop_table(f"console_{name}")
