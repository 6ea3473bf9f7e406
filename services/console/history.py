"""A bed's stored history, asked from telemetry, which thins it and keeps every peak."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import httpx

from services.console.errors import HistoryUnavailable
from services.console.models import Key

POINTS = 700  # buckets over the whole span: about one a pixel
TIMEOUT_S = 4.0
COLUMNS = ("time", "least", "tension", "target", "counter")
Row = tuple[float, float | None, float | None, float | None, float | None]


async def read(address: str, key: Key, minutes: int) -> dict[str, list[float | None]]:
    """Columns `time` (seconds since the epoch), `least` and `tension` (a bucket's least and greatest),
    `target`, `counter` (N), oldest first; None where samples are missing.

    Raises HistoryUnavailable when telemetry has no address or does not answer.
    """
    if not address:
        raise HistoryUnavailable("no history here: SPONDYL_TELEMETRY_URL is not set")
    query: dict[str, str | int] = {"site": key.site, "seconds": minutes * 60, "points": POINTS}
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
            answer = await client.get(f"{address}/devices/{key.device}/blocks", params=query)
            if answer.status_code == httpx.codes.NOT_FOUND:
                return columns([])
            answer.raise_for_status()
            return columns(answer.json()["segments"])
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise HistoryUnavailable(f"telemetry at {address} does not answer: {error}") from None


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
