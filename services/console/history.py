"""A bed's stored history, asked from telemetry, which thins it and keeps every peak."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from services.console.archive import Archive
from services.console.errors import HistoryRefused
from services.console.models import Key
from services.kit.auth.principal import Principal

POINTS = 700  # buckets over the whole span: about one a pixel
COLUMNS = ("time", "least", "tension", "target", "counter")
NOT_FOUND = 404
Row = tuple[float, float | None, float | None, float | None, float | None]


async def read(archive: Archive, caller: Principal, key: Key, minutes: int) -> dict[str, list[float | None]]:
    """Columns `time` (seconds since the epoch), `least` and `tension` (a bucket's least and greatest),
    `target`, `counter` (N), oldest first; None where samples are missing.

    Raises HistoryUnavailable when telemetry has no address or does not answer, HistoryRefused.
    """
    query = {"site": key.site, "seconds": minutes * 60, "points": POINTS}
    try:
        answer = await archive.ask(caller, f"/devices/{key.device}/blocks", query)
    except HistoryRefused as error:
        if error.status == NOT_FOUND:  # nothing of this bed was ever stored
            return columns([])
        raise
    return columns(answer["segments"])


def columns(segments: Iterable[dict[str, Any]]) -> dict[str, list[float | None]]:
    """Telemetry's thinned segments as columns; a row of None between two of them, so that a gap shows."""
    rows: list[Row] = []
    for segment in segments:
        if rows:
            rows.append((rows[-1][0] + 0.001, None, None, None, None))
        rows.extend(_rows(segment))
    turned = zip(*rows, strict=True) if rows else ((),) * len(COLUMNS)
    return {name: list(column) for name, column in zip(COLUMNS, turned, strict=True)}


def _rows(segment: dict[str, Any]) -> Iterable[Row]:
    started = datetime.fromisoformat(segment["started_at"]).timestamp()
    values = zip(
        segment["offset_ms"],
        segment["tension_n"]["min"],
        segment["tension_n"]["max"],
        segment["target_n"]["max"],
        segment["residual_n"]["max"],
        strict=True,
    )
    for offset_ms, *row in values:
        yield (started + offset_ms / 1000, *row)
