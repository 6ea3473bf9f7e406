"""Estimates go with their patient: a row may be deleted once the patient has been erased (Art. 17 DSGVO)."""

from alembic import op

from services.kit.business.tables import append_only

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None

PAPER = "SELECT patient FROM billing_estimates WHERE id = OLD.estimate"
TABLES = {  # whose a row is, and why it stays otherwise
    "billing_estimates": (
        "OLD.patient", "an estimate is append-only: a new version takes its place (§ 630f Abs. 1 BGB)"
    ),
    "billing_handings": (f"({PAPER})", "what was handed over is append-only (§ 630f Abs. 1 BGB)"),
    "billing_estimate_withdrawals": (f"({PAPER})", "withdrawals are append-only"),
}  # fmt: skip


def upgrade() -> None:
    """The database itself lets nothing else be deleted."""
    for table, (patient, why) in TABLES.items():
        is_erased = f"EXISTS (SELECT 1 FROM billing_patients WHERE erased AND patient = {patient})"  # noqa: S608  (ours)
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"DROP TRIGGER {table}_no_delete")
            op.execute(
                f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} WHEN NOT {is_erased} "
                f"BEGIN SELECT RAISE(ABORT, '{why}'); END"
            )
            continue
        op.execute(f"DROP TRIGGER {table}_no_change ON {table}")
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()"
        )
        op.execute(
            f"CREATE FUNCTION {table}_keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF TG_OP = 'DELETE' THEN IF {is_erased} THEN RETURN OLD; END IF; END IF; "
            f"RAISE EXCEPTION '{why}'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {table}_keep()"
        )


def downgrade() -> None:
    """Every row stays."""
    for table, (_, why) in TABLES.items():
        if op.get_bind().dialect.name == "sqlite":
            for change in ("update", "delete"):
                op.execute(f"DROP TRIGGER {table}_no_{change}")
        else:
            for trigger in ("no_truncate", "kept"):
                op.execute(f"DROP TRIGGER {table}_{trigger} ON {table}")
            op.execute(f"DROP FUNCTION {table}_keep()")
            op.execute(f"DROP FUNCTION {table}_refuse()")
        append_only(op, table, why)
