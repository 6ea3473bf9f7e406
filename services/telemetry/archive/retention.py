"""What the law wants kept is kept, and what it no longer wants kept may be let go: once exported, for good.

Records of a treatment are kept for ten years from its end (BGB § 630f (3)); a treatment is a cure, so that
its end is that of the cure's last session.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from services.kit.errors import SpondylError
from services.kit.moments import now_us
from services.telemetry.archive import registry
from services.telemetry.archive.export import check_export
from services.telemetry.archive.reader import Archive
from services.telemetry.archive.rows import ObjectRow, SessionRow
from services.telemetry.archive.verify import every_object
from services.telemetry.models import Source

LAW: Final = "BGB § 630f (3), SPONDYL_RETENTION_YEARS"
_DAYS_A_YEAR: Final = 365.25
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Expired:
    """What was let go."""

    objects: int
    bytes: int
    sessions: int
    kept: int  # objects that ended before the date and belong to a treatment that ended behind it


def expire(
    archive: Archive,
    before: datetime,
    export: Path,
    by: str,
    retention_years: float,
    *,
    living: Collection[UUID] = (),
) -> Expired:
    """Let go of the treatments that ended before a date, which ``export`` holds: tombstones stay.

    ``living`` are cures that go on, whatever the archive knows of them.

    Raises SpondylError when they must be kept still, or the export does not hold all of them; then nothing
    is changed. Killed at any point, it is finished by the next call.
    """
    finish(archive)
    _require_age(before, retention_years)
    before_us = int(before.timestamp() * 1_000_000)
    candidates = list(every_object(archive, before_us=before_us))
    with archive.index.read() as connection:
        rows = registry.sessions_in(connection, {row.source for row in candidates})
        sessions = by_source(rows)
        ends = registry.treatment_ends(connection, sessions)
    at_us = now_us()
    ends |= {row.id: at_us for row in rows if row.cure in living}
    due = [row for row in candidates if _ended_at_us(row, sessions, ends) < before_us]
    manifest = check_export(export)
    absent = [row.path for row in due if manifest.objects.get(row.path) != row.sha256]
    if absent:
        named = ", ".join(absent[:_NAMED])
        raise SpondylError(
            f"{len(absent)} of {len(due)} objects are not in the export {export} ({named}): "
            "`spondyl archive export` first; nothing was deleted"
        )
    with archive.index.read() as connection:
        export_id = registry.export_id(connection, manifest.sha256)
    if export_id is None:
        raise SpondylError(f"{export} was not exported from this archive: its manifest is not recorded here")
    gone = [row.id for rows in sessions.values() for row in rows if ends[row.id] < before_us]
    with archive.index.write() as connection:
        registry.bury(connection, [row.id for row in due], gone, export_id, by)
    finish(archive)
    return Expired(len(due), sum(row.size for row in due), len(gone), len(candidates) - len(due))


def finish(archive: Archive) -> None:
    """Delete from the store what has a tombstone and is still there."""
    for path in archive.index.undead():
        archive.store.delete(path)
        with archive.index.write() as connection:
            registry.mark_deleted(connection, path, now_us())


def youngest(now: datetime, retention_years: float) -> datetime:
    """What ended before this may be let go."""
    return now - timedelta(days=math.ceil(retention_years * _DAYS_A_YEAR))


def _require_age(before: datetime, retention_years: float) -> None:
    limit = youngest(datetime.now(UTC), retention_years)
    if before > limit:
        raise SpondylError(
            f"--before {before.date()} is too young: records are kept for {retention_years:g} years from the "
            f"end of the treatment, {limit.date()} is the latest date ({LAW})"
        )


def _ended_at_us(row: ObjectRow, sessions: dict[Source, list[SessionRow]], ends: dict[UUID, int]) -> int:
    """When the treatments that an object holds anything of had ended; its own end for idle time."""
    held = row.spans["tension"] or row.spans["blackbox"]
    first = min((span[0] for span in held), default=0)
    after = max((span[1] for span in held), default=0)
    touched = [
        ends[one.id]
        for one in sessions.get(row.source, [])
        if one.id == row.session or _overlaps(one, first, after)
    ]
    return max([row.ended_at_us, *touched])


def _overlaps(session: SessionRow, first: int, after: int) -> bool:
    if session.first_seq is None:
        return True  # nobody knows where it lies: all of its boot is kept with it
    return session.first_seq < after and (session.end_seq is None or session.end_seq >= first)


def by_source(rows: Sequence[SessionRow]) -> dict[Source, list[SessionRow]]:
    """Sessions by the device and boot they were in."""
    found: defaultdict[Source, list[SessionRow]] = defaultdict(list)
    for row in rows:
        if row.boot is not None:
            found[Source(row.place, row.boot)].append(row)
    return dict(found)
