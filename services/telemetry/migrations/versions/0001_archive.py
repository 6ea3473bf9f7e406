"""The archive's index."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Objects, sessions, gaps, exports and tombstones."""
    op.create_table(
        "archive_boots",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("site", sa.String(length=40), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("boot", sa.String(length=36), nullable=False),
        sa.Column("tension_after", sa.BigInteger(), nullable=False),
        sa.Column("blackbox_after", sa.BigInteger(), nullable=False),
        sa.Column("event_after", sa.BigInteger(), nullable=False),
        sa.Column("archived_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("archive_boots_place", "archive_boots", ["site", "device", "boot"], unique=True)
    op.create_table(
        "archive_exports",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("directory", sa.Text(), nullable=False),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.Column("objects", sa.BigInteger(), nullable=False),
        sa.Column("exported_by", sa.String(length=80), nullable=False),
        sa.Column("exported_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "archive_sessions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("site", sa.String(length=40), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("boot", sa.String(length=36), nullable=True),
        sa.Column("first_seq", sa.BigInteger(), nullable=True),
        sa.Column("end_seq", sa.BigInteger(), nullable=True),
        sa.Column("cure", sa.String(length=36), nullable=True),
        sa.Column("patient", sa.String(length=36), nullable=True),
        sa.Column("appointment", sa.String(length=36), nullable=True),
        sa.Column("region", sa.String(length=40), nullable=True),
        sa.Column("segment", sa.Text(), nullable=True),
        sa.Column("started_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.String(length=60), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("statistics", sa.Text(), nullable=True),
        sa.Column("archived_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("archive_sessions_cure", "archive_sessions", ["cure", "started_at_us"], unique=False)
    op.create_index(
        "archive_sessions_device", "archive_sessions", ["site", "device", "started_at_us"], unique=False
    )
    op.create_index("archive_sessions_started", "archive_sessions", ["started_at_us", "id"], unique=False)
    op.create_table(
        "archive_gaps",
        sa.Column("boot_id", KEY, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("archived_at_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["boot_id"], ["archive_boots.id"]),
        sa.PrimaryKeyConstraint("boot_id", "kind", "first", "after"),
    )
    op.create_table(
        "archive_objects",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("path", sa.String(length=200), nullable=False),
        sa.Column("boot_id", KEY, nullable=False),
        sa.Column("session", sa.String(length=36), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("directory", sa.LargeBinary(), nullable=False),
        sa.Column("spans", sa.Text(), nullable=False),
        sa.Column("started_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=False),
        sa.Column("tension_first", sa.BigInteger(), nullable=True),
        sa.Column("tension_after", sa.BigInteger(), nullable=True),
        sa.Column("blackbox_first", sa.BigInteger(), nullable=True),
        sa.Column("blackbox_after", sa.BigInteger(), nullable=True),
        sa.Column("event_first", sa.BigInteger(), nullable=True),
        sa.Column("event_after", sa.BigInteger(), nullable=True),
        sa.Column("archived_at_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["boot_id"], ["archive_boots.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("path"),
    )
    op.create_index(
        "archive_objects_blackbox", "archive_objects", ["boot_id", "blackbox_first"], unique=False
    )
    op.create_index("archive_objects_ended", "archive_objects", ["ended_at_us"], unique=False)
    op.create_index("archive_objects_event", "archive_objects", ["boot_id", "event_first"], unique=False)
    op.create_index("archive_objects_session", "archive_objects", ["session"], unique=False)
    op.create_index("archive_objects_tension", "archive_objects", ["boot_id", "tension_first"], unique=False)
    op.create_table(
        "archive_tombstones",
        sa.Column("path", sa.String(length=200), nullable=False),
        sa.Column("boot_id", KEY, nullable=False),
        sa.Column("session", sa.String(length=36), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("spans", sa.Text(), nullable=False),
        sa.Column("started_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=False),
        sa.Column("export_id", KEY, nullable=False),
        sa.Column("expired_by", sa.String(length=80), nullable=False),
        sa.Column("expired_at_us", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["boot_id"], ["archive_boots.id"]),
        sa.ForeignKeyConstraint(["export_id"], ["archive_exports.id"]),
        sa.PrimaryKeyConstraint("path"),
    )
    op.create_index("archive_tombstones_boot", "archive_tombstones", ["boot_id"], unique=False)


def downgrade() -> None:
    """Take the tables away, children first."""
    for name in ("tombstones", "objects", "gaps", "sessions", "exports", "boots"):
        op.drop_table(f"archive_{name}")
