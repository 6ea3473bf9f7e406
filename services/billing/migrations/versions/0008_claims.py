"""Reversals on their own day, fees of reminders as claims, what the tax adviser has."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import op

from services.kit.business.tables import append_only

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SLUG, UUID, NAME = sa.String(40), sa.String(36), sa.String(80)
REVERSALS = "billing_payment_reversals"
WHY_REVERSALS = "reversals are append-only"
APPEND_ONLY = {
    "billing_reported": "what was reported is append-only (§ 146 Abs. 4 AO)",
    "billing_fee_waivers": "waivers are append-only (§ 146 Abs. 4 AO)",
}


def upgrade() -> None:
    """The new tables and columns; what is there is kept."""
    clinics = _clinics()
    op.add_column(
        "billing_payments", sa.Column("fees_ct", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.create_index("billing_letters_site", "billing_letters", ["site", "sent_on"])
    _new_tables()
    _reversals(clinics)


def _clinics() -> dict[str, Any]:
    """What each site says of itself."""
    rows = op.get_bind().execute(
        sa.text("SELECT site, content FROM billing_clinics ORDER BY seq").columns(content=sa.JSON())
    )
    return {row.site: row.content for row in rows}


def _new_tables() -> None:
    op.create_table(
        "billing_reported",
        sa.Column("seq", KEY, primary_key=True, autoincrement=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("by", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_billing_reported_site", "billing_reported", ["site"])
    op.create_table(
        "billing_fee_waivers",
        sa.Column("letter", UUID, primary_key=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("invoice", UUID, nullable=False),
        sa.Column("waived_on", sa.Date(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_billing_fee_waivers_invoice", "billing_fee_waivers", ["invoice"])
    op.create_index("billing_fee_waivers_site", "billing_fee_waivers", ["site", "waived_on"])
    for table, why in APPEND_ONLY.items():
        append_only(op, table, why)


def _reversals(clinics: dict[str, Any]) -> None:
    """Each on the day of the site's on which it was made."""
    _let_change(REVERSALS)
    op.add_column(REVERSALS, sa.Column("reversed_on", sa.Date()))
    bind = op.get_bind()
    rows = bind.execute(
        sa.text(
            "SELECT r.payment, r.at_us, p.site, p.received_on FROM billing_payment_reversals r "
            "JOIN billing_payments p ON p.id = r.payment"
        ).columns(received_on=sa.Date())
    ).all()
    put = sa.text("UPDATE billing_payment_reversals SET reversed_on = :day WHERE payment = :payment")
    for row in rows:
        day = max(_day(row.at_us, clinics.get(row.site)), row.received_on)
        bind.execute(
            put.bindparams(sa.bindparam("day", type_=sa.Date())), {"day": day, "payment": row.payment}
        )
    with op.batch_alter_table(REVERSALS) as batch:
        batch.alter_column("reversed_on", existing_type=sa.Date(), nullable=False)
    op.create_index("ix_billing_payment_reversals_reversed_on", REVERSALS, ["reversed_on"])
    append_only(op, REVERSALS, WHY_REVERSALS)


def _let_change(table: str) -> None:
    """Until ``append_only`` is said again."""
    if op.get_bind().dialect.name == "sqlite":
        for change in ("update", "delete"):
            op.execute(f"DROP TRIGGER {table}_no_{change}")
        return
    op.execute(f"DROP TRIGGER {table}_no_change ON {table}")
    op.execute(f"DROP FUNCTION {table}_refuse()")


def _day(at_us: int, clinic: Any) -> date:
    zone = ZoneInfo((clinic or {}).get("zone") or "Europe/Berlin")
    return datetime.fromtimestamp(at_us / 1e6, UTC).astimezone(zone).date()


def downgrade() -> None:
    """Without them."""
    _let_change(REVERSALS)
    op.drop_index("ix_billing_payment_reversals_reversed_on", REVERSALS)
    op.drop_column(REVERSALS, "reversed_on")
    append_only(op, REVERSALS, WHY_REVERSALS)
    for table in APPEND_ONLY:
        op.drop_table(table)
        if op.get_bind().dialect.name == "postgresql":
            op.execute(f"DROP FUNCTION {table}_refuse()")
    op.drop_index("billing_letters_site", "billing_letters")
    op.drop_column("billing_payments", "fees_ct")
