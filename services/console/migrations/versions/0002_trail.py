"""The audit trail cannot be changed by statements, and is found by who, what and which record."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

REFUSAL = "the audit trail is append-only"


def upgrade() -> None:
    """Triggers that refuse, and the indices of the page that reads the trail."""
    for column in ("at_us", "name", "action", "record", "site"):
        op.create_index(f"console_trail_{column}", "console_trail", [column, "seq"])
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER console_trail_no_{change.lower()} BEFORE {change} ON console_trail "
                f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION console_trail_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER console_trail_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON console_trail "
        "FOR EACH STATEMENT EXECUTE FUNCTION console_trail_refuse()"
    )


def downgrade() -> None:
    """Take triggers and indices away."""
    if op.get_bind().dialect.name == "sqlite":
        for change in ("update", "delete"):
            op.execute(f"DROP TRIGGER console_trail_no_{change}")
    else:
        op.execute("DROP TRIGGER console_trail_no_change ON console_trail")
        op.execute("DROP FUNCTION console_trail_refuse()")
    for column in ("at_us", "name", "action", "record", "site"):
        op.drop_index(f"console_trail_{column}", "console_trail")
