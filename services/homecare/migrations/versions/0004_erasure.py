"""What was set, signed and done goes with its patient, once they were erased (Art. 17 DSGVO)."""

from alembic import op

from services.kit.business.tables import append_only_again, append_only_until

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

IS_ERASED = (
    "EXISTS (SELECT 1 FROM homecare_programmes p JOIN homecare_patients f ON f.patient = p.patient "
    "WHERE f.erased AND p.id = OLD.programme)"
)
TABLES = {
    "homecare_versions": "what was set is append-only: a new version takes its place (§ 630f Abs. 1 BGB)",
    "homecare_supervised": "what was signed is append-only (§ 630f Abs. 1 BGB)",
    "homecare_turns": "what a programme went through is append-only",
    "homecare_entries": "what a patient entered is append-only (§ 630f Abs. 1 BGB)",
    "homecare_pains": "reports of pain are append-only (§ 630f Abs. 1 BGB)",
    "homecare_answers": "an answer is append-only (§ 630f Abs. 1 BGB)",
}


def upgrade() -> None:
    """The database itself lets nothing else be deleted."""
    for table, why in TABLES.items():
        append_only_until(op, table, why, IS_ERASED)


def downgrade() -> None:
    """Every row stays."""
    for table, why in TABLES.items():
        append_only_again(op, table, why)
