"""What sessions and hands charge, in which treatment; letterheads and tariffs."""

import sqlalchemy as sa
from alembic import op

from services.kit.business.tables import append_only

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SLUG, UUID, NAME = sa.String(40), sa.String(36), sa.String(80)
APPEND_ONLY = {
    "billing_clinics": "what a site said of itself is append-only",
    "billing_tariffs": "tariffs are append-only",
    "billing_sessions": "sessions heard are append-only",
    "billing_charges": "charges are append-only: they are taken back by a row of their own",
    "billing_reversals": "what was taken back is append-only",
}


def upgrade() -> None:
    """The tables of charges and clinics."""
    _clinics()
    _people()
    _charges()
    for table, why in APPEND_ONLY.items():
        append_only(op, table, why)


def _clinics() -> None:
    for table, name in (
        ("billing_clinics", ()),
        ("billing_tariffs", (sa.Column("name", NAME, nullable=False),)),
    ):
        op.create_table(
            table,
            sa.Column("seq", KEY, primary_key=True, autoincrement=True),
            sa.Column("site", SLUG, nullable=False),
            *name,
            sa.Column("content", sa.JSON(), nullable=False),
            sa.Column("by", NAME, nullable=False),
            sa.Column("at_us", sa.BigInteger(), nullable=False),
        )
    op.create_index("billing_clinics_site", "billing_clinics", ["site", "seq"])
    op.create_index("billing_tariffs_site", "billing_tariffs", ["site", "name", "seq"])


def _people() -> None:
    op.create_table(
        "billing_patients",
        sa.Column("patient", UUID, primary_key=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("into", UUID),
        sa.Column("erased", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_billing_patients_into", "billing_patients", ["into"])
    op.create_table(
        "billing_cures",
        sa.Column("cure", UUID, primary_key=True),
        sa.Column("patient", UUID, nullable=False),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("region", sa.String(8), nullable=False),
        sa.Column("sessions", sa.Integer(), nullable=False),
        sa.Column("ended_us", sa.BigInteger()),
        sa.Column("reason", sa.Text()),
    )
    op.create_index("ix_billing_cures_patient", "billing_cures", ["patient"])
    op.create_table(
        "billing_cases",
        sa.Column("id", UUID, primary_key=True),
        sa.Column("patient", UUID, nullable=False),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("illness", sa.String(200), nullable=False),
        sa.Column("diagnosis", sa.String(500)),
        sa.Column("payer", sa.String(20)),
        sa.Column("tariff", NAME, nullable=False),
        sa.Column("mode", sa.String(10), nullable=False),
        sa.Column("recipient", sa.JSON()),
        sa.Column("opened_us", sa.BigInteger(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("patient", "site", "illness"),
    )


def _charges() -> None:
    op.create_table(
        "billing_sessions",
        sa.Column("session", UUID, primary_key=True),
        sa.Column("patient", UUID, nullable=False),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("cure", UUID),
        sa.Column("case", UUID, nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("heard_us", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_billing_sessions_case", "billing_sessions", ["case"])
    op.create_table(
        "billing_waiting",
        sa.Column("session", UUID, primary_key=True),
        sa.Column("patient", UUID, nullable=False),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("completed", sa.Boolean(), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("heard_us", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_billing_waiting_patient", "billing_waiting", ["patient"])
    op.create_table(
        "billing_charges",
        sa.Column("seq", KEY, primary_key=True, autoincrement=True),
        sa.Column("id", UUID, nullable=False, unique=True),
        sa.Column("request", UUID, unique=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("patient", UUID, nullable=False),
        sa.Column("case", UUID, nullable=False),
        sa.Column("cure", UUID),
        sa.Column("session", UUID),
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.Column("line", sa.JSON(), nullable=False),
        sa.Column("origin", sa.String(10), nullable=False),
        sa.Column("by", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_billing_charges_case", "billing_charges", ["case"])
    op.create_index("billing_charges_patient", "billing_charges", ["patient", "site", "on_date"])
    op.create_index("billing_charges_site", "billing_charges", ["site", "on_date"])
    op.create_table(
        "billing_reversals",
        sa.Column("charge", UUID, primary_key=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "billing_billed",
        sa.Column("charge", UUID, primary_key=True),
        sa.Column("invoice", UUID, nullable=False),
    )
    op.create_index("ix_billing_billed_invoice", "billing_billed", ["invoice"])


def downgrade() -> None:
    """Without them."""
    for table in (
        "billing_billed", "billing_waiting", "billing_reversals", "billing_charges", "billing_sessions",
        "billing_cases", "billing_cures", "billing_patients", "billing_tariffs", "billing_clinics",
    ):  # fmt: skip
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        for table in APPEND_ONLY:
            op.execute(f"DROP FUNCTION {table}_refuse()")
