"""Who read what straight from telemetry: a table that only grows."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FOUND_BY = ("at_us", "name", "action", "record", "site")
REFUSAL = "the audit trail is append-only"


def upgrade() -> None:
    """The table, its indices, and triggers that refuse."""
    op.create_table(
        "telemetry_trail",
        sa.Column("seq", KEY, primary_key=True, autoincrement=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.String(36), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("address", sa.String(80), nullable=False),
        sa.Column("action", sa.String(80), nullable=False),
        sa.Column("site", sa.String(40)),
        sa.Column("record", sa.String(200)),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    for column in FOUND_BY:
        op.create_index(f"telemetry_trail_{column}", "telemetry_trail", [column, "seq"])
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER telemetry_trail_no_{change.lower()} BEFORE {change} ON telemetry_trail "
                f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION telemetry_trail_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER telemetry_trail_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON telemetry_trail "
        "FOR EACH STATEMENT EXECUTE FUNCTION telemetry_trail_refuse()"
    )


def downgrade() -> None:
    """Without it."""
    op.drop_table("telemetry_trail")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION telemetry_trail_refuse()")
