"""The stored curve of one bed: of the session that runs, or of the last minutes; telemetry thins it.

A page asks once for the whole and then only for what came since: ``next`` of the answer is the seq to go on
with. Peaks stay: a bucket has its least and its greatest value.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from services.console.archive import Archive
from services.console.errors import HistoryRefused
from services.console.models import PHASE_INDEX, Device
from services.console.present import alarm_priority
from services.kit.auth.principal import Principal
from services.kit.words import PRIORITY_SYMBOLS

POINTS: Final = 700  # buckets over the whole span: about one a pixel
LEAST_POINTS: Final = 10  # telemetry's own least
NOT_FOUND: Final = 404
COLUMNS: Final = ("time", "least", "tension", "target", "counter", "phase")
MARKS: Final = ("guarding.detected", "session.paused", "session.resumed", "session.aborted")
Row = tuple[float | int | None, ...]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Since:
    """Where a page's curve ends: the seq behind its last sample, and how many samples a bucket of it has."""

    boot: UUID
    seq: int
    stride: int


@dataclass(frozen=True, slots=True)
class Curves:
    """Asks telemetry for curves in one caller's name. Methods raise HistoryUnavailable and HistoryRefused."""

    archive: Archive
    caller: Principal
    device: Device

    async def session(self, session: UUID) -> Json:
        """The session from its start to now, with what happened in it."""
        try:
            row = await self.archive.ask(self.caller, f"/sessions/{session}")
        except HistoryRefused as error:
            if error.status == NOT_FOUND:  # confirmed, but not begun or not stored yet
                return answer([], None)
            raise
        # A gateway that began anew counts from 0: what an earlier boot stored ends where it ended.
        if row["first_seq"] is None or row["boot"] is None or UUID(row["boot"]) != self.device.boot:
            return answer([], None)
        found = await self._window(row["first_seq"], self.device.boot, POINTS)
        return found | {"session": str(session), "marks": marks(row["events"])}

    async def minutes(self, minutes: int) -> Json:
        """The last minutes."""
        query = {"site": self.device.key.site, "seconds": minutes * 60, "points": POINTS}
        return await self._answer("blocks", query)

    async def since(self, since: Since) -> Json:
        """What came after the end of a page's curve, in buckets about as wide as the page's are."""
        count = max(0, self.device.seq + 1 - since.seq)
        if since.boot != self.device.boot or count == 0:
            return answer([], str(self.device.boot) if self.device.boot else None)
        return await self._window(since.seq, since.boot, max(LEAST_POINTS, count // max(1, since.stride)))

    async def _window(self, first: int, boot: UUID, points: int) -> Json:
        after = self.device.seq + 1 if self.device.boot == boot else first + 1
        query = {
            "site": self.device.key.site, "boot": str(boot),
            "from": str(first), "to": str(max(after, first + 1)), "points": points,
        }  # fmt: skip
        return await self._answer("window", query)

    async def _answer(self, room: str, query: Mapping[str, Any]) -> Json:
        path = f"/devices/{self.device.key.device}/{room}"
        try:
            body = await self.archive.ask(self.caller, path, query)
        except HistoryRefused as error:
            if error.status == NOT_FOUND:  # nothing of this bed has been stored yet
                return answer([], None)
            raise
        return answer(body["segments"], body["boot"])


def answer(segments: list[Json], boot: str | None) -> Json:
    """What a page gets: columns, where to go on, and how wide the buckets are."""
    last = segments[-1] if segments else None
    return {
        "boot": boot,
        "next": last["seq"] + last["count"] if last else None,
        "stride": last.get("stride", 1) if last else 1,
        "session": None,
        "marks": [],
        "unmeasured": [stretch for segment in segments for stretch in unmeasured(segment)],
        **columns(segments),
    }


def columns(segments: Iterable[Json]) -> dict[str, list[float | int | None]]:
    """Thinned segments as columns: `time` (seconds since the epoch), `least` and `tension` (a bucket's least
    and greatest), `target`, `counter` (N) and `phase` (index into `words.PHASES`), oldest first.

    A row of None stands between two segments, so that a gap shows; None is also what was not measured.
    """
    rows: list[Row] = []
    for segment in segments:
        if rows:
            rows.append((float(rows[-1][0] or 0) + 0.001, *[None] * (len(COLUMNS) - 1)))
        rows.extend(_rows(segment))
    turned = zip(*rows, strict=True) if rows else ((),) * len(COLUMNS)
    return {name: list(column) for name, column in zip(COLUMNS, turned, strict=True)}


def unmeasured(segment: Json) -> Iterable[tuple[float, float]]:
    """From when to when (seconds since the epoch) the tension of some samples was not measured."""
    started, counts = _seconds(segment["started_at"]), segment.get("unmeasured", {}).get("tension_n", [])
    ends = [*segment["offset_ms"][1:], segment["count"] * segment["period_ms"]]
    lacking = groupby(zip(counts, segment["offset_ms"], ends, strict=False), key=lambda row: row[0] > 0)
    for is_lacking, group in lacking:
        if is_lacking:
            rows = list(group)
            yield started + rows[0][1] / 1000, started + rows[-1][2] / 1000


def marks(events: Iterable[Json]) -> list[Json]:
    """The events that stand on the curve: their id, time and type; of an alarm that came on, its priority."""
    found = ((event, alarm_priority(event["type"], event.get("data") or {})) for event in events)
    return [
        {
            "id": event["id"],
            "time": _seconds(event["at"]),
            "type": event["type"],
            "priority": priority,
            "symbol": PRIORITY_SYMBOLS.get(priority or "", ""),
        }
        for event, priority in found
        if priority or event["type"] in MARKS
    ]


def _rows(segment: Json) -> Iterable[Row]:
    started = _seconds(segment["started_at"])
    values = zip(
        segment["offset_ms"],
        segment["tension_n"]["min"],
        segment["tension_n"]["max"],
        segment["target_n"]["max"],
        segment["residual_n"]["max"],
        (PHASE_INDEX[phase] for phase in segment["phase"]),
        strict=True,
    )
    for offset_ms, *row in values:
        yield (started + offset_ms / 1000, *row)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
