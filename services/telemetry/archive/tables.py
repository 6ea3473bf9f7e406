"""The index's tables: the same on SQLite and PostgreSQL, made by the migrations beside the service.

Times are microseconds since the epoch. Rows are added and never changed, but for a boot's marks, which only
grow, and for what the law wants gone after ten years (`retention.py`), which leaves a tombstone.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from services.kit.columns import KEY, NAME, SHA256, SLUG, UUID_TEXT, trail_columns

METADATA: Final = MetaData()

BOOTS: Final = Table(
    "archive_boots",
    METADATA,
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("site", SLUG, nullable=False),
    Column("device", SLUG, nullable=False),
    Column("boot", UUID_TEXT, nullable=False),
    # Everything below is in an object or named as a gap: what makes a second archiver's commit fail.
    Column("tension_after", BigInteger, nullable=False),
    Column("blackbox_after", BigInteger, nullable=False),
    Column("event_after", BigInteger, nullable=False),
    Column("archived_at_us", BigInteger, nullable=False),
)
Index("archive_boots_place", BOOTS.c.site, BOOTS.c.device, BOOTS.c.boot, unique=True)

OBJECTS: Final = Table(
    "archive_objects",
    METADATA,
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("path", String(200), nullable=False, unique=True),
    Column("boot_id", ForeignKey("archive_boots.id"), nullable=False),
    Column("session", UUID_TEXT),
    Column("sha256", SHA256, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("directory", LargeBinary, nullable=False),
    Column("spans", Text, nullable=False),  # JSON: kind -> [[first, after], ...], holes left out
    Column("started_at_us", BigInteger, nullable=False),
    Column("ended_at_us", BigInteger, nullable=False),
    Column("tension_first", BigInteger),
    Column("tension_after", BigInteger),
    Column("blackbox_first", BigInteger),
    Column("blackbox_after", BigInteger),
    Column("event_first", BigInteger),
    Column("event_after", BigInteger),
    Column("archived_at_us", BigInteger, nullable=False),
)
for _kind in ("tension", "blackbox", "event"):
    Index(f"archive_objects_{_kind}", OBJECTS.c.boot_id, OBJECTS.c[f"{_kind}_first"])
Index("archive_objects_ended", OBJECTS.c.ended_at_us)
Index("archive_objects_session", OBJECTS.c.session)

SESSIONS: Final = Table(
    "archive_sessions",
    METADATA,
    Column("id", UUID_TEXT, primary_key=True),
    Column("site", SLUG, nullable=False),
    Column("device", SLUG, nullable=False),
    Column("boot", UUID_TEXT),
    Column("first_seq", BigInteger),
    Column("end_seq", BigInteger),
    Column("cure", UUID_TEXT),
    Column("patient", UUID_TEXT),
    Column("appointment", UUID_TEXT),
    Column("region", String(40)),
    Column("segment", Text),
    Column("started_at_us", BigInteger, nullable=False),
    Column("ended_at_us", BigInteger),
    Column("ended_by", String(60)),
    Column("summary", Text),
    Column("statistics", Text),
    Column("archived_at_us", BigInteger, nullable=False),
)
Index("archive_sessions_started", SESSIONS.c.started_at_us, SESSIONS.c.id)
Index("archive_sessions_device", SESSIONS.c.site, SESSIONS.c.device, SESSIONS.c.started_at_us)
Index("archive_sessions_archived", SESSIONS.c.archived_at_us)
Index("archive_sessions_cure", SESSIONS.c.cure, SESSIONS.c.started_at_us)
Index("archive_sessions_patient", SESSIONS.c.patient, SESSIONS.c.started_at_us)
Index("archive_sessions_appointment", SESSIONS.c.appointment)

GAPS: Final = Table(
    "archive_gaps",
    METADATA,
    Column("boot_id", ForeignKey("archive_boots.id"), primary_key=True),
    Column("kind", String(10), primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("after", BigInteger, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("archived_at_us", BigInteger, nullable=False),
)

STRAYS: Final = Table(
    "archive_strays",
    METADATA,
    Column("boot_id", ForeignKey("archive_boots.id"), primary_key=True),
    Column("kind", String(10), primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("sha256", SHA256, primary_key=True),
    Column("after", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("archived_at_us", BigInteger, nullable=False),
)

EXPORTS: Final = Table(
    "archive_exports",
    METADATA,
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("directory", Text, nullable=False),
    Column("manifest_sha256", SHA256, nullable=False),
    Column("objects", BigInteger, nullable=False),
    Column("exported_by", NAME, nullable=False),
    Column("exported_at_us", BigInteger, nullable=False),
)

TOMBSTONES: Final = Table(
    "archive_tombstones",
    METADATA,
    Column("path", String(200), primary_key=True),
    Column("boot_id", ForeignKey("archive_boots.id"), nullable=False),
    Column("session", UUID_TEXT),
    Column("sha256", SHA256, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("spans", Text, nullable=False),
    Column("started_at_us", BigInteger, nullable=False),
    Column("ended_at_us", BigInteger, nullable=False),
    Column("export_id", ForeignKey("archive_exports.id"), nullable=False),
    Column("expired_by", NAME, nullable=False),
    Column("expired_at_us", BigInteger, nullable=False),
    Column("deleted_at_us", BigInteger),  # NULL: decided, and the object not deleted from the store yet
)
Index("archive_tombstones_boot", TOMBSTONES.c.boot_id)

TRAIL: Final = Table(  # of the audit trail (`services/kit/trail.py`): never changed, never deleted
    "telemetry_trail",
    METADATA,
    *trail_columns(),
)
for _column in ("at_us", "name", "action", "record", "site"):
    Index(f"telemetry_trail_{_column}", TRAIL.c[_column], TRAIL.c.seq)
