"""The index's other half: what was exported and what has expired."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, delete, func, insert, literal, select, update

from services.kit.moments import now_us
from services.telemetry.archive.rows import SessionRow, session_of
from services.telemetry.archive.tables import BOOTS, EXPORTS, OBJECTS, SESSIONS, STRAYS, TOMBSTONES
from services.telemetry.models import Source

AT_ONCE: Final = 500  # values in one IN (...)
_COPIED: Final = ("path", "boot_id", "session", "sha256", "bytes", "spans", "started_at_us", "ended_at_us")


def record_export(connection: Connection, directory: str, sha256: str, objects: int, by: str) -> None:
    """What was exported, where to, by whom."""
    row = {
        "directory": directory, "manifest_sha256": sha256, "objects": objects, "exported_by": by,
        "exported_at_us": now_us(),
    }  # fmt: skip
    connection.execute(insert(EXPORTS), row)


def export_id(connection: Connection, sha256: str) -> int | None:
    """The export with this manifest; None when there was none."""
    query = select(EXPORTS.c.id).where(EXPORTS.c.manifest_sha256 == sha256)
    found: int | None = connection.execute(query).scalars().first()
    return found


def sessions_in(connection: Connection, sources: Iterable[Source]) -> list[SessionRow]:
    """Every session of these boots."""
    boots = sorted({str(source.boot) for source in sources})
    return [
        session_of(row)
        for part in _parts(boots)
        for row in connection.execute(select(SESSIONS).where(SESSIONS.c.boot.in_(part))).mappings()
    ]


def treatment_ends(
    connection: Connection, sessions: Mapping[Source, Sequence[SessionRow]]
) -> dict[UUID, int]:
    """When the treatment of each session ended: with its cure's last session, or its own end."""
    rows = [row for found in sessions.values() for row in found]
    cures = sorted({str(row.cure) for row in rows if row.cure is not None})
    ended = func.max(func.coalesce(SESSIONS.c.ended_at_us, SESSIONS.c.started_at_us))
    of_cure: dict[str, int] = {}
    for part in _parts(cures):
        query = select(SESSIONS.c.cure, ended).where(SESSIONS.c.cure.in_(part)).group_by(SESSIONS.c.cure)
        of_cure |= {cure: int(end) for cure, end in connection.execute(query)}
    return {row.id: max(row.ended_at_us or row.started_at_us, of_cure.get(str(row.cure), 0)) for row in rows}


def bury(
    connection: Connection, objects: Collection[int], sessions: Collection[UUID], export: int, by: str
) -> None:
    """Objects become tombstones, sessions go, all in the caller's transaction."""
    at_us = now_us()
    more: dict[str, Any] = {
        "export_id": literal(export), "expired_by": literal(by), "expired_at_us": literal(at_us),
    }  # fmt: skip
    columns = [OBJECTS.c[name] for name in _COPIED]
    for part in _parts(sorted(objects)):
        chosen = select(*columns, *more.values()).where(OBJECTS.c.id.in_(part))
        connection.execute(insert(TOMBSTONES).from_select([*_COPIED, *more], chosen))
        connection.execute(delete(OBJECTS).where(OBJECTS.c.id.in_(part)))
    for ids in _parts(sorted(map(str, sessions))):
        connection.execute(delete(SESSIONS).where(SESSIONS.c.id.in_(ids)))


def mark_deleted(connection: Connection, path: str, at_us: int) -> None:
    """The object is gone from the store."""
    connection.execute(update(TOMBSTONES).where(TOMBSTONES.c.path == path).values(deleted_at_us=at_us))


def totals(connection: Connection) -> list[dict[str, Any]]:
    """By site: boots, objects, bytes, first and last time."""
    query = (
        select(
            BOOTS.c.site,
            func.count(func.distinct(BOOTS.c.device)).label("devices"),
            func.count(func.distinct(BOOTS.c.id)).label("boots"),
            func.count(OBJECTS.c.id).label("objects"),
            func.coalesce(func.sum(OBJECTS.c.bytes), 0).label("bytes"),
            func.min(OBJECTS.c.started_at_us).label("first_at_us"),
            func.max(OBJECTS.c.ended_at_us).label("last_at_us"),
        )
        .outerjoin(OBJECTS, OBJECTS.c.boot_id == BOOTS.c.id)
        .group_by(BOOTS.c.site)
        .order_by(BOOTS.c.site)
    )
    return [
        {name: int(value) if name == "bytes" else value for name, value in row.items()}
        for row in connection.execute(query).mappings()
    ]


def counts(connection: Connection) -> dict[str, int]:
    """How many rows of each kind there are."""
    tables = {"sessions": SESSIONS, "exports": EXPORTS, "expired": TOMBSTONES, "strays": STRAYS}
    return {
        name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
        for name, table in tables.items()
    }


def _parts(values: Sequence[Any]) -> list[Sequence[Any]]:
    return [values[at : at + AT_ONCE] for at in range(0, len(values), AT_ONCE)]
