"""`spondyl archive`: the archive by itself, whether the system runs or not."""

import getpass
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from services.kit.moments import instant_of
from services.kit.options import AsJson, Data

if TYPE_CHECKING:
    from services.telemetry.archive.reader import Archive
    from services.telemetry.settings import TelemetrySettings

PROGRESS_S = 2.0
Since = Annotated[
    datetime | None, typer.Option(help="Only what ended at or behind this (UTC unless it names a zone).")
]
Before = Annotated[
    datetime | None, typer.Option(help="Only what ended before this (UTC unless it names a zone).")
]
By = Annotated[
    str | None, typer.Option("--by", help="Who does this, for the record; the account if not said.")
]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many rows.")]


def register(root: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="What is kept for ten years: check it, ask it, export it.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    for name, command in _COMMANDS.items():
        group.command(name)(command)
    root.add_typer(group, name="archive")


def _verify(data: Data = None, as_json: AsJson = False) -> None:
    """Read every object, decode every block, compare with the index; exit status 0 only when all is whole."""
    from services.telemetry.archive.verify import verify

    with _opened(data) as (archive, _):
        report = verify(archive, _Progress())
    body = report.body()
    lines = [f"{row['path']}: {row['fault']}" for row in report.faults]
    lines += [
        f"{row['site']}/{row['device']} boot {row['boot']}: {row['stream']} {row['first']} to {row['last']} "
        "are in no object and named by no gap"
        for row in report.missing
    ]
    lines += [f"{path}: in the store and not in the index; nothing refers to it" for path in report.orphans]
    lines += [
        f"{row['site']}/{row['device']} boot {row['boot']}: {row['stream']} {row['first']} to {row['last']} "
        f"could not be read and is kept as it came ({row['bytes']} bytes): {row['reason']}"
        for row in report.strays
    ]
    lines.append(
        f"{_count(report.objects, 'object')}, {_count(report.bytes, 'byte')}, "
        f"{_count(report.samples, 'sample')}: {len(report.faults)} damaged or gone, "
        f"{_count(len(report.missing), 'hole')}, {_count(len(report.orphans), 'orphan')}, "
        f"{_count(len(report.strays), 'stray')}"
    )
    _say(body, lines, as_json=as_json)
    if not report.ok:
        raise typer.Exit(1)


def _status(data: Data = None, as_json: AsJson = False) -> None:
    """What the archive holds, by site."""
    from services.telemetry.archive import registry

    with _opened(data) as (archive, settings), archive.index.read() as connection:
        sites, counts = registry.totals(connection), registry.counts(connection)
        store, kind = archive.store.url, archive.index.engine.dialect.name
    body = {
        "store": store, "index": kind, "objects": sum(row["objects"] for row in sites),
        "bytes": sum(row["bytes"] for row in sites), **counts,
        "retention_years": settings.retention_years,
        "sites": [
            row | {"first_at": _instant(row.pop("first_at_us")), "last_at": _instant(row.pop("last_at_us"))}
            for row in sites
        ],
    }  # fmt: skip
    counted = ", ".join(
        (
            _count(counts["sessions"], "session"),
            f"{_count(counts['expired'], 'object')} expired",
            _count(counts["strays"], "stray"),
        )
    )
    lines = [f"{store}, index in {kind}: {counted}"]
    lines += [
        f"{row['site']}: {_count(row['devices'], 'device')}, {_count(row['boots'], 'boot')}, "
        f"{_count(row['objects'], 'object')}, {_count(row['bytes'], 'byte')}, "
        f"{row['first_at']} to {row['last_at']}"
        for row in body["sites"]
    ]
    _say(body, lines, as_json=as_json)


def _list(
    data: Data = None,
    since: Since = None,
    before: Before = None,
    limit: Limit = 100,
    after: Annotated[int, typer.Option(min=0, help="Only objects behind this number: the next page.")] = 0,
    as_json: AsJson = False,
) -> None:
    """The objects, in the order in which they were archived."""
    with _opened(data) as (archive, _):
        rows = archive.index.all_objects(
            since_us=_microseconds(since), before_us=_microseconds(before), behind=after, limit=limit
        )
    listed = [
        {
            "id": row.id, "path": row.path, "session": row.session and str(row.session), "bytes": row.size,
            "sha256": row.sha256, "spans": row.spans, "started_at": _instant(row.started_at_us),
            "ended_at": _instant(row.ended_at_us),
        }
        for row in rows
    ]  # fmt: skip
    following = rows[-1].id if len(rows) == limit else None
    lines = [f"{'object':>8} {'started at':<32} {'bytes':>10} {'session':<36} path"]
    lines += [
        f"{row['id']:>8} {row['started_at']:<32} {row['bytes']:>10} {row['session'] or '-':<36} {row['path']}"
        for row in listed
    ]
    if following is not None and not as_json:
        _tell(f"there may be more: --after {following}")
    _say({"objects": listed, "next_after": following}, lines, as_json=as_json)


def _export(
    directory: Annotated[Path, typer.Argument(help="Where to; it holds no other export.")],
    data: Data = None,
    session: Annotated[UUID | None, typer.Option(help="Only this session.")] = None,
    since: Since = None,
    before: Before = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Copy objects and index rows with a manifest of checksums, and read it all back."""
    from services.telemetry.archive.export import Selection, export

    chosen = Selection(session, _microseconds(since), _microseconds(before))
    with _opened(data) as (archive, _):
        manifest = export(archive, directory, chosen, by or getpass.getuser(), _Progress())
    body = {
        "directory": str(directory.absolute()), "objects": len(manifest.objects),
        "sessions": manifest.sessions, "manifest_sha256": manifest.sha256,
    }  # fmt: skip
    copied = f"{_count(len(manifest.objects), 'object')} and {_count(manifest.sessions, 'session')}"
    said = f"{copied}, manifest {manifest.sha256}"
    _say(body, [said], as_json=as_json)


def _expire(
    before: Annotated[
        datetime, typer.Option(help="Treatments that ended before this (UTC unless it names a zone).")
    ],
    export: Annotated[Path, typer.Option(help="A whole export that holds all of them.")],
    data: Data = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Delete what need not be kept any longer, once it was exported; a tombstone of each object stays."""
    from services.telemetry.archive.retention import expire

    with _opened(data) as (archive, settings):
        living = _living(settings)
        who, years = by or getpass.getuser(), settings.retention_years
        gone = expire(archive, _aware(before), export, who, years, living=living)
    body = {"objects": gone.objects, "bytes": gone.bytes, "sessions": gone.sessions, "kept": gone.kept}
    said = (
        f"{_count(gone.objects, 'object')} ({_count(gone.bytes, 'byte')}) and "
        f"{_count(gone.sessions, 'session')} expired; kept, because their treatment ended later: "
        f"{_count(gone.kept, 'older object')}"
    )
    _say(body, [said], as_json=as_json)


def _living(settings: "TelemetrySettings") -> "set[UUID]":
    """Cures of which Redis has a session that the archive has not. Raises StoreUnavailable."""
    from services.telemetry.archive.hot_side import HotSide

    hot = HotSide(_redis_url(settings))
    try:
        return hot.cures()
    finally:
        hot.close()


def _redis_url(settings: "TelemetrySettings") -> str:
    """The running system's Redis, unless one is set: the default may be a stranger's."""
    from services.kit import runfile
    from services.kit.errors import NotRunning, SpondylError

    if "redis_url" in settings.model_fields_set:
        return settings.redis_url.get_secret_value()
    try:
        return runfile.load(settings.data).redis
    except NotRunning:
        raise SpondylError(
            f"which cures go on is known to Redis only, and no system runs in {settings.data}: start it, or "
            "set SPONDYL_REDIS_URL; nothing was deleted"
        ) from None


def _query(
    sql: Annotated[
        str,
        typer.Argument(
            help="One SELECT over sessions, objects, samples; their columns: services/telemetry/README.md."
        ),
    ],
    data: Data = None,
    limit: Limit = 1000,
    offset: Annotated[int, typer.Option(min=0, help="Pass over so many rows.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Ask the archive in SQL (DuckDB); read only, without files and network."""
    from services.telemetry.archive.sql import ask

    with _opened(data) as (archive, _):
        answer = ask(archive, sql, limit, offset)
    following = offset + limit if answer.more else None
    if following is not None and not as_json:
        _tell(f"there are more rows: --offset {following}, or a larger --limit")
    rows = [[_finite(value) for value in row] for row in answer.rows]
    body = {"columns": answer.columns, "rows": rows, "next_offset": following}
    lines = ["\t".join(map(_printable, answer.columns))]
    lines += [
        "\t".join("" if value is None else _printable(str(value)) for value in row) for row in answer.rows
    ]
    _say(body, lines, as_json=as_json)


_COMMANDS: dict[str, Callable[..., None]] = {
    "verify": _verify,
    "status": _status,
    "list": _list,
    "export": _export,
    "expire": _expire,
    "query": _query,
}


@contextmanager
def _opened(data: Path | None) -> "Iterator[tuple[Archive, TelemetrySettings]]":
    """The archive that is there; it is never made by looking at it."""
    from services.kit.runfile import data_directory
    from services.telemetry.archive.opening import open_existing
    from services.telemetry.settings import TelemetrySettings

    settings = TelemetrySettings.load().model_copy(update={"data": data_directory(data)})
    archive = open_existing(settings)
    try:
        yield archive, settings
    finally:
        archive.index.close()


class _Progress:
    """A line on stderr every few seconds."""

    def __init__(self) -> None:
        self._said_at = time.monotonic()

    def __call__(self, done: int, of: int) -> None:
        now = time.monotonic()
        if now - self._said_at >= PROGRESS_S:
            self._said_at = now
            _tell(f"{done} of {of} objects")


def _say(body: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    print(json.dumps(body, default=str) if as_json else "\n".join(lines))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _printable(text: str) -> str:
    """Data must neither move the cursor nor pretend to be a further column or row."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _tell(line: str) -> None:
    """Beside the answer, so that a pipe gets the answer alone."""
    print(line, file=sys.stderr, flush=True)


def _finite(value: Any) -> Any:
    """JSON has neither NaN nor infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _instant(at_us: int | None) -> str | None:
    return None if at_us is None else instant_of(at_us).isoformat()


def _microseconds(at: datetime | None) -> int | None:
    return None if at is None else round(_aware(at).timestamp() * 1_000_000)
