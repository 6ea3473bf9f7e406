"""A part of the archive as files that need no Spondyl to be kept: objects, index rows, checksums of all."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from services.kit.errors import SpondylError
from services.telemetry.archive import objects, registry
from services.telemetry.archive.reader import Archive
from services.telemetry.archive.rows import ObjectRow, SessionRow
from services.telemetry.archive.stores import LocalStore
from services.telemetry.archive.verify import PAGE, Progress, every_object
from services.telemetry.errors import Corrupt
from services.telemetry.query import History
from services.telemetry.recording import session_chunks

MANIFEST: Final = "manifest.json"
FORM: Final = "spondyl-archive-export-1"


@dataclass(frozen=True, slots=True)
class Selection:
    """What is exported: one session, or what ended in a time (microseconds since the epoch); or all."""

    session: UUID | None = None
    since_us: int | None = None
    before_us: int | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export holds; ``sha256`` is of the manifest's own file."""

    sha256: str
    objects: dict[str, str]  # path -> sha256
    files: dict[str, str]
    sessions: int


def export(
    archive: Archive,
    directory: Path,
    selection: Selection,
    by: str,
    progress: Progress = lambda _done, _all: None,
) -> Manifest:
    """Write, read back, and record in the index what was exported.

    Raises SpondylError for a directory that holds something else, Corrupt for an object that is damaged.
    """
    if (directory / MANIFEST).exists():
        raise SpondylError(f"{directory} holds an export already: name another directory")
    target = LocalStore(directory)
    rows, listed = [], {}
    chosen = list(_selected(archive, selection))
    for row in chosen:
        data = archive.store.get(row.path)
        objects.verify(data, sha256=row.sha256)
        target.put(f"objects/{row.path}", data)
        listed[row.path] = row.sha256
        rows.append(_object_json(row))
        progress(len(rows), len(chosen))
    sessions = [_session_json(row) for row in _sessions(archive, selection, rows)]
    files = {"index/objects.json": _lines(rows), "index/sessions.json": _lines(sessions)}
    for name, data in files.items():
        target.put(name, data)
    body = {
        "form": FORM,
        "made_at": datetime.now(UTC).isoformat(),
        "made_by": by,
        "sessions": len(sessions),
        "objects": listed,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    target.put(MANIFEST, json.dumps(body, indent=1).encode())
    manifest = check_export(directory)
    with archive.index.write() as connection:
        place = str(directory.absolute())
        registry.record_export(connection, place, manifest.sha256, len(manifest.objects), by)
    return manifest


def check_export(directory: Path) -> Manifest:
    """An export whose every file is what its manifest says. Raises SpondylError, Corrupt."""
    try:
        data = (directory / MANIFEST).read_bytes()
        body = json.loads(data)
        manifest = Manifest(
            hashlib.sha256(data).hexdigest(),
            dict(body["objects"]),
            dict(body["files"]),
            int(body["sessions"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SpondylError(f"{directory} holds no whole export ({MANIFEST}: {error})") from None
    source = LocalStore(directory)
    wanted = {f"objects/{path}": sha256 for path, sha256 in manifest.objects.items()} | manifest.files
    for path, sha256 in wanted.items():
        if (found := hashlib.sha256(source.get(path)).hexdigest()) != sha256:
            raise Corrupt(f"{directory}/{path} has SHA-256 {found}, the manifest says {sha256}")
    return manifest


def _selected(archive: Archive, selection: Selection) -> Iterator[ObjectRow]:
    if selection.session is None:
        yield from every_object(archive, since_us=selection.since_us, before_us=selection.before_us)
        return
    row = archive.session(selection.session)
    if row.source is None or row.first_seq is None:
        raise SpondylError(f"session {row.id} has no samples: its start was never heard of")
    after = None if row.end_seq is None else row.end_seq + 1
    chunks = session_chunks(History(None, archive), row)
    loaded = chunks[0]["seq"] if chunks else row.first_seq  # before the start: a replay begins there
    samples = archive.index.objects(row.source, "tension", row.first_seq, after)
    inputs = archive.index.objects(row.source, "blackbox", loaded, after)
    yield from {one.path: one for one in (*inputs, *samples)}.values()


def _sessions(archive: Archive, selection: Selection, rows: list[dict[str, Any]]) -> Iterator[SessionRow]:
    if selection.session is not None:
        yield archive.session(selection.session)
        return
    boots = {row["boot"] for row in rows}
    cursor: str | None = None
    while True:
        page, cursor = archive.sessions(until_us=selection.before_us, cursor=cursor, limit=PAGE)
        yield from (row for row in page if str(row.boot) in boots)
        if cursor is None:
            return


def _object_json(row: ObjectRow) -> dict[str, Any]:
    return {
        "path": row.path, "site": row.source.place.site, "device": row.source.place.device,
        "boot": str(row.source.boot), "session": None if row.session is None else str(row.session),
        "sha256": row.sha256, "bytes": row.size, "spans": row.spans,
        "started_at_us": row.started_at_us, "ended_at_us": row.ended_at_us,
    }  # fmt: skip


def _session_json(row: SessionRow) -> dict[str, Any]:
    ids = {name: getattr(row, name) for name in ("id", "boot", "cure", "patient", "appointment")}
    plain = (
        "first_seq", "end_seq", "region", "segment", "started_at_us", "ended_at_us", "ended_by", "summary",
        "statistics",
    )  # fmt: skip
    return (
        {name: None if value is None else str(value) for name, value in ids.items()}
        | {"site": row.place.site, "device": row.place.device}
        | {name: getattr(row, name) for name in plain}
    )


def _lines(rows: list[dict[str, Any]]) -> bytes:
    """JSON, one row a line."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
