"""Drafts, invoices, their numbers and what was handed out."""

import sqlalchemy as sa
from alembic import op

from services.kit.business.tables import append_only

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SLUG, UUID, NAME = sa.String(40), sa.String(36), sa.String(80)
APPEND_ONLY = {
    "billing_items": "what stands on an invoice is append-only",
    "billing_invoices": "an invoice is append-only: it is cancelled by another one (§ 146 Abs. 4 AO)",
    "billing_documents": "what was handed out is append-only (§ 147 AO)",
}


def upgrade() -> None:
    """The tables of this room."""
    _drafts()
    _invoices()
    for table, why in APPEND_ONLY.items():
        append_only(op, table, why)


def _drafts() -> None:
    op.create_table(
        "billing_drafts",
        sa.Column("id", UUID, primary_key=True),
        sa.Column("request", UUID, unique=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("patient", UUID, nullable=False),
        sa.Column("case", UUID, nullable=False),
        sa.Column("why", sa.String(10), nullable=False),
        sa.Column("said", sa.JSON(), nullable=False),
        sa.Column("by", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
    )
    op.create_index("ix_billing_drafts_site", "billing_drafts", ["site"])
    op.create_index("ix_billing_drafts_case", "billing_drafts", ["case"])
    op.create_table(
        "billing_drafted",
        sa.Column("charge", UUID, primary_key=True),
        sa.Column("draft", UUID, nullable=False),
    )
    op.create_index("ix_billing_drafted_draft", "billing_drafted", ["draft"])


def _invoices() -> None:
    op.create_table(
        "billing_numbers",
        sa.Column("site", SLUG, nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("site", "year"),
    )
    op.create_table(
        "billing_invoices",
        sa.Column("seq", KEY, primary_key=True, autoincrement=True),
        sa.Column("id", UUID, nullable=False, unique=True),
        sa.Column("request", UUID, nullable=False, unique=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("counted", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(60), nullable=False, unique=True),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("cancels", UUID, unique=True),
        sa.Column("patient", UUID, nullable=False),
        sa.Column("case", UUID, nullable=False),
        sa.Column("cure", UUID),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("total_ct", sa.BigInteger(), nullable=False),
        sa.Column("recipient", sa.String(500), nullable=False),
        sa.Column("sought", sa.Text(), nullable=False),
        sa.Column("charges", sa.JSON(), nullable=False),
        sa.Column("paper", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("by", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("site", "year", "counted"),
    )
    op.create_index("ix_billing_invoices_patient", "billing_invoices", ["patient"])
    op.create_index("billing_invoices_site", "billing_invoices", ["site", "issued_on"])
    op.create_table(
        "billing_items",
        sa.Column("invoice", UUID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.Column("number", sa.String(12), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("amount_ct", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("invoice", "position"),
    )
    op.create_index("billing_items_site", "billing_items", ["site", "issued_on"])
    op.create_table(
        "billing_documents",
        sa.Column("invoice", UUID, primary_key=True),
        sa.Column("pdf", sa.LargeBinary(), nullable=False),
        sa.Column("xml", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
    )


def downgrade() -> None:
    """Without them."""
    for table in (
        "billing_documents", "billing_items", "billing_invoices", "billing_numbers", "billing_drafted",
        "billing_drafts",
    ):  # fmt: skip
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        for table in APPEND_ONLY:
            op.execute(f"DROP FUNCTION {table}_refuse()")
