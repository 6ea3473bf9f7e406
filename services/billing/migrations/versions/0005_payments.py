"""Payments, reminders, bank statements."""

import sqlalchemy as sa
from alembic import op

from services.kit.business.tables import append_only

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SLUG, UUID, NAME = sa.String(40), sa.String(36), sa.String(80)
APPEND_ONLY = {
    "billing_payments": "payments are append-only: they are reversed by a row of their own",
    "billing_payment_reversals": "reversals are append-only",
    "billing_letters": "what was sent is append-only (§ 147 AO)",
    "billing_statements": "bank statements are append-only (§ 147 AO)",
}


def upgrade() -> None:
    """The tables of this room."""
    _payments()
    _statements()
    for table, why in APPEND_ONLY.items():
        append_only(op, table, why)


def _payments() -> None:
    op.create_table(
        "billing_payments",
        sa.Column("seq", KEY, primary_key=True, autoincrement=True),
        sa.Column("id", UUID, nullable=False, unique=True),
        sa.Column("request", UUID, nullable=False, unique=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("invoice", UUID, nullable=False),
        sa.Column("amount_ct", sa.BigInteger(), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("method", sa.String(10), nullable=False),
        sa.Column("entry", UUID),
        sa.Column("note", sa.Text()),
        sa.Column("by", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_billing_payments_invoice", "billing_payments", ["invoice"])
    op.create_index("billing_payments_site", "billing_payments", ["site", "received_on"])
    op.create_table(
        "billing_payment_reversals",
        sa.Column("payment", UUID, primary_key=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "billing_letters",
        sa.Column("id", UUID, primary_key=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("invoice", UUID, nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("sent_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("fee_ct", sa.BigInteger(), nullable=False),
        sa.Column("open_ct", sa.BigInteger(), nullable=False),
        sa.Column("pdf", sa.LargeBinary(), nullable=False),
        sa.Column("by", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("invoice", "step"),
    )


def _statements() -> None:
    op.create_table(
        "billing_statements",
        sa.Column("id", UUID, primary_key=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("iban", sa.String(34), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("by", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("site", "sha256"),
    )
    op.create_table(
        "billing_entries",
        sa.Column("id", UUID, primary_key=True),
        sa.Column("statement", UUID, nullable=False),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("mark", sa.String(64), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("amount_ct", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("iban", sa.String(34), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("why", sa.Text()),
        sa.UniqueConstraint("site", "mark"),
    )
    op.create_index("ix_billing_entries_statement", "billing_entries", ["statement"])
    op.create_index("billing_entries_site", "billing_entries", ["site", "state", "booked_on"])


def downgrade() -> None:
    """Without them."""
    for table in (
        "billing_entries", "billing_statements", "billing_letters", "billing_payment_reversals",
        "billing_payments",
    ):  # fmt: skip
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        for table in APPEND_ONLY:
            op.execute(f"DROP FUNCTION {table}_refuse()")
