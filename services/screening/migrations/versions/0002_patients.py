"""Patients' files: versions, notes, attachments, merges, erasures, and what a search looks at."""

import sqlalchemy as sa
from alembic import op

from services.kit.business.tables import append_only
from services.screening.erasing import drop_keeping, kept_until_erased

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ID = sa.String(36)
KEPT = ("patient_version", "patient_note", "patient_attachment", "patient_attachment_back", "patient_merge")


def upgrade() -> None:
    """The tables of this room."""
    op.create_table(
        "patient",
        sa.Column("number", KEY, primary_key=True, autoincrement=True),
        sa.Column("id", ID, nullable=False, unique=True),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("opened_at_us", sa.BigInteger(), nullable=False),
        sa.Column("changed_at_us", sa.BigInteger(), nullable=False),
        sa.Column("merged_into", ID),
        sa.Column("last_treated_on", sa.String(10)),
        sa.Column("family_name", sa.String(80), nullable=False),
        sa.Column("given_name", sa.String(80), nullable=False),
        sa.Column("birth_date", sa.String(10), nullable=False),
        sa.Column("sex", sa.String(12), nullable=False),
        sa.Column("region", sa.String(10)),
        sa.Column("insurance", sa.String(12)),
        sa.Column("insurance_number", sa.String(40)),
        sa.Column("folded", sa.String(200), nullable=False),
    )
    op.create_index("patient_by_name", "patient", ["folded", "number"])
    op.create_index("patient_by_site", "patient", ["site", "folded", "number"])
    op.create_index("patient_by_birth", "patient", ["birth_date", "site", "number"])
    op.create_index("patient_by_insurance", "patient", ["insurance_number"])
    op.create_index("patient_by_merge", "patient", ["merged_into"])
    op.create_table(
        "patient_gram",
        sa.Column("gram", sa.String(3), primary_key=True),
        sa.Column("site", sa.String(40), primary_key=True),
        sa.Column("number", KEY, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_index("patient_gram_of", "patient_gram", ["number"])
    _keepers()
    for table in KEPT:
        kept_until_erased(op, table)
    append_only(op, "patient_erasure", "what was erased stays written down")


def _keepers() -> None:
    _table(
        "patient_version",
        sa.Column("number", sa.Integer(), nullable=False),
        *_who(),
        sa.Column("reason", sa.String(400), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.UniqueConstraint("patient", "number"),
    )
    _table("patient_note", *_who(), sa.Column("text", sa.Text(), nullable=False))
    _table(
        "patient_attachment",
        *_who(),
        sa.Column("id", ID, nullable=False, unique=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("taken_on", sa.String(10)),
        sa.Column("note", sa.String(400), nullable=False),
        sa.Column("filename", sa.String(120), nullable=False),
        sa.Column("media_type", sa.String(40), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
    )
    op.create_index("patient_attachment_by_sha256", "patient_attachment", ["sha256"])
    _table(
        "patient_attachment_back",
        *_who(),
        sa.Column("attachment", ID, nullable=False, unique=True),
        sa.Column("reason", sa.String(400), nullable=False),
    )
    _table(
        "patient_merge",
        *_who(),
        sa.Column("action", sa.String(10), nullable=False),
        sa.Column("into", ID, nullable=False),
        sa.Column("reason", sa.String(400), nullable=False),
    )
    op.create_index("patient_merge_into", "patient_merge", ["into"])
    op.create_table(
        "patient_distinct",
        sa.Column("one", ID, primary_key=True),
        sa.Column("other", ID, primary_key=True),
        *_who(),
        sa.Column("reason", sa.String(400), nullable=False),
    )
    op.create_table(
        "patient_erasure",
        sa.Column("patient", ID, primary_key=True),
        sa.Column("site", sa.String(40), nullable=False),
        *_who(),
        sa.Column("reason", sa.String(400), nullable=False),
        sa.Column("ended_on", sa.String(10), nullable=False),
    )


def _table(name: str, *columns: sa.Column[object] | sa.UniqueConstraint) -> None:
    op.create_table(
        name,
        sa.Column("row", KEY, primary_key=True, autoincrement=True),
        sa.Column("patient", ID, nullable=False),
        *columns,
    )
    op.create_index(f"{name}_of", name, ["patient", "row"])


def _who() -> list[sa.Column[object]]:
    return [
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("account", ID, nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
    ]


def downgrade() -> None:
    """Without them."""
    for table in KEPT:
        op.drop_table(table)
        drop_keeping(op, table)
    op.drop_table("patient_erasure")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION patient_erasure_refuse()")
    for table in ("patient_distinct", "patient_gram", "patient"):
        op.drop_table(table)
