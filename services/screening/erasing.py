"""Tables that keep every row until their patient's file is erased, which the database itself sees to.

BGB 630f(1): a correction leaves the original to be read. BGB 630f(3): after ten years the file may go; then a
row of ``patient_erasure`` stands for it, in the same transaction and before anything of it is deleted.
"""

from typing import Any

REFUSAL = "the record of a patient is append-only (BGB 630f)"


def kept_until_erased(op: Any, table: str, column: str = "patient") -> None:
    """For a migration: let the database refuse to change a row of this table, and to delete one unless the
    patient in ``column`` has been erased.
    """
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} WHEN NOT EXISTS "  # noqa: S608  (ours)
            f"(SELECT 1 FROM patient_erasure WHERE patient = OLD.{column}) "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        )
        return
    op.execute(
        f"CREATE FUNCTION {table}_keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "  # noqa: S608  (ours)
        f"IF TG_OP = 'DELETE' THEN IF EXISTS (SELECT 1 FROM patient_erasure WHERE patient = OLD.{column}) "
        f"THEN RETURN OLD; END IF; END IF; RAISE EXCEPTION '{REFUSAL}'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_keep()"
    )


def drop_keeping(op: Any, table: str) -> None:
    """For a migration's way back: what the table leaves behind; after it is dropped."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"DROP FUNCTION {table}_keep()")
