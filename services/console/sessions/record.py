"""One session with everything that is known of it, gathered from telemetry, the panel and the console."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil, floor
from typing import Any, Final, TypeVar
from uuid import UUID

from pydantic import ValidationError

from broker.messages import Event
from services.console import present
from services.console.archive import Archive
from services.console.errors import HistoryRefused, HistoryUnavailable
from services.console.sessions import curve as curves
from services.console.sessions.curve import Curve, SessionCurve
from services.console.sessions.models import Json, Session
from services.kit.auth.principal import Principal
from services.kit.language import Language, Text
from services.kit.words import PHASES, PRIORITY_SYMBOLS

T = TypeVar("T")
AROUND_S: Final = 15.0  # shown on either side of an event that is opened on the curve
MARKED: Final = frozenset({
    "session.paused", "session.resumed", "session.aborted", "guarding.detected", "samples.lost",
    "remote.refused", "clock.stepped", "alarm.raised", "adverse.reported",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Happened:
    """A line of the events list, and where it is on the curve."""

    type: str
    at: datetime
    at_s: float
    from_s: float
    to_s: float
    text: str
    detail: str
    priority: str | None = None  # of an alarm that came on


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """From when to when nobody measured the tension (``0:24``), and the part of the curve that shows it."""

    begins: str
    ends: str
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class Record(SessionCurve):
    """``trouble`` names what telemetry could not give; everything else is shown all the same."""

    prescribed: Sequence[Json] = ()
    measured: Json = field(default_factory=dict)
    trouble: Sequence[Text] = ()

    @property
    def ceiling_n(self) -> float | None:
        """The ceiling that was last in force."""
        return self._told("ceiling_n")

    @property
    def prescribed_peak_n(self) -> float | None:
        """The peak that was last prescribed."""
        return self._told("peak_n")

    def fact(self, said: str, measured: str | None = None) -> float | None:
        """What the gateway said, which counts, else what the stored samples come to."""
        value = self.session.said(said)
        return value if value is not None else self.measured.get(measured or said)

    def phase_s(self) -> list[tuple[str, float]]:
        """Time in each phase, in the order of the phases; those of no treatment left out."""
        spent = self.session.summary.get("phase_s") or self.measured.get("phase_s") or {}
        return [(name, spent[name]) for name in PHASES if spent.get(name) and name not in ("idle", "ready")]

    def unmeasured(self) -> list[Unmeasured]:
        """What was not measured, in whole seconds since the start, as the curve's axis has them."""
        return [
            Unmeasured(_clock(floor(begin)), _clock(ceil(round(end, 3))), *self._around(begin, end))
            for begin, end in self.unmeasured_s
        ]

    def happened(self, language: Language) -> list[Happened]:
        """The events in words, oldest first."""
        return [self._line(event, language) for event in self.session.events]

    def marks(self, language: Language) -> list[Json]:
        """What stands on the curve: guardings as spans, the rest as lines."""
        lines = [line for line in self.happened(language) if line.type in MARKED]
        ends = [line.at_s for line in self.happened(language) if line.type == "guarding.released"]
        return [
            {
                "at": line.at_s,
                "until": next((end for end in ends if end > line.at_s), self.total_s)
                if line.type == "guarding.detected"
                else None,
                "type": line.type,
                "text": line.detail if line.priority else line.text,
                "priority": line.priority,
                "symbol": PRIORITY_SYMBOLS.get(line.priority or ""),
            }
            for line in lines
        ]

    def for_script(self, language: Language) -> Json:
        """What the page's script begins with."""
        limits = {"ceiling": self.ceiling_n, "peak": self.prescribed_peak_n}
        return {
            **self.beginning(),
            "started_at": self.session.started_at.timestamp(),
            "limits": {name: value for name, value in limits.items() if value},
            "marks": self.marks(language),
        }

    def _told(self, name: str) -> float | None:
        return self.prescribed[-1].get(name) if self.prescribed else None

    def _line(self, event: Json, language: Language) -> Happened:
        at = datetime.fromisoformat(event["at"])
        at_s = max(0.0, (event["seq"] - self.first) * self.curve.period_s)
        text, detail = _words(event, language)
        edges = self._around(at_s, at_s)
        priority = present.alarm_priority(event["type"], event.get("data") or {})
        return Happened(event["type"], at, round(at_s, 2), edges[0], edges[1], text, detail, priority)

    def _around(self, begin_s: float, end_s: float) -> tuple[float, float]:
        """The part of the curve that is shown of this time."""
        low, high = max(0.0, begin_s - AROUND_S), min(max(self.total_s, end_s), end_s + AROUND_S)
        return round(low, 1), round(high, 1)


def _clock(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02}"


async def gather(archive: Archive, caller: Principal, wanted: UUID) -> Record:
    """The session. Raises HistoryNotFound and HistoryUnavailable for the session itself alone."""
    session = Session.of(await archive.ask(caller, f"/sessions/{wanted}"))
    trouble: dict[str, Text] = {}
    curve, prescribed, summary = await asyncio.gather(
        _quietly(curves.window(archive, caller, wanted), Curve, trouble),
        _quietly(archive.ask(caller, f"/sessions/{wanted}/prescribed"), list[Json], trouble),
        _quietly(archive.ask(caller, f"/sessions/{wanted}/summary"), dict[str, Any], trouble),
    )
    return Record(session, curve, prescribed, summary.get("measured") or {}, tuple(trouble.values()))


async def _quietly(work: Awaitable[T], nothing: Callable[[], T], trouble: dict[str, Text]) -> T:
    """The answer, or nothing and the reason kept: one part that is away does not hide the others."""
    try:
        return await work
    except (HistoryRefused, HistoryUnavailable) as error:
        trouble[error.message] = error.words
        return nothing()


def _words(event: Json, language: Language) -> tuple[str, str]:
    try:
        row = present.event_row(Event.model_validate(event), language)
    except (ValidationError, KeyError):  # written by another release
        return str(event["type"]), ""
    return row["text"], row["detail"]
