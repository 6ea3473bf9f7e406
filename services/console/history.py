"""A bed's stored history, asked from telemetry and thinned for a screen."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import httpx

from services.console.errors import HistoryUnavailable
from services.console.models import Key

BUCKETS = 450  # each gives its least and its greatest tension: two points, about one a pixel
TIMEOUT_S = 4.0
COLUMNS = ("tension", "target", "counter")


async def read(address: str, key: Key, minutes: int) -> dict[str, list[float]]:
    """Columns `time` (seconds since the epoch), `tension`, `target`, `counter` (N), oldest first.

    Raises HistoryUnavailable when telemetry has no address or does not answer.
    """
    if not address:
        raise HistoryUnavailable("no history here: SPONDYL_TELEMETRY_URL is not set")
    url = f"{address}/devices/{key.device}/blocks"
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            answer = await client.get(url, params={"site": key.site, "seconds": minutes * 60})
            answer.raise_for_status()
    except httpx.HTTPError as error:
        raise HistoryUnavailable(f"telemetry at {address} does not answer: {error}") from None
    return thin(answer.json()["blocks"])


def thin(blocks: Iterable[dict[str, Any]], buckets: int = BUCKETS) -> dict[str, list[float]]:
    """At most two samples a bucket: the least and the greatest tension, so that no peak is lost."""
    rows = [row for block in blocks for row in _rows(block)]
    size = max(1, -(-len(rows) // buckets))
    kept: list[tuple[float, float, float, float]] = []
    for start in range(0, len(rows), size):
        bucket = rows[start : start + size]
        least, greatest = min(bucket, key=lambda row: row[1]), max(bucket, key=lambda row: row[1])
        kept.extend(sorted({least, greatest}))
    columns = list(zip(*kept, strict=True)) or [(), (), (), ()]
    return {name: list(column) for name, column in zip(("time", *COLUMNS), columns, strict=True)}


def _rows(block: dict[str, Any]) -> Iterable[tuple[float, float, float, float]]:
    started = datetime.fromisoformat(block["started_at"]).timestamp()
    period_s = block["period_ms"] / 1000
    for index, row in enumerate(zip(block["tension_n"], block["target_n"], block["residual_n"], strict=True)):
        yield (started + index * period_s, *row)
